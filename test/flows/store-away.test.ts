import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { assertDiscreet } from '#test/support/refused.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

describe('while the store is away', () => {
  let keyturn: Keyturn;
  let authorization: string;
  let web: RelyingParty;
  let tokens: Tokens;
  let signedIn: Person;
  let signingIn: { person: Person; page: Visit };
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    const added = await keyturn.addClient({ scope: 'openid' });
    authorization = `Basic ${Buffer.from(`${added.client.clientId}:${added.secret}`).toString('base64')}`;
    web = await RelyingParty.discover(keyturn, added);
    signedIn = new Person();
    tokens = await web.signIn(signedIn, ada);
    const person = new Person();
    signingIn = { person, page: await person.visit((await web.request()).url) };
    await keyturn.services.store[Symbol.asyncDispose]();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  test('programs are told to come back soon, by the code of RFC 6749', async () => {
    const post = (
      path: string,
      fields: Record<string, string>,
      headers: Record<string, string> = { authorization },
    ) => fetch(keyturn.issuer + path, { method: 'POST', body: new URLSearchParams(fields), headers });
    for (const response of await Promise.all([
      post('/token', { grant_type: 'client_credentials' }),
      post('/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }),
      post('/token', { grant_type: 'authorization_code', code: 'x', redirect_uri: 'x' }),
      post('/introspect', { token: tokens.access_token }),
      post('/revoke', { token: tokens.access_token }),
      post('/par', { response_type: 'code' }),
      post('/userinfo', { access_token: tokens.access_token }, {}),
      fetch(`${keyturn.issuer}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } }),
    ])) {
      const text = await response.text();
      assert.equal(response.status, 503, `${response.url} ${text}`);
      assert.equal((JSON.parse(text) as { error: string }).error, 'temporarily_unavailable');
      assert.equal(response.headers.get('retry-after'), '2');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assertDiscreet(text);
    }
  });

  test('a refused revocation is not taken for one that happened', async () => {
    await assert.rejects(web.revoke(tokens.access_token));
  });

  test('people are shown a page that says so', async () => {
    const { person, page } = signingIn;
    const { url } = await web.request();
    for (const visit of [
      await signedIn.visit(url),
      await new Person().visit(url),
      await person.visit(new URL(page.url)),
      await person.submit(page, '/sign-in', ada),
      await person.submit(page, '/cancel'),
      await signedIn.visit(`${keyturn.issuer}/logout`),
    ]) {
      assert.equal(visit.response.status, 503, visit.url.pathname);
      assert.match(visit.response.headers.get('content-type') ?? '', /^text\/html/);
      assert.equal(visit.response.headers.get('retry-after'), '2');
      assertDiscreet(visit.html);
      assert.match(visit.html, /<main>/);
    }
  });

  test('keys, metadata, assets and the front page go on', async () => {
    for (const path of [
      '/jwks',
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/',
      '/robots.txt',
      '/healthz',
    ]) {
      assert.equal((await fetch(keyturn.issuer + path)).status, 200, path);
    }
  });

  test('the server says that requests are better sent elsewhere', async () => {
    const response = await fetch(`${keyturn.issuer}/readyz`);
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), { status: 'unready', reason: 'store' });
  });
});
