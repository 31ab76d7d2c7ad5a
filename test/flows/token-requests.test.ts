import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { decodeJwt } from 'jose';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const OTHER_API = 'https://other.example.com';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;

describe('token requests that are refused', () => {
  let keyturn: Keyturn;
  let added: Added;
  let web: RelyingParty;
  let stranger: Added;
  let service: Added;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({ identifier: OTHER_API, scope: ['look'] });
    added = await keyturn.addClient({
      redirectUris: [CALLBACK, 'https://app.example.com/cb'],
      scope: 'openid offline_access read look',
    });
    web = await RelyingParty.discover(keyturn, added);
    stranger = await keyturn.addClient({ name: 'Stranger' });
    service = await keyturn.addClient({
      name: 'Service',
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read look',
      defaultScope: 'read',
    });
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const basic = ({ client, secret }: Added) =>
    `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}`;
  const post = (fields: Record<string, string | undefined>, by: Added | null) => {
    const given = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const headers = by === null ? undefined : { authorization: basic(by) };
    return fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams(given),
      ...(headers && { headers }),
    });
  };

  async function codeFor(party = web, parameters: Record<string, string> = {}, withoutPkce = false) {
    const { url, checks } = await party.request({ scope: 'openid', ...parameters });
    if (withoutPkce)
      for (const name of ['code_challenge', 'code_challenge_method']) url.searchParams.delete(name);
    const callback = await new Person().authorize(url, ada);
    return {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      ...(withoutPkce ? undefined : { code_verifier: checks.pkceCodeVerifier }),
    };
  }

  test('refusals are JSON, also for somebody who says to accept pages alone (RFC 6749 section 5.2)', async () => {
    for (const [path, fields, status, error] of [
      ['/token', {}, 401, 'invalid_client'],
      ['/token', { grant_type: 'unknown' }, 400, 'unsupported_grant_type'],
      ['/token', { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_grant'],
      ['/token', { grant_type: 'x'.repeat(60_000) }, 413, 'invalid_request'],
      ['/introspect', { token: 'x', token_type_hint: 'x' }, 401, 'invalid_client'],
      ['/revoke', { token: 'x' }, 401, 'invalid_client'],
      ['/par', {}, 401, 'invalid_client'],
      ['/userinfo', {}, 401, 'invalid_token'],
    ] as const) {
      const authorized = path === '/token' && 'grant_type' in fields ? { authorization: basic(added) } : {};
      const [page, json] = await Promise.all(
        ['text/html', 'application/json'].map(async (accept) => {
          const headers = { accept, ...authorized };
          const body = new URLSearchParams(fields);
          const response = await fetch(keyturn.issuer + path, { method: 'POST', body, headers });
          assert.match(
            response.headers.get('content-type') ?? '',
            /^application\/json\b/,
            `${path} ${accept}`,
          );
          return { status: response.status, body: (await response.json()) as { error: string } };
        }),
      );
      assert.deepEqual(page, json);
      assert.deepEqual([page?.status, page?.body.error], [status, error], path);
    }
  });

  test('a code is bound to its client, its redirect URI and its verifier, and a mistake does not use it up (RFC 6749 section 4.1.3, RFC 7636 section 4.6)', async () => {
    const right = await codeFor();
    const wrong: [string, Record<string, string | undefined>, Added | null][] = [
      ['invalid_grant', {}, stranger],
      ['invalid_client', {}, { ...added, secret: 'guessed' }],
      ['invalid_client', {}, null],
      ['invalid_grant', { redirect_uri: `${CALLBACK}/` }, added],
      ['invalid_grant', { redirect_uri: 'https://app.example.com/cb' }, added],
      ['invalid_grant', { redirect_uri: 'http://127.0.0.1:4001/callback' }, added],
      ['invalid_request', { redirect_uri: undefined }, added],
      ['invalid_grant', { code_verifier: 'x'.repeat(43) }, added],
      ['invalid_grant', { code_verifier: undefined }, added],
      ['invalid_request', { code_verifier: 'short' }, added],
      ['invalid_request', { code_verifier: 'x'.repeat(129) }, added],
      ['invalid_request', { code_verifier: '\u00e9'.repeat(50) }, added],
      ['invalid_request', { code: undefined }, added],
      ['invalid_grant', { code: right.code.slice(0, -1) }, added],
      ['invalid_grant', { code: right.code.toUpperCase() }, added],
      ['invalid_grant', { code: `${right.code}\u0000` }, added],
      ['invalid_grant', { code: '__proto__' }, added],
      ['invalid_target', { resource: API }, added],
      ['invalid_target', { resource: 'nonsense' }, added],
    ];
    for (const [error, change, by] of wrong) {
      const { status, error: told } = await refusalOf(await post({ ...right, ...change }, by));
      assert.equal(told, error, JSON.stringify(change));
      assert.equal(status, error === 'invalid_client' ? 401 : 400);
    }
    assert.equal((await post(right, added)).status, 200, 'the code is still good');
  });

  test('a code for several resources is not used up by a request that names none of them, or a wrong one (RFC 8707 section 2.2)', async () => {
    const { url, checks } = await web.request({ scope: 'openid read look' });
    for (const resource of [API, OTHER_API]) url.searchParams.append('resource', resource);
    const callback = await new Person().authorize(url, ada);
    await assert.rejects(web.redeem(callback, checks), { error: 'invalid_target' });
    await assert.rejects(web.redeem(callback, checks, { resource: 'https://nobody.example' }), {
      error: 'invalid_target',
    });
    const tokens = await web.redeem(callback, checks, { resource: OTHER_API });
    assert.equal(decodeJwt(tokens.access_token).aud, OTHER_API);
    assert.equal(decodeJwt(tokens.access_token).scope, 'look');
  });

  test('a code expires (RFC 6749 section 4.1.2)', async () => {
    const late = await codeFor();
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 60_000 });
    assert.deepEqual(await refusalOf(await post(late, added)), { status: 400, error: 'invalid_grant' });
  });

  test('a verifier for a code that was asked for without a challenge is refused (RFC 9700 section 4.8.2)', async () => {
    const certified = await keyturn.addClient({ name: 'Certified', requirePkce: false });
    const right = await codeFor(await RelyingParty.discover(keyturn, certified), {}, true);
    assert.equal(
      (await refusalOf(await post({ ...right, code_verifier: 'v'.repeat(43) }, certified))).error,
      'invalid_grant',
    );
    assert.equal((await post(right, certified)).status, 200);
  });

  test("grant types that are unknown, not the client's, or for confidential clients only (RFC 6749 section 5.2)", async () => {
    const spa = await keyturn.addClient({
      name: 'SPA',
      authenticationMethod: 'none',
      grantTypes: ['authorization_code'],
    });
    const asSpa = (fields: Record<string, string>) =>
      post({ ...fields, client_id: spa.client.clientId }, null);
    for (const grant of [
      'password',
      'implicit',
      'urn:ietf:params:oauth:grant-type:saml2-bearer',
      'nonsense',
      'Authorization_Code',
      'client_credentials ',
    ]) {
      assert.deepEqual(
        await refusalOf(await post({ grant_type: grant }, added)),
        { status: 400, error: 'unsupported_grant_type' },
        grant,
      );
    }
    assert.deepEqual(await refusalOf(await post({}, added)), { status: 400, error: 'invalid_request' });
    assert.deepEqual(await refusalOf(await post({ grant_type: '' }, added)), {
      status: 400,
      error: 'invalid_request',
    });
    assert.deepEqual(await refusalOf(await post({ grant_type: 'client_credentials' }, added)), {
      status: 400,
      error: 'unauthorized_client',
    });
    assert.deepEqual(await refusalOf(await asSpa({ grant_type: 'client_credentials' })), {
      status: 400,
      error: 'unauthorized_client',
    });
    assert.deepEqual(await refusalOf(await asSpa({ grant_type: 'refresh_token', refresh_token: 'x' })), {
      status: 400,
      error: 'unauthorized_client',
    });
    assert.deepEqual(
      await refusalOf(
        await post({ grant_type: 'authorization_code', code: 'x', redirect_uri: CALLBACK }, service),
      ),
      { status: 400, error: 'unauthorized_client' },
    );
  });

  test('a resource server asks about tokens and gets none', async () => {
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: 'https://third.example.com',
      scope: ['third'],
    });
    const asResourceServer = { client: { clientId: resourceServer.clientId }, secret } as Added;
    for (const grant_type of ['client_credentials', 'authorization_code', 'refresh_token']) {
      const fields = { grant_type, code: 'x', redirect_uri: CALLBACK, refresh_token: 'x' };
      assert.deepEqual(await refusalOf(await post(fields, asResourceServer)), {
        status: 400,
        error: 'unauthorized_client',
      });
    }
  });

  test('a service gets what it is registered for and nothing else (RFC 6749 section 4.4, RFC 8707)', async () => {
    const ask = (fields: Record<string, string>) =>
      post({ grant_type: 'client_credentials', ...fields }, service);
    const byDefault = (await (await ask({})).json()) as { access_token: string; scope: string };
    assert.equal(byDefault.scope, 'read');
    assert.equal(decodeJwt(byDefault.access_token).aud, API);
    for (const [error, fields] of [
      ['invalid_scope', { scope: 'write' }],
      ['invalid_scope', { scope: 'read nonsense' }],
      ['invalid_scope', { scope: 'openid' }],
      ['invalid_scope', { scope: 'read', resource: OTHER_API }],
      ['invalid_target', { scope: 'read look' }],
      ['invalid_target', { scope: 'read', resource: 'https://nobody.example' }],
      ['invalid_target', { scope: 'read', resource: `${API}#fragment` }],
      ['invalid_target', { scope: 'read', resource: keyturn.issuer }],
    ] as const) {
      const answer = await ask(fields);
      const text = await answer.clone().text();
      assert.deepEqual(await refusalOf(answer), { status: 400, error }, `${JSON.stringify(fields)} ${text}`);
    }
    const twice = new URLSearchParams([
      ['grant_type', 'client_credentials'],
      ['scope', 'read'],
      ['resource', API],
      ['resource', OTHER_API],
    ]);
    const answer = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: twice,
      headers: { authorization: basic(service) },
    });
    assert.deepEqual(await refusalOf(answer), { status: 400, error: 'invalid_target' });
    const withSlash = (await (await ask({ scope: 'read', resource: `${API}/` })).json()) as {
      access_token: string;
    };
    assert.equal(decodeJwt(withSlash.access_token).aud, API);
  });

  test('what is answered to a token request is kept by nobody (RFC 6749 section 5.1)', async () => {
    for (const answer of [
      await post({ grant_type: 'client_credentials' }, service),
      await post({ grant_type: 'nonsense' }, service),
    ]) {
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    }
  });
});
