import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as oauth from 'openid-client';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { fetchStatusList, statusOf, statusReferenceOf } from '#test/support/status-list.ts';

const LISTED = 'https://listed.example.com';
const UNLISTED = 'https://unlisted.example.com';
const RSA = 'https://rsa.example.com';

describe('status lists (Token Status List, draft-ietf-oauth-status-list)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let service: RelyingParty;
  let people = 0;

  before(async () => {
    keyturn = await startKeyturnHere();
    await keyturn.addResourceServer({ identifier: LISTED, scope: ['read'], statusList: true });
    await keyturn.addResourceServer({ identifier: UNLISTED, scope: ['look'] });
    await keyturn.addResourceServer({
      identifier: RSA,
      scope: ['sign'],
      statusList: true,
      signingAlgorithm: 'RS256',
    });
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid offline_access read look' }),
    );
    service = await newService();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const newService = async (clientId?: string) =>
    RelyingParty.discover(
      keyturn,
      await keyturn.addClient({
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read look sign',
        ...(clientId === undefined ? {} : { clientId }),
      }),
    );
  const tokenOf = async (party = service, scope = 'read') =>
    (await oauth.clientCredentialsGrant(party.configuration, { scope })).access_token;
  async function signIn(parameters: Record<string, string> = {}) {
    people += 1;
    const username = `person${people}`;
    const { account, password } = await keyturn.addAccount(username);
    const person = new Person();
    const requested = { scope: 'openid read', resource: LISTED, ...parameters };
    const tokens = await web.signIn(person, { login: username, password }, requested);
    return { account, person, ...tokens };
  }
  /** Which of them are told to be invalid, once what was handed out has been written down. */
  async function eventuallyInvalid(...tokens: string[]): Promise<void> {
    for (const token of tokens)
      while ((await statusOf(keyturn.issuer, token)) !== 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const valid = async (token: string) => (await statusOf(keyturn.issuer, token)) === 0;

  test('a token for a resource server that looks there says its list and index, and no other does (section 6.1)', async () => {
    const { idx, uri } = statusReferenceOf(await tokenOf());
    assert.ok(Number.isSafeInteger(idx) && idx >= 0);
    assert.ok(uri.startsWith(`${keyturn.issuer}/status-lists/`));
    assert.equal(decodeJwt(await tokenOf(service, 'look')).status, undefined);
    const { access_token } = await web.signIn(
      new Person(),
      { login: 'solo', password: (await keyturn.addAccount('solo')).password },
      { scope: 'openid' },
    );
    assert.equal(decodeJwt(access_token).status, undefined, 'one for userinfo alone');
  });

  test('each token has an index of its own, in no order that tells of another (sections 12.5 and 13.2)', async () => {
    const tokens = await Promise.all(Array.from({ length: 40 }, () => tokenOf()));
    const indices = tokens.map((token) => statusReferenceOf(token).idx);
    assert.equal(new Set(tokens.map((token) => JSON.stringify(statusReferenceOf(token)))).size, 40);
    assert.notDeepEqual(
      indices,
      indices.toSorted((a, b) => a - b),
    );
  });

  test('the list is a signed statuslist+jwt of the same issuer, with sub, iat, exp and ttl (section 5.1)', async () => {
    const token = await tokenOf();
    const { uri } = statusReferenceOf(token);
    const { claims, size } = await fetchStatusList(keyturn.issuer, uri);
    assert.equal(claims.iss, decodeJwt(token).iss);
    assert.equal(claims.sub, uri);
    assert.equal(claims.ttl, 30);
    assert.equal(claims.exp - claims.iat, 300);
    assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 60);
    assert.equal(size % 4096, 0, 'more than there are tokens');
  });

  test('a list is signed with the algorithm of the tokens in it, by the key that signs now', async () => {
    const token = await tokenOf(service, 'sign');
    const response = await fetch(statusReferenceOf(token).uri);
    const { alg, kid } = decodeProtectedHeader(await response.text());
    assert.equal(alg, 'RS256');
    assert.equal(kid, decodeProtectedHeader(token).kid);
    assert.notEqual(statusReferenceOf(token).uri, statusReferenceOf(await tokenOf()).uri);
  });

  test('a token is valid until it is revoked, and it alone is invalid then (RFC 7009)', async () => {
    const [token, other] = [await tokenOf(), await tokenOf()];
    assert.ok(await valid(token));
    await service.revoke(token);
    await eventuallyInvalid(token);
    assert.ok(await valid(other));
  });

  test('with its refresh token every access token of an authorization is invalid, those before a refresh too', async () => {
    const first = await signIn();
    const other = await signIn();
    const renewed = await web.refresh(first.refresh_token ?? '', { resource: LISTED });
    assert.ok((await valid(first.access_token)) && (await valid(renewed.access_token)));
    await web.revoke(renewed.refresh_token ?? '');
    await eventuallyInvalid(first.access_token, renewed.access_token);
    assert.ok(await valid(other.access_token));
  });

  test('signing out makes the tokens of the session invalid, but for offline access', async () => {
    const { person, access_token } = await signIn();
    const again = await web.request({
      scope: 'openid offline_access read',
      resource: LISTED,
      prompt: 'consent',
    });
    const back = (await person.submit(await person.visit(again.url), '/consent')).leftTo;
    const offline = await web.redeem(back as URL, again.checks);
    const page = await person.visit(`${keyturn.issuer}/logout`);
    await person.submit(page, '/logout/confirm', { logout: 'yes' });
    await eventuallyInvalid(access_token);
    assert.ok(await valid(offline.access_token));
  });

  test('a lock makes the tokens of an account invalid until it is unlocked, a sign-out everywhere for good', async () => {
    const { account, access_token } = await signIn({
      scope: 'openid offline_access read',
      prompt: 'consent',
    });
    const { accounts } = keyturn.services;
    await accounts.lock(account.subject);
    await eventuallyInvalid(access_token);
    await accounts.unlock(account.subject);
    assert.ok(await valid(access_token));
    await accounts.signOutEverywhere(account.subject);
    await eventuallyInvalid(access_token);
    await accounts.lock(account.subject);
    await accounts.unlock(account.subject);
    assert.ok(!(await valid(access_token)));
  });

  test('a removed account has no valid token', async () => {
    const { account, access_token } = await signIn({
      scope: 'openid offline_access read',
      prompt: 'consent',
    });
    await keyturn.services.accounts.remove(account.subject);
    await eventuallyInvalid(access_token);
  });

  test('the tokens of a removed client are invalid, and those of a new one under its identifier are not', async () => {
    const before = await tokenOf(await newService('revenant'));
    await keyturn.services.clients.remove('revenant');
    await eventuallyInvalid(before);
    const anew = await tokenOf(await newService('revenant'));
    await service.revoke(await tokenOf());
    assert.ok(await valid(anew));
  });

  test('the tokens that a revoked key has signed are invalid, and the list is signed by another', async () => {
    const token = await tokenOf();
    const { kid } = decodeProtectedHeader(token);
    await keyturn.services.rotation.revoke(kid ?? '', 'test');
    await eventuallyInvalid(token);
    const after = await tokenOf();
    assert.notEqual(decodeProtectedHeader(after).kid, kid);
    assert.ok(await valid(after));
  });

  test('says how long it may be kept, and only that it is current to whoever has it (RFC 9110 section 13.1.2)', async () => {
    const token = await tokenOf();
    const { uri } = statusReferenceOf(token);
    await service.revoke(token);
    await eventuallyInvalid(token);
    const first = await fetch(uri);
    assert.equal(first.headers.get('cache-control'), 'public, max-age=30');
    const etag = first.headers.get('etag') ?? '';
    assert.equal((await fetch(uri, { headers: { 'if-none-match': etag } })).status, 304);
    const another = await tokenOf();
    await service.revoke(another);
    await eventuallyInvalid(another);
    const changed = await fetch(uri, { headers: { 'if-none-match': etag } });
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.get('etag'), etag);
  });

  test('is there for scripts of every origin (section 8.1)', async () => {
    const { uri } = statusReferenceOf(await tokenOf());
    const preflight = await fetch(uri, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.status, 204);
    const answer = await fetch(uri, { headers: { origin: 'https://app.example.com' } });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.match(answer.headers.get('vary') ?? '', /accept/i);
  });

  test('answers only what it can: the media type, the present, a list that is there (sections 8.1, 8.2 and 8.4)', async () => {
    const { uri } = statusReferenceOf(await tokenOf());
    const status = async (url: string, accept?: string, method = 'GET') =>
      (await fetch(url, { method, ...(accept === undefined ? {} : { headers: { accept } }) })).status;
    for (const accept of [undefined, '*/*', 'application/*', 'application/statuslist+jwt, */*;q=0.1'])
      assert.equal(await status(uri, accept), 200, accept);
    for (const accept of ['application/statuslist+cwt', 'text/html'])
      assert.equal(await status(uri, accept), 406, accept);
    assert.equal(await status(`${uri}?time=1686925000`), 501);
    assert.equal(await status(uri, undefined, 'POST'), 405);
    for (const name of ['x', 'A'.repeat(22), 'A'.repeat(65), 'a/b'])
      assert.equal(await status(`${keyturn.issuer}/status-lists/${name}`), 404, name);
  });

  test('a resource server with opaque tokens has none', async () => {
    await assert.rejects(
      keyturn.addResourceServer({
        identifier: 'https://o.example.com',
        tokenFormat: 'opaque',
        statusList: true,
      }),
      { code: 'invalid_resource_server', message: /statusList/ },
    );
  });

  test('a restart forgets neither who has which index nor what was revoked', async () => {
    const [revoked, kept, later] = [await tokenOf(), await tokenOf(), await tokenOf()];
    await service.revoke(revoked);
    await keyturn.restart();
    assert.deepEqual([await valid(revoked), await valid(kept), await valid(later)], [false, true, true]);
    await service.revoke(later);
    await eventuallyInvalid(later);
    assert.ok(await valid(await tokenOf()));
  });
});
