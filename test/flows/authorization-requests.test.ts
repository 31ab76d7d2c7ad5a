import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { assertRefused, refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const WEB_CALLBACK = 'https://app.example.com/cb?tenant=1';

describe('authorization requests', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let spa: RelyingParty;
  let native: RelyingParty;
  let noPkce: RelyingParty;
  let mcp: RelyingParty;
  const secrets = new Map<RelyingParty, string>();
  const ada = { login: 'ada', password: '' };

  const client = async (registration: object) => {
    const added = await keyturn.addClient(registration);
    const party = await RelyingParty.discover(keyturn, added);
    secrets.set(party, `Basic ${Buffer.from(`${added.client.clientId}:${added.secret}`).toString('base64')}`);
    return party;
  };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({ identifier: 'https://other.example.com', scope: ['look'] });
    web = await client({
      redirectUris: [CALLBACK, WEB_CALLBACK, 'https://app.example.com/cb'],
      scope: 'openid profile offline_access read look',
    });
    spa = await client({
      name: 'SPA',
      authenticationMethod: 'none',
      scope: 'openid',
      grantTypes: ['authorization_code'],
    });
    native = await client({
      name: 'Native',
      authenticationMethod: 'none',
      redirectUris: [
        'com.example.app:/cb',
        'http://127.0.0.1/cb',
        'http://[::1]:5000/cb',
        'http://localhost/cb?x=1',
      ],
      scope: 'openid',
    });
    noPkce = await client({ name: 'Certified', requirePkce: false, scope: 'openid read' });
    mcp = await client({
      name: 'MCP',
      authenticationMethod: 'none',
      scope: 'openid read',
      defaultScope: 'read',
    });
  });
  after(async () => {
    const faults = keyturn.logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
    await keyturn[Symbol.asyncDispose]();
    assert.deepEqual(faults, []);
  });

  /** Asks, with some parameters changed or, by `undefined`, left out; none of it is answered by a redirect out yet. */
  async function ask(
    party: RelyingParty,
    changes: Record<string, string | string[] | undefined> = {},
    person = new Person(),
  ) {
    const { url, checks } = await party.request();
    for (const [name, value] of Object.entries(changes)) {
      url.searchParams.delete(name);
      for (const each of [value ?? []].flat()) url.searchParams.append(name, each);
    }
    return { ...(await person.visit(url)), checks, sent: url };
  }

  async function assertToldClient(
    party: RelyingParty,
    changes: Record<string, string | string[] | undefined>,
    error: string,
  ) {
    const { leftTo, sent, html, response } = await ask(party, changes);
    assert.ok(leftTo, `${JSON.stringify(changes)} ${response.status} ${html}`);
    assert.equal(leftTo.searchParams.get('error'), error, leftTo.href);
    assert.equal(leftTo.searchParams.get('state'), sent.searchParams.get('state'));
    assert.equal(leftTo.searchParams.get('iss'), keyturn.issuer, 'RFC 9207 section 2');
    assert.equal(leftTo.searchParams.get('code'), null);
    return leftTo;
  }

  async function assertToldPerson(
    party: RelyingParty,
    changes: Record<string, string | string[] | undefined>,
  ) {
    const { leftTo, response, html } = await ask(party, changes);
    assert.equal(leftTo, null, `sent to ${leftTo?.href}`);
    assertRefused(response.status, html);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(
      response.headers.get('content-security-policy') ?? '',
      /default-src 'none'.*frame-ancestors 'none'/,
    );
  }

  test('a redirect URI is compared exactly, and nobody is ever sent to another (RFC 9700 section 2.1)', async () => {
    for (const uri of [
      'https://evil.example/cb',
      'https://app.example.com/cb/',
      'https://app.example.com/CB',
      'https://APP.example.com/cb',
      'HTTPS://app.example.com/cb',
      'https://app.example.com/cb?',
      'https://app.example.com/cb?tenant=1&x=2',
      'https://app.example.com/cb?tenant=2',
      'https://app.example.com/cb#x',
      'https://app.example.com/%63b',
      'https://app.example.com/x/../cb',
      'https://app.example.com:443/cb',
      'https://app.example.com:8443/cb',
      'https://app.example.com@evil.example/cb',
      'https://user:pw@app.example.com/cb',
      'https://app.example.com.evil.example/cb',
      'https://app.example.com\\@evil.example/cb',
      'https://app.example.com%2f@evil.example/cb',
      'http://app.example.com/cb',
      '//app.example.com/cb',
      '/cb',
      'https://app.example.com/cb\u0000',
      'https://app.example.com/cb ',
      ' https://app.example.com/cb',
      'https://app.example.com/cb\r\nLocation: https://evil.example',
      'javascript:alert(1)',
      'data:text/html,x',
      'x',
      '%',
      'http://127.0.0.1:4000/callback/',
      'http://127.0.0.1:4000/callback?x',
      'http://127.0.0.2:4000/callback',
      'http://localhost:4000/callback',
      'http://127.0.0.1:4000@evil.example/callback',
      'http://127.0.0.1:99999/callback',
      'http://127.0.0.1:/callback',
      'http://0x7f.1:4000/callback',
      'http://127.1:4000/callback',
      'http://[::1]:4000/callback',
      'http://127.0.0.1.evil.example:4000/callback',
      'https://127.0.0.1:4000/callback',
    ]) {
      await assertToldPerson(web, { redirect_uri: uri });
      // Where the request has other faults too, the first of them is no way around.
      for (const fault of [
        { response_type: 'token' },
        { prompt: 'none' },
        { code_challenge: undefined },
        { scope: 'nonsense' },
        { response_mode: 'form_post', prompt: 'none' },
        { request: 'x' },
        { response_mode: 'nonsense' },
        { max_age: 'x' },
      ]) {
        await assertToldPerson(web, { redirect_uri: uri, ...fault });
      }
    }
    await assertToldPerson(web, { redirect_uri: undefined });
    await assertToldPerson(web, { redirect_uri: '' });
    await assertToldPerson(web, { redirect_uri: ['https://app.example.com/cb', 'https://evil.example/cb'] });
    await assertToldPerson(web, {
      redirect_uri: ['https://app.example.com/cb', 'https://app.example.com/cb'],
    });
  });

  test('the port of an http loopback redirect URI may differ, and nothing else of it (RFC 8252 section 7.3)', async () => {
    for (const uri of [
      'http://127.0.0.1/cb',
      'http://127.0.0.1:4711/cb',
      'http://[::1]/cb',
      'http://[::1]:1/cb',
      'http://localhost:65535/cb?x=1',
      'com.example.app:/cb',
    ]) {
      const { leftTo } = await ask(native, { redirect_uri: uri, prompt: 'none' });
      assert.equal(leftTo?.searchParams.get('error'), 'login_required', uri);
      assert.ok(leftTo.href.startsWith(uri), leftTo.href);
    }
    for (const uri of [
      'http://127.0.0.1:65536/cb',
      'http://127.0.0.1:-1/cb',
      'http://127.0.0.1:4711/CB',
      'http://localhost:80/cb',
      'http://localhost:80/cb?x=2',
      'https://127.0.0.1:4711/cb',
      'com.example.app:/cb?x',
      'com.example.app://cb',
      'com.example.app.evil:/cb',
      'http://127.0.0.1:80:80/cb',
      'http://127.0.0.1:8e1/cb',
    ]) {
      await assertToldPerson(native, { redirect_uri: uri });
    }
  });

  test('an unknown client is told to the person, never to whom the request names (RFC 6749 section 4.1.2.1)', async () => {
    for (const id of [
      'nobody',
      '',
      '__proto__',
      'a'.repeat(9_000),
      '\u0000',
      'rs_x',
      '\u{1f600}',
      ['a', 'b'],
    ])
      await assertToldPerson(web, { client_id: id });
    await assertToldPerson(web, { client_id: undefined });
  });

  test('response types other than code are refused (OAuth 2.1 section 4.1.1)', async () => {
    for (const type of ['token', 'id_token', 'id_token token', 'none', 'nonsense', 'CODE', '__proto__']) {
      const { leftTo } = await ask(web, { response_type: type });
      const answer = new URLSearchParams(leftTo?.hash.slice(1) || leftTo?.search);
      assert.equal(answer.get('error'), 'unsupported_response_type', type);
      assert.equal(answer.get('iss'), keyturn.issuer);
    }
    await assertToldClient(web, { response_type: undefined }, 'invalid_request');
    await assertToldClient(web, { response_type: ['code', 'code'] }, 'invalid_request');
  });

  test('the state comes back as it was, whatever is in it (RFC 6749 section 4.1.2)', async () => {
    for (const state of [
      'a b+c%20d',
      '<script>alert(1)</script>',
      '"\'&=#?/\\',
      '\u00e9\u{1f600}\u2028',
      '\u0000\r\n',
      '__proto__',
      '%',
      'x'.repeat(4_000),
    ]) {
      const { leftTo } = await ask(web, { state, prompt: 'none' });
      assert.equal(leftTo?.searchParams.get('state'), state);
      const { html } = await ask(web, { state, prompt: 'none', response_mode: 'form_post' });
      assert.doesNotMatch(html, /<script>alert/);
    }
    const { leftTo } = await ask(web, { state: undefined, prompt: 'none' });
    assert.equal(leftTo?.searchParams.has('state'), false);
  });

  test('the answer names the issuer, in success as well (RFC 9207 section 2)', async () => {
    const { url } = await web.request();
    const callback = await new Person().authorize(url, ada);
    assert.equal(callback.searchParams.get('iss'), keyturn.issuer);
  });

  test('without PKCE by S256 there is no code, and the client is told (RFC 9700 section 2.1.1)', async () => {
    for (const party of [web, spa]) {
      await assertToldClient(
        party,
        { code_challenge: undefined, code_challenge_method: undefined },
        'invalid_request',
      );
      await assertToldClient(party, { code_challenge: undefined }, 'invalid_request');
      for (const method of [undefined, 'plain', 's256', 'S512', ''])
        await assertToldClient(party, { code_challenge_method: method }, 'invalid_request');
      for (const challenge of [
        '',
        'short',
        'x'.repeat(42),
        'x'.repeat(129),
        `${'x'.repeat(42)}=`,
        `${'x'.repeat(42)} `,
        '\u00e9'.repeat(43),
      ]) {
        await assertToldClient(party, { code_challenge: challenge }, 'invalid_request');
      }
    }
  });

  test('a client registered without PKCE needs openid and a nonce in its place (RFC 9700 section 2.1.1)', async () => {
    const without = { code_challenge: undefined, code_challenge_method: undefined };
    await assertToldClient(noPkce, { ...without, nonce: undefined }, 'invalid_request');
    await assertToldClient(noPkce, { ...without, nonce: '' }, 'invalid_request');
    await assertToldClient(noPkce, { ...without, scope: 'read' }, 'invalid_request');
    const { html } = await ask(noPkce, without);
    assert.match(html, /\/sign-in"/);
    await assertToldClient(noPkce, { code_challenge_method: 'plain' }, 'invalid_request');
  });

  test("scopes that are not there or not the client's are refused (RFC 6749 section 4.1.2.1)", async () => {
    for (const scope of [
      'nonsense',
      'openid nonsense',
      'openid email',
      'write',
      'openid write',
      'OPENID',
      '"',
      '\u00e9',
      '\u0000',
    ])
      await assertToldClient(web, { scope, nonce: undefined }, 'invalid_scope');
    await assertToldClient(spa, { scope: 'openid read' }, 'invalid_scope');
  });

  test('a resource that is not there, is no URI, or is one of several is told (RFC 8707 section 2)', async () => {
    for (const resource of [
      'https://nobody.example',
      `${API}//`,
      `${API}/x`,
      `${API}#x`,
      `${API}?x`,
      'HTTPS://api.example.com',
      'x',
      '/',
      keyturn.issuer,
      '__proto__',
      [API, 'https://nobody.example'],
    ]) {
      await assertToldClient(web, { scope: 'openid read', resource }, 'invalid_target');
    }
    for (const resource of [API, `${API}/`]) {
      const { html } = await ask(web, { scope: 'openid read', resource });
      assert.match(html, /\/sign-in"/);
    }
  });

  test("a request that names no scope asks for the client's default ones, as those of MCP clients do (RFC 6749 section 3.3)", async () => {
    const { url, checks } = await mcp.request({ resource: API });
    url.searchParams.delete('scope');
    url.searchParams.delete('nonce');
    const { expectedNonce: _, ...withoutNonce } = checks as typeof checks & { expectedNonce?: string };
    const tokens = await mcp.redeem(await new Person().authorize(url, ada), withoutNonce, { resource: API });
    assert.equal(tokens.scope, 'read');
  });

  test('request objects and references to them are not supported, and say so (RFC 9101 section 7)', async () => {
    await assertToldClient(web, { request: 'e30.e30.' }, 'request_not_supported');
    await assertToldClient(web, { registration: '{}' }, 'registration_not_supported');
    for (const request_uri of [
      'https://evil.example/request',
      'http://127.0.0.1:1/',
      'urn:x',
      'file:///etc/passwd',
    ]) {
      await assertToldClient(web, { request_uri }, 'request_uri_not_supported');
    }
    await assertToldClient(
      web,
      { request_uri: 'urn:ietf:params:oauth:request_uri:nonsense' },
      'invalid_request_uri',
    );
    await assertToldPerson(web, {
      request_uri: 'urn:ietf:params:oauth:request_uri:nonsense',
      redirect_uri: 'https://evil.example',
    });
  });

  test("odd values of the other parameters are the client's to hear of", async () => {
    for (const changes of [
      { prompt: 'nonsense' },
      { prompt: 'none login' },
      { max_age: '-1' },
      { max_age: 'x' },
      { max_age: '1.5' },
      { id_token_hint: 'x' },
      { id_token_hint: 'a.b.c' },
      { nonce: ['a', 'b'] },
      { prompt: ['login', 'login'] },
    ]) {
      await assertToldClient(web, changes, 'invalid_request');
    }
  });

  test('prompt=none never shows a page (OpenID Connect Core section 3.1.2.1)', async () => {
    await assertToldClient(web, { prompt: 'none' }, 'login_required');
    const person = new Person();
    await web.signIn(person, ada);
    const { leftTo } = await ask(web, { prompt: 'none', scope: 'openid profile' }, person);
    assert.equal(leftTo?.searchParams.get('error'), 'consent_required');
    assert.ok((await ask(web, { prompt: 'none' }, person)).leftTo?.searchParams.has('code'));
  });

  test('prompt=login and an old sign-in ask again, max_age in time does not (OpenID Connect Core section 3.1.2.1)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    assert.match((await ask(web, { prompt: 'login' }, person)).html, /\/sign-in"/);
    assert.match((await ask(web, { max_age: '0' }, person)).html, /\/sign-in"/);
    assert.ok((await ask(web, { max_age: '100' }, person)).leftTo?.searchParams.has('code'));
  });

  test('login_hint is filled in, ui_locales chooses the language, and neither is markup (OpenID Connect Core section 3.1.2.1)', async () => {
    const { html } = await ask(web, { login_hint: '"><script>alert(1)</script>', ui_locales: 'xx de-AT en' });
    assert.match(html, /value="&quot;&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;"/);
    assert.match(html, /<html lang="de"/);
    assert.match((await ask(web, { ui_locales: '<x>'.repeat(2_000) })).html, /<html lang="en"/);
  });

  test('a posted request is the same request (OpenID Connect Core section 3.1.2.1)', async () => {
    const { url, checks } = await web.request({ state: 'a b&c=\u00e9' });
    const callback = await (async () => {
      const person = new Person();
      const page = await person.visit(`${keyturn.issuer}/authorize`, {
        method: 'POST',
        body: url.searchParams,
      });
      const consent = await person.submit(page, '/sign-in', ada);
      return consent.leftTo ?? (await person.submit(consent, '/consent')).leftTo;
    })();
    assert.ok(callback);
    assert.ok(await web.redeem(callback, { ...checks, expectedState: 'a b&c=\u00e9' }));
    const tooLong = await fetch(`${keyturn.issuer}/authorize`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ state: 'x'.repeat(30_000) }),
    });
    assert.deepEqual(await refusalOf(tooLong), { status: 413, error: 'invalid_request' });
  });

  test('form_post is a page with a button that needs no script, and sends nothing anywhere else', async () => {
    const { url, checks } = await web.request({ response_mode: 'form_post' });
    const person = new Person();
    let page = await person.submit(await person.visit(url), '/sign-in', ada);
    if (page.html.includes('/consent"')) page = await person.submit(page, '/consent');
    assert.equal(page.response.status, 200);
    assert.match(
      page.html,
      /<form[^>]* method="post"[^>]*action="http:\/\/127\.0\.0\.1:4000\/callback"|<form[^>]*action="http:\/\/127\.0\.0\.1:4000\/callback"[^>]*method="post"/i,
    );
    assert.match(page.html, /<button\b(?![^>]*hidden)/);
    assert.doesNotMatch(page.html, /<script(?![^>]*\bsrc="\/assets\/)|<noscript/);
    assert.match(
      page.response.headers.get('content-security-policy') ?? '',
      /default-src 'none'.*form-action http:/,
    );
    const fields = Object.fromEntries(
      [...page.html.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    const callback = new URL(`${CALLBACK}?${new URLSearchParams(fields as Record<string, string>)}`);
    assert.ok(await web.redeem(callback, checks));
  });

  test('an application with a scheme of its own gets by redirect what it asked to be posted', async () => {
    const { leftTo } = await ask(native, {
      redirect_uri: 'com.example.app:/cb',
      response_mode: 'form_post',
      prompt: 'none',
    });
    assert.equal(leftTo?.searchParams.get('error'), 'login_required');
    const { url, checks } = await native.request({
      redirect_uri: 'com.example.app:/cb',
      response_mode: 'form_post',
    });
    const callback = await new Person().authorize(url, ada);
    assert.equal(callback.protocol, 'com.example.app:');
    assert.ok(callback.searchParams.has('code'));
    assert.equal(callback.searchParams.get('state'), checks.expectedState);
  });
});
