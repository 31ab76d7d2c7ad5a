import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const OTHER_API = 'https://other.example.com';

/** What docs/client-developers.md says and no other test holds. */
describe('docs/client-developers.md', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer({ identifier: API, scope: ['read', 'shared'] });
    await keyturn.addResourceServer({ identifier: OTHER_API, scope: ['look', 'shared'] });
    web = await client({ scope: 'openid profile offline_access read look shared' });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const client = async (registration: Parameters<Keyturn['addClient']>[0]) =>
    RelyingParty.discover(keyturn, await keyturn.addClient(registration));
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(keyturn.issuer + path, { method: 'POST', body: new URLSearchParams(fields), headers });

  /** Signs in by an authorization request of just these parameters, beside those that every request needs. */
  async function signIn(parameters: Record<string, string>, resources: readonly string[] = []) {
    const { url, checks } = await web.request(parameters);
    for (const resource of resources) url.searchParams.append('resource', resource);
    return { checks, callback: await new Person().authorize(url, ada) };
  }

  async function tokensOf(parameters: Record<string, string>, tokenParameters?: Record<string, string>) {
    const { callback, checks } = await signIn(parameters);
    return web.redeem(callback, checks, tokenParameters);
  }

  const saysOf = ({ access_token: token }: { access_token: string }) => {
    const { aud, scope } = decodeJwt(token);
    return { aud, scope };
  };

  test('which scopes and resources of a request give a token that is good for what', async () => {
    const userinfo = keyturn.issuer;
    const rows: [Record<string, string>, Record<string, string>, object][] = [
      [{ scope: 'openid profile' }, {}, { aud: userinfo, scope: 'openid profile' }],
      [{ scope: 'openid read' }, {}, { aud: [API, userinfo], scope: 'openid read' }],
      [{ scope: 'read' }, {}, { aud: API, scope: 'read' }],
      [{ scope: 'openid read', resource: API }, {}, { aud: [API, userinfo], scope: 'openid read' }],
      [{ scope: 'openid read', resource: API }, { resource: API }, { aud: API, scope: 'read' }],
    ];
    for (const [parameters, tokenParameters, says] of rows) {
      assert.deepEqual(saysOf(await tokensOf(parameters, tokenParameters)), says);
    }
  });

  test('a request without a scope gets the default scope of the client, without offline_access', async () => {
    const frugal = await client({
      scope: 'openid profile offline_access read',
      defaultScope: 'offline_access read',
    });
    const { url, checks } = await frugal.request({ scope: '' });
    url.searchParams.delete('scope');
    const tokens = await frugal.redeem(await new Person().authorize(url, ada), checks);
    assert.deepEqual(saysOf(tokens), { aud: API, scope: 'read' });
  });

  test('with several resources the token request names one, and a refresh may name the other', async () => {
    const { callback, checks } = await signIn({ scope: 'openid read look' }, [API, OTHER_API]);
    const tokens = await web.redeem(callback, checks, { resource: API });
    assert.deepEqual(saysOf(tokens), { aud: API, scope: 'read' });
    const renewed = await web.refresh(tokens.refresh_token ?? '', { resource: OTHER_API });
    assert.deepEqual(saysOf(renewed), { aud: OTHER_API, scope: 'look' });
  });

  test('a scope that two APIs have needs the resource to be named (RFC 8707 section 2)', async () => {
    const { callback } = await signIn({ scope: 'openid shared' });
    assert.equal(callback.searchParams.get('error'), 'invalid_target');
    const tokens = await tokensOf({ scope: 'openid shared', resource: API });
    assert.deepEqual(saysOf(tokens), { aud: [API, keyturn.issuer], scope: 'openid shared' });
  });

  test('offline_access needs prompt=consent (OpenID Connect Core section 11)', async () => {
    assert.equal((await tokensOf({ scope: 'openid offline_access' })).scope, 'openid');
    const asked = await tokensOf({ scope: 'openid offline_access', prompt: 'consent' });
    assert.equal(asked.scope, 'openid offline_access');
  });

  test('pages of the origin of a redirect URI may call the endpoints, and of no other (Fetch section 3.3)', async () => {
    const redirectUris = ['https://spa.example.com/callback'];
    const { client: spa } = await keyturn.addClient({ authenticationMethod: 'none', redirectUris });
    for (const [path, fields] of [
      ['/token', { grant_type: 'refresh_token', refresh_token: 'none' }],
      ['/revoke', { token: 'none' }],
    ] as const) {
      const allowed = async (origin: string) => {
        const answer = await post(path, { client_id: spa.clientId, ...fields }, { origin });
        return answer.headers.get('access-control-allow-origin');
      };
      assert.equal(await allowed('https://spa.example.com'), 'https://spa.example.com');
      assert.equal(await allowed('https://evil.example.com'), null);
    }
  });

  test('an unknown client or redirect URI stays at Keyturn, everything else comes back with state and iss (RFC 9207)', async () => {
    const visit = async (parameters: Record<string, string>, without: string[] = []) => {
      const { url } = await web.request(parameters);
      for (const name of without) url.searchParams.delete(name);
      return new Person().visit(url);
    };
    for (const wrong of [{ client_id: 'nobody' }, { redirect_uri: 'https://evil.example.com/' }]) {
      const { leftTo, response } = await visit(wrong);
      assert.deepEqual([leftTo, response.status], [null, 400]);
    }
    const errors: [string, Record<string, string>, string[]?][] = [
      ['login_required', { prompt: 'none' }],
      ['invalid_request', {}, ['code_challenge', 'code_challenge_method']],
      ['invalid_request', { scope: '' }, ['scope']],
      ['invalid_scope', { scope: 'openid email' }],
      ['invalid_target', { scope: 'openid read', resource: 'https://nowhere.example.com' }],
    ];
    for (const [error, parameters, without] of errors) {
      const { leftTo } = await visit({ nonce: 'a', ...parameters, state: 'b' }, without);
      const answer = Object.fromEntries(leftTo?.searchParams ?? []);
      assert.deepEqual(
        { error: answer.error, state: answer.state, iss: answer.iss },
        { error, state: 'b', iss: keyturn.issuer },
      );
    }
    const person = new Person();
    await web.signIn(person, ada);
    const stranger = await client({ name: 'Stranger' });
    const { leftTo } = await person.visit((await stranger.request({ prompt: 'none' })).url);
    assert.equal(leftTo?.searchParams.get('error'), 'consent_required');
  });

  test('the token endpoint tells a wrong secret from a grant that the client does not have (RFC 6749 section 5.2)', async () => {
    const { client: known, secret } = await keyturn.addClient({ grantTypes: ['authorization_code'] });
    const asked = async (password: string) => {
      const authorization = `Basic ${btoa(`${known.clientId}:${password}`)}`;
      const answer = await post('/token', { grant_type: 'client_credentials' }, { authorization });
      return [answer.status, ((await answer.json()) as { error: string }).error];
    };
    assert.deepEqual(await asked('guessed'), [401, 'invalid_client']);
    assert.deepEqual(await asked(secret), [400, 'unauthorized_client']);
  });

  test('while the store is away the answer is 503 with Retry-After, and the code is still good', async () => {
    const registered = await keyturn.addClient();
    const app = await RelyingParty.discover(keyturn, registered);
    const { url, checks } = await app.request();
    const callback = await new Person().authorize(url, ada);
    const code = {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: checks.pkceCodeVerifier,
    };
    const authorization = `Basic ${btoa(`${registered.client.clientId}:${registered.secret}`)}`;
    using database = new DatabaseSync(keyturn.services.config.store.slice('sqlite:'.length));
    // Whoever else wants to write has to wait, and does not wait for ever.
    database.exec('BEGIN IMMEDIATE');
    const answer = await post('/token', code, { authorization });
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal(((await answer.json()) as { error: string }).error, 'temporarily_unavailable');
    database.exec('ROLLBACK');
    assert.equal((await post('/token', code, { authorization })).status, 200);
  });

  test('every answer has an X-Request-Id, which is in the log', async () => {
    const answer = await post('/token', {});
    const id = answer.headers.get('x-request-id') ?? '';
    assert.ok(id !== '' && keyturn.logged.some((line) => line.includes(id)));
  });

  test('metadata is at both places, and may be kept for an hour', async () => {
    const names = ['openid-configuration', 'oauth-authorization-server'];
    const answers = await Promise.all(names.map((name) => fetch(`${keyturn.issuer}/.well-known/${name}`)));
    for (const { headers } of answers) assert.equal(headers.get('cache-control'), 'public, max-age=3600');
    const [one, other] = await Promise.all(answers.map((answer) => answer.json()));
    assert.deepEqual(one, other);
  });
});
