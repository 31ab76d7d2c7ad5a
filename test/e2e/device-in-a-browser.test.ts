import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchBrowser } from '#test/support/browser.ts';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

describe('connecting a device, in a real browser', () => {
  let keyturn: Keyturn;
  let television: Device;
  let browser: Browser;
  let context: BrowserContext;
  let password: string;
  const problems: string[] = [];

  before(async () => {
    keyturn = await startKeyturnHere();
    ({ password } = await keyturn.addAccount('ada'));
    television = await Device.register(keyturn);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await keyturn[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(problems.splice(0), []);
  });

  async function open(options: { javaScriptEnabled?: boolean; locale?: string } = {}): Promise<Page> {
    context = await browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.on('console', (message) => {
      // A page that refuses says so by its status, which the browser's console repeats.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
        problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    return page;
  }

  async function assertAccessible(page: Page): Promise<void> {
    await page.evaluate(AXE);
    const found = await page.evaluate<string[]>(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + nodes[0].html))',
    );
    assert.deepEqual(found, [], page.url());
  }

  test('without JavaScript: the code is typed, confirmed, and the device is connected', async () => {
    const page = await open({ javaScriptEnabled: false });
    const { device_code, user_code, verification_uri } = await television.begin();
    await page.goto(verification_uri);
    await page.getByLabel('Code').fill('bcdf-ghjk');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('alert').getByText('no such code').waitFor();
    await page.getByLabel('Code').fill(user_code.toLowerCase());
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText(user_code).waitFor();
    await page.getByRole('button', { name: 'Yes, this is my device' }).click();
    await page.getByLabel('Username or e-mail').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByRole('heading', { name: 'Your device is connected' }).waitFor();
    assert.equal(await television.pollError(device_code), null);
  });

  test('by the link of a QR code, in German, it is one step less, and every page is accessible', async () => {
    const page = await open({ locale: 'de' });
    const { device_code, user_code, verification_uri_complete } = await television.begin();
    await page.goto(verification_uri_complete);
    await page.getByRole('heading', { name: 'Ein Gerät mit Television verbinden?' }).waitFor();
    await page.getByText(user_code).waitFor();
    await assertAccessible(page);
    await page.goto(`${keyturn.issuer}/device`);
    await assertAccessible(page);
    await page.getByLabel('Code').fill(user_code);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Nein, abbrechen' }).click();
    await page.getByRole('heading', { name: 'Das Gerät wurde nicht verbunden' }).waitFor();
    await assertAccessible(page);
    assert.equal(await television.pollError(device_code), 'access_denied');
  });
});
