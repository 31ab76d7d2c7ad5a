import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, assertToldPerson } from '#test/support/asking.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('where a person is sent', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let native: RelyingParty;
  const ada = { login: 'ada', password: '' };

  const client = async (registration: object) =>
    RelyingParty.discover(keyturn, await keyturn.addClient(registration));

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await client({
      redirectUris: [CALLBACK, 'https://app.example.com/cb?tenant=1', 'https://app.example.com/cb'],
      scope: 'openid',
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
  });
  after(() => stopFaultless(keyturn));

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
