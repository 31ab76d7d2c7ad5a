import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, assertToldClient, assertToldPerson } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';

describe('authorization requests', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let spa: RelyingParty;
  let strictNoPkce: RelyingParty;
  let noPkce: RelyingParty;
  let mcp: RelyingParty;
  const ada = { login: 'ada', password: '' };

  const client = async (registration: object) =>
    RelyingParty.discover(keyturn, await keyturn.addClient(registration));

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({ identifier: 'https://other.example.com', scope: ['look'] });
    web = await client({ scope: 'openid profile offline_access read look' });
    spa = await client({
      name: 'SPA',
      authenticationMethod: 'none',
      scope: 'openid',
      grantTypes: ['authorization_code'],
    });
    noPkce = await client({ name: 'Certified', requirePkce: false, scope: 'openid read' });
    strictNoPkce = await client({
      name: 'Strict',
      requirePkce: false,
      profile: 'oauth-2.1',
      scope: 'openid',
    });
    mcp = await client({
      name: 'MCP',
      authenticationMethod: 'none',
      scope: 'openid read',
      defaultScope: 'read',
    });
  });
  after(() => stopFaultless(keyturn));

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

  test('a client registered without PKCE needs openid in its place, and under OAuth 2.1 a nonce (RFC 9700 section 2.1.1)', async () => {
    const without = { code_challenge: undefined, code_challenge_method: undefined };
    await assertToldClient(noPkce, { ...without, scope: 'read' }, 'invalid_request');
    await assertToldClient(noPkce, { code_challenge_method: 'plain' }, 'invalid_request');
    for (const nonce of [undefined, 'a nonce']) {
      const { html } = await ask(noPkce, { ...without, nonce });
      assert.match(html, /\/sign-in"/);
    }
    for (const nonce of [undefined, '']) {
      await assertToldClient(strictNoPkce, { ...without, nonce }, 'invalid_request');
    }
    const { html } = await ask(strictNoPkce, without);
    assert.match(html, /\/sign-in"/);
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
      `${keyturn.issuer}/token`,
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

  test('a person is asked about an API of which no scope is wanted, and once (RFC 8707 section 2)', async () => {
    const person = new Person();
    await spa.signIn(person, ada, { scope: 'openid' });
    const silent = await spa.request({ scope: 'openid', resource: API, prompt: 'none' });
    assert.equal((await person.visit(silent.url)).leftTo?.searchParams.get('error'), 'consent_required');
    const { url } = await spa.request({ scope: 'openid', resource: API });
    const page = await person.visit(url);
    assert.match(page.html, /api\.example\.com/);
    assert.match(page.html, /on your behalf/);
    assert.ok((await person.submit(page, '/consent')).leftTo?.searchParams.has('code'));
    const again = await spa.request({ scope: 'openid', resource: API, prompt: 'none' });
    assert.ok((await person.visit(again.url)).leftTo?.searchParams.has('code'));
  });

  test('a client that acts for itself and is registered for no scope of an API gets no token for it (RFC 8707 section 2)', async () => {
    const { client: service, secret } = await keyturn.addClient({
      redirectUris: [],
      grantTypes: ['client_credentials'],
      scope: 'look',
    });
    const answer = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${service.clientId}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: API }),
    });
    assert.deepEqual(await refusalOf(answer), { status: 400, error: 'invalid_target' });
  });

  test("a request that names no scope asks for the client's default ones, as those of MCP clients do (RFC 6749 section 3.3)", async () => {
    const { url, checks } = await mcp.request({ resource: API });
    url.searchParams.delete('scope');
    url.searchParams.delete('nonce');
    const { expectedNonce: _, ...withoutNonce } = checks as typeof checks & { expectedNonce?: string };
    const tokens = await mcp.redeem(await new Person().authorize(url, ada), withoutNonce, { resource: API });
    assert.equal(tokens.scope, 'read');
  });

  test('references to request objects elsewhere are not supported, and say so (RFC 9101 section 7)', async () => {
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
});
