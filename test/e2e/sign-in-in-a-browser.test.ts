import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';

import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchBrowser } from '#test/support/browser.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

describe('signing in, in a real browser', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let browser: Browser;
  let context: BrowserContext;
  let client: Server;
  let callback: string;
  let password: string;
  const received: { url: URL; body: string }[] = [];

  before(async () => {
    keyturn = await startKeyturnHere();
    ({ password } = await keyturn.addAccount('ada'));
    await keyturn.addResourceServer({
      name: 'Library',
      scopeMeanings: { read: 'Read the books that you have borrowed' },
    });
    // The port is another than the registered one, as it is for an application on the person's own machine.
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({
        name: 'Reading List',
        scope: 'openid profile email offline_access read',
        postLogoutRedirectUris: ['http://127.0.0.1/signed-out'],
      }),
    );
    client = createServer(async (request, response) => {
      const chunks = await Array.fromAsync(request);
      if (request.url !== '/favicon.ico') {
        received.push({ url: new URL(request.url ?? '', callback), body: Buffer.concat(chunks).toString() });
      }
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>Client</title><p>back at the client');
    }).listen(0, '127.0.0.1');
    await once(client, 'listening');
    callback = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`;
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    client.closeAllConnections();
    client.close();
    await keyturn[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    received.length = 0;
    await context.close();
  });

  const problems: string[] = [];

  async function open(options: { javaScriptEnabled?: boolean } = {}): Promise<Page> {
    problems.length = 0;
    context = await browser.newContext({ ...options, locale: 'en-GB' });
    const page = await context.newPage();
    page.on('console', (message) => {
      // A refused sign-in is a 401, which Chromium mentions.
      if (message.type() === 'error' && !message.text().includes('401')) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    return page;
  }

  const request = (parameters: Record<string, string> = {}) =>
    web.request({ scope: 'openid profile read', redirect_uri: callback, ...parameters });

  async function fillIn(page: Page, typed: string): Promise<void> {
    await page.getByLabel(/username or e-?mail/i).fill('ada');
    await page.getByLabel(/^password/i).fill(typed);
    await page.getByRole('button', { name: /^sign in/i }).click();
  }

  async function assertAccessible(page: Page): Promise<void> {
    // Evaluated by the debugger, which the page's own policy does not keep out.
    await page.evaluate(AXE);
    const { violations } = (await page.evaluate('axe.run()')) as {
      violations: { id: string; help: string }[];
    };
    assert.deepEqual(
      violations.map(({ id, help }) => `${id}: ${help}`),
      [],
    );
  }

  test('a person signs in, reads what the client will be able to do, allows it, and is back at the client', async () => {
    const page = await open();
    const { url, checks } = await request();
    await page.goto(url.href);
    await assertAccessible(page);
    assert.match(await page.title(), /sign in/i);
    await fillIn(page, password);
    await page.getByRole('button', { name: /^allow/i }).waitFor();
    await assertAccessible(page);
    const text = await page.locator('main').innerText();
    assert.match(text, /Reading List/);
    assert.match(text, /Library/);
    assert.match(text, /Read the books that you have borrowed/);
    await page.getByRole('button', { name: /^allow/i }).click();
    await page.waitForURL(`${callback}**`);
    const tokens = await web.redeem(new URL(page.url()), checks);
    assert.equal(tokens.claims()?.preferred_username, 'ada');
    assert.deepEqual(problems, []);
  });

  test('a wrong password is told in words, what was typed as the name stays, and the right one goes on', async () => {
    const page = await open();
    await page.goto((await request()).url.href);
    await fillIn(page, 'not the password');
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByLabel(/username or e-?mail/i).inputValue(), 'ada');
    await assertAccessible(page);
    await fillIn(page, password);
    await page.waitForURL(`${callback}**`);
    assert.deepEqual(problems, []);
  });

  test('everything works without JavaScript', async () => {
    const page = await open({ javaScriptEnabled: false });
    const { url } = await request({ prompt: 'consent' });
    await page.goto(url.href);
    await fillIn(page, password);
    await page.getByRole('button', { name: /^allow/i }).click();
    await page.waitForURL(`${callback}**`);
    assert.ok(new URL(page.url()).searchParams.has('code'));
  });

  test('form_post posts itself on where there is JavaScript (OAuth 2.0 Form Post Response Mode)', async () => {
    const page = await open();
    await page.goto((await request({ response_mode: 'form_post' })).url.href);
    await fillIn(page, password);
    await page.waitForURL(callback);
    assert.ok(new URLSearchParams(received.at(-1)?.body).has('code'));
    assert.deepEqual(problems, []);
  });

  test('form_post goes on by a button where there is none', async () => {
    const page = await open({ javaScriptEnabled: false });
    await page.goto((await request({ response_mode: 'form_post' })).url.href);
    await fillIn(page, password);
    await page.getByRole('button', { name: /continue/i }).click();
    await page.waitForURL(callback);
    assert.ok(new URLSearchParams(received.at(-1)?.body).has('code'));
  });

  test('declining brings access_denied to the client (RFC 6749 section 4.1.2.1)', async () => {
    const page = await open();
    await page.goto((await request()).url.href);
    await page.getByRole('button', { name: /cancel/i }).click();
    await page.waitForURL(`${callback}**`);
    assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
    assert.deepEqual(problems, []);
  });

  test('going back after the end, and reloading there, does no harm', async () => {
    const page = await open();
    await page.goto((await request({ prompt: 'consent' })).url.href);
    await fillIn(page, password);
    await page.getByRole('button', { name: /^allow/i }).click();
    await page.waitForURL(`${callback}**`);
    await page.goBack();
    assert.doesNotMatch(await page.locator('body').innerText(), /something went wrong here/i);
    await page.goto((await request()).url.href);
    await page.waitForURL(`${callback}**`);
    assert.ok(new URL(page.url()).searchParams.has('code'));
  });

  test('two tabs sign in side by side, and both get where they were going', async () => {
    const first = await open();
    const second = await context.newPage();
    const [one, other] = [await request({ state: 'one' }), await request({ state: 'other' })];
    await first.goto(one.url.href);
    await second.goto(other.url.href);
    await fillIn(second, password);
    await second.waitForURL(`${callback}**`);
    await fillIn(first, password);
    await first.waitForURL(/callback|\/interaction\//);
    if (!first.url().startsWith(callback)) await fillIn(first, password);
    await first.waitForURL(`${callback}**`);
    assert.equal(new URL(first.url()).searchParams.get('state'), 'one');
    assert.equal(new URL(second.url()).searchParams.get('state'), 'other');
  });

  test('a browser without a session is led back to the client at once when it signs out', async () => {
    const page = await open();
    const { url, checks } = await request();
    await page.goto(url.href);
    await fillIn(page, password);
    await page.waitForURL(`${callback}**`);
    const tokens = await web.redeem(new URL(page.url()), checks);
    await context.clearCookies();
    const backTo = new URL('/signed-out', callback).href;
    await page.goto(
      `${keyturn.issuer}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token ?? '', post_logout_redirect_uri: backTo })}`,
    );
    await page.waitForURL(backTo);
    assert.deepEqual(problems, []);
  });

  test('signing out asks, signs out, and says so', async () => {
    const page = await open();
    const { url, checks } = await request();
    await page.goto(url.href);
    await fillIn(page, password);
    await page.waitForURL(`${callback}**`);
    const tokens = await web.redeem(new URL(page.url()), checks);
    await page.goto(`${keyturn.issuer}/logout?id_token_hint=${tokens.id_token}`);
    await assertAccessible(page);
    await page.getByRole('button', { name: /sign out/i }).click();
    await page.getByRole('heading', { name: /signed out/i }).waitFor();
    await assertAccessible(page);
    assert.deepEqual(problems, []);
  });
});
