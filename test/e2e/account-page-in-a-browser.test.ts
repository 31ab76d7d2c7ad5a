import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '#test/support/browser.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const NEW = 'another quick brown fox';

describe('the page of an account, in a real browser without JavaScript', () => {
  let keyturn: Keyturn;
  let browser: Browser;
  let wiki: RelyingParty;
  let password: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    ({ password } = await keyturn.addAccount('ada'));
    wiki = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Team Wiki' }));
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await keyturn[Symbol.asyncDispose]();
  });

  async function signIn(page: Page, typed: string): Promise<void> {
    await page.getByLabel(/username or e-?mail/i).fill('ada');
    await page.getByLabel(/^password/i).fill(typed);
    await page.getByRole('button', { name: /^sign in/i }).click();
  }

  test('a person signs in, ends a session, takes access away, changes the password, and signs out', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB' });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    const phone = await wiki.signIn(new Person(), { login: 'ada', password });

    await page.goto(`${keyturn.issuer}/account`);
    await signIn(page, password);
    await page.getByRole('heading', { name: 'Your account' }).waitFor();

    await page.getByRole('link', { name: 'Signed in' }).click();
    await page.getByText('This browser').waitFor();
    await page.getByRole('button', { name: 'End this session' }).click();
    await page.getByRole('status').waitFor();
    assert.equal(await page.getByRole('button', { name: 'End this session' }).count(), 0);
    assert.equal((await wiki.introspect(phone.access_token)).active, false);

    await page.getByRole('link', { name: 'Applications' }).click();
    await page.getByRole('heading', { name: 'Team Wiki' }).waitFor();
    await page.getByRole('button', { name: 'Take access away' }).click();
    await page.getByText('No application has access').waitFor();

    await page.getByRole('link', { name: 'Password' }).click();
    await page.getByLabel('Current password').fill(password);
    await page.getByLabel('New password', { exact: true }).fill(NEW);
    await page.getByLabel('New password, once more').fill(NEW);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('has been changed').waitFor();

    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('link', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: /signed out/i }).waitFor();
    await page.goto(`${keyturn.issuer}/account`);
    await signIn(page, NEW);
    await page.getByRole('heading', { name: 'Your account' }).waitFor();
    assert.deepEqual(problems, []);
    await context.close();
  });
});
