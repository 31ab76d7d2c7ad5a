import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

/** The shortest text that is a secret and no word. */
const SECRET_CHARS_MIN = 16;

describe('the log, at its most talkative', () => {
  let keyturn: Keyturn;
  const sent = new Set<string>();
  const original = globalThis.fetch;

  /** Takes down everything confidential that goes over the wire, either way. */
  function listen() {
    globalThis.fetch = async (input, init) => {
      const request = new Headers(init?.headers);
      take(request.get('authorization')?.replace(/^\w+ /, ''));
      takeCookies(request.get('cookie'));
      takeFields(new URL(String(input instanceof Request ? input.url : input)).searchParams);
      if (init?.body instanceof URLSearchParams || typeof init?.body === 'string')
        takeFields(new URLSearchParams(init.body));
      const response = await original(input, init);
      for (const cookie of response.headers.getSetCookie()) takeCookies(cookie.split(';')[0]);
      const location = response.headers.get('location');
      if (location !== null) takeFields(new URL(location, keyturn.issuer).searchParams);
      const text = await response.clone().text();
      for (const [, value] of text.matchAll(/name="(?:csrf|xsrf|code|state|logout)" value="([^"]+)"/g))
        take(value);
      if (text.startsWith('{')) {
        const body = JSON.parse(text) as Record<string, unknown>;
        for (const name of ['access_token', 'refresh_token', 'id_token', 'request_uri']) take(body[name]);
      }
      return response;
    };
  }
  const take = (value: unknown) => {
    if (typeof value !== 'string' || value.length < SECRET_CHARS_MIN) return;
    sent.add(value);
    sent.add(encodeURIComponent(value));
    // The signature alone would do for whoever knows the rest.
    const [, , signature = ''] = value.split('.');
    if (signature.length >= SECRET_CHARS_MIN) sent.add(signature);
  };
  const takeCookies = (header: string | null | undefined) => {
    for (const pair of header?.split(/;\s*/) ?? []) take(pair.slice(pair.indexOf('=') + 1));
  };
  const CONFIDENTIAL =
    /^(code|state|nonce|token|access_token|refresh_token|id_token_hint|client_secret|client_assertion|password|csrf|xsrf|code_verifier|request_uri|login_hint)$/;
  const takeFields = (fields: URLSearchParams) => {
    for (const [name, value] of fields) if (CONFIDENTIAL.test(name)) take(value);
  };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_LOG_LEVEL: 'trace' });
    listen();
  });
  after(async () => {
    globalThis.fetch = original;
    await keyturn[Symbol.asyncDispose]();
  });

  test('says what happened and never a password, secret, token, code, cookie or anti-forgery token', async () => {
    const { password } = await keyturn.addAccount('ada');
    const ada = { login: 'ada', password };
    take(password);
    await keyturn.addResourceServer();
    const added = await keyturn.addClient({ scope: 'openid offline_access read' });
    take(added.secret);
    const web = await RelyingParty.discover(keyturn, added);
    // openid-client has a `fetch` of its own in each configuration.
    web.configuration[oauth.customFetch] = (url, init) => globalThis.fetch(url, init as RequestInit);

    const person = new Person();
    const tokens = await web.signIn(person, ada, { scope: 'openid read' });
    const refreshed = await web.refresh(tokens.refresh_token ?? '');
    await web.introspect(refreshed.access_token);
    await oauth.fetchUserInfo(web.configuration, refreshed.access_token, tokens.claims()?.sub ?? '');
    await oauth.buildAuthorizationUrlWithPAR(web.configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });

    const { url, checks } = await web.request();
    const callback = await person.authorize(url, ada);
    await web.redeem(callback, checks);
    await assert.rejects(web.redeem(callback, checks));
    await assert.rejects(web.refresh('a made-up refresh token, of no use'));
    const wrong = await person.visit(
      (await web.request({ prompt: 'login', login_hint: 'somebody@example.com' })).url,
    );
    await person.submit(wrong, '/sign-in', { login: 'ada', password: 'not the right password' });
    await person.submit(wrong, '/sign-in', {
      login: 'my password, typed into the wrong field',
      password: 'x',
    });
    take('my password, typed into the wrong field');
    await person
      .visit(`${keyturn.issuer}/logout?id_token_hint=${tokens.id_token}`)
      .then((page) => person.submit(page, '/logout/confirm'));
    await fetch(`${keyturn.issuer}/token?client_secret=${added.secret}`, {
      method: 'POST',
      body: 'nonsense',
      headers: { 'content-type': 'text/plain', authorization: 'Basic bm90aGluZzp0byBzZWUgaGVyZQ==' },
    });
    await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: new URLSearchParams({
        client_id: added.client.clientId,
        client_secret: added.secret,
        grant_type: 'client_credentials',
      }),
    });
    await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_assertion: `e30.${'x'.repeat(60)}.e30`,
        grant_type: 'client_credentials',
      }),
    });
    await fetch(
      `${keyturn.issuer}/authorize?request=${'e30.'.repeat(8)}&client_id=${added.client.clientId}&redirect_uri=${CALLBACK}&response_type=code&state=a-secret-state-of-the-client`,
      { redirect: 'manual' },
    );

    assert.ok(sent.size > 40, `${sent.size} confidential texts went over the wire`);
    const log = keyturn.logged.join('');
    assert.match(log, /"msg":"sign-in"/);
    assert.match(log, /"msg":"refused"/);
    assert.match(log, /"path":"\/interaction\/:uid\/sign-in"/);
    for (const secret of sent) assert.ok(!log.includes(secret), `the log holds ${secret}`);
    assert.doesNotMatch(log, /Basic |Bearer |"cookie|"authorization"/i);
  });

  test('a fault is told with its stack, and without what the request carried', async () => {
    await keyturn.services.store[Symbol.asyncDispose]();
    const response = await original(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'x',
        client_secret: 'a secret that is told to nobody',
      }),
    });
    assert.equal(response.status, 503);
    const log = keyturn.logged.join('');
    assert.match(log, /StorageFault/);
    assert.doesNotMatch(log, /a(?: |\+|%20)secret(?: |\+|%20)that/);
    for (const secret of sent) assert.ok(!log.includes(secret));
  });
});
