import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { launchBrowser } from '#test/support/browser.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

describe('answering a client that is used elsewhere, in a real browser', () => {
  let keyturn: Keyturn;
  let bank: BackchannelClient;
  let browser: Browser;
  let password: string;

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_BACKCHANNEL_ENABLED: 'true' });
    ({ password } = await keyturn.addAccount('ada'));
    bank = await BackchannelClient.register(keyturn);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await keyturn[Symbol.asyncDispose]();
  });

  async function signIn(page: Page, labels: { login: string; password: string; submit: string }) {
    await page.goto(`${keyturn.issuer}/account/requests`);
    await page.getByLabel(labels.login).fill('ada');
    await page.getByLabel(labels.password).fill(password);
    await page.getByRole('button', { name: labels.submit }).click();
  }

  test('without JavaScript: a person sees what they also see there, and says yes', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada', binding_message: 'W4SCT' });
    const context = await browser.newContext({ javaScriptEnabled: false, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await signIn(page, { login: 'Username or e-mail', password: 'Password', submit: 'Sign in' });
    await page.getByText('W4SCT').waitFor();
    await page.getByRole('button', { name: 'Yes, that is me' }).click();
    await page.getByRole('status').getByText('The application goes on').waitFor();
    assert.equal(await bank.pollError(auth_req_id), null);
    await context.close();
  });

  test('in German, on a page that is accessible and in the navigation of the account, and says no', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada', binding_message: 'W4SCT' });
    const context = await browser.newContext({ locale: 'de', reducedMotion: 'reduce' });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    await signIn(page, { login: 'Benutzername oder E-Mail', password: 'Passwort', submit: 'Anmelden' });
    await page.getByRole('link', { name: 'Übersicht' }).click();
    await page.getByRole('link', { name: 'Anfragen' }).click();
    await page.getByText('W4SCT').waitFor();
    await page.evaluate(AXE);
    const found = await page.evaluate<string[]>(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + nodes[0].html))',
    );
    assert.deepEqual(found, []);
    await page.getByRole('button', { name: 'Nein' }).click();
    await page.getByRole('status').getByText('ein Nein bekommen').waitFor();
    assert.equal(await bank.pollError(auth_req_id), 'access_denied');
    assert.deepEqual(problems, []);
    await context.close();
  });
});
