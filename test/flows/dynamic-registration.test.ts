import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Secret } from '#src/secret.ts';
import { days } from '#src/units.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { refusalOf } from '#test/support/refused.ts';

const WEB = { client_name: 'Web', redirect_uris: [CALLBACK] };
const HTTP = { [oauth.allowInsecureRequests]: true };

type Information = Record<string, unknown> & { readonly client_id: string };

const post = (issuer: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const metadataAt = async (issuer: string, document: string) =>
  (await (await fetch(`${issuer}/.well-known/${document}`)).json()) as Record<string, unknown>;

test('is absent unless an administrator opens it, the endpoint and its metadata', async () => {
  await using keyturn = await startKeyturnHere();
  for (const document of ['openid-configuration', 'oauth-authorization-server'])
    assert.equal('registration_endpoint' in (await metadataAt(keyturn.issuer, document)), false);
  assert.equal((await post(keyturn.issuer, WEB)).status, 404);
  const { client } = await keyturn.addClient();
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await fetch(`${keyturn.issuer}/register/${client.clientId}`, { method })).status, 404);
});

describe('registration that is open to anyone (RFC 7591 section 3)', () => {
  let keyturn: Keyturn;
  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '100000',
    });
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({
      identifier: 'https://notes.example.com',
      scope: ['notes'],
      openToRegistration: true,
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function register(document: object): Promise<Information> {
    const response = await post(keyturn.issuer, document);
    const body = (await response.json()) as Information;
    assert.equal(response.status, 201, JSON.stringify(body));
    return body;
  }

  async function refused(body: unknown): Promise<{ status: number; error: string }> {
    const count = (await Array.fromAsync(keyturn.services.clients.list())).length;
    const refusal = await refusalOf(await post(keyturn.issuer, body));
    assert.equal((await Array.fromAsync(keyturn.services.clients.list())).length, count, 'nothing is stored');
    return refusal;
  }

  test('stands in both metadata documents (RFC 8414 section 2, OpenID Connect Discovery section 3)', async () => {
    for (const document of ['openid-configuration', 'oauth-authorization-server']) {
      const { registration_endpoint } = await metadataAt(keyturn.issuer, document);
      assert.equal(registration_endpoint, `${keyturn.issuer}/register`);
    }
  });

  test('answers 201 with all that is registered, secret and token included, not to be cached (section 3.2.1)', async () => {
    const response = await post(keyturn.issuer, WEB);
    assert.equal(response.status, 201);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('pragma'), 'no-cache');
    const information = (await response.json()) as Information;
    const { client_id, client_secret, registration_access_token, client_id_issued_at, ...rest } = information;
    assert.match(client_id, /^[\w-]{22}$/);
    assert.match(String(client_secret), /^keyturn_cs_[\w-]{43}$/);
    assert.match(String(registration_access_token), /^keyturn_rat_[\w-]{43}$/);
    assert.ok(Math.abs(Number(client_id_issued_at) - Date.now() / 1000) < 60);
    assert.deepEqual(rest, {
      client_secret_expires_at: 0,
      registration_client_uri: `${keyturn.issuer}/register/${client_id}`,
      client_name: 'Web',
      application_type: 'web',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: [],
      scope: 'openid profile email notes',
      id_token_signed_response_alg: 'RS256',
    });
  });

  test('serves openid-client from registration to a verified ID token and userinfo', async () => {
    const { account, password } = await keyturn.addAccount('ada');
    const config = await openid.dynamicClientRegistration(
      new URL(keyturn.issuer),
      { ...WEB, grant_types: ['authorization_code', 'refresh_token'] },
      undefined,
      { execute: [openid.allowInsecureRequests] },
    );
    const verifier = openid.randomPKCECodeVerifier();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid profile offline_access',
      prompt: 'consent',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const callback = await new Person().authorize(url, { login: account.username, password });
    const tokens = await openid.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier });
    assert.equal(tokens.claims()?.sub, account.subject);
    assert.equal(
      JSON.parse(Buffer.from(tokens.id_token?.split('.')[0] ?? '', 'base64url').toString()).alg,
      'RS256',
    );
    const userinfo = await openid.fetchUserInfo(config, tokens.access_token, account.subject);
    assert.equal(userinfo.preferred_username, 'ada');
    assert.ok((await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).access_token);
  });

  test('a person who is asked to allow something sees where the client has its policy and terms (RFC 7591 section 2)', async () => {
    const { password } = await keyturn.addAccount('grace');
    const documents = {
      policy_uri: 'https://app.example.com/privacy',
      tos_uri: 'https://tos.example.com/#1',
    };
    const wrong = await post(keyturn.issuer, { ...WEB, ...documents });
    assert.equal(wrong.status, 400, 'no address has a fragment');
    const client = await register({ ...WEB, ...documents, tos_uri: 'https://tos.example.com/' });
    const url = new URL(`${keyturn.issuer}/authorize`);
    url.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: 'openid',
      nonce: 'n',
    }).toString();
    const person = new Person();
    const asked = await person.submit(await person.visit(url), '/sign-in', { login: 'grace', password });
    const links = [...asked.html.matchAll(/<a href="(https:[^"]+)"[^>]*>(.*?)<\/a>/g)].map(
      ([, href, text]) => [href, text?.replaceAll(/<[^>]+>/g, '')],
    );
    assert.deepEqual(links, [
      ['https://app.example.com/privacy', 'Privacy policy, at app.example.com'],
      ['https://tos.example.com/', 'Terms of service, at tos.example.com'],
    ]);
  });

  test('serves oauth4webapi, and a client that signs with keys of its own', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'own', alg: 'ES256', use: 'sig' };
    const as = await oauth.processDiscoveryResponse(
      new URL(keyturn.issuer),
      await oauth.discoveryRequest(new URL(keyturn.issuer), HTTP),
    );
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        as,
        { ...WEB, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ ...jwk }] } },
        HTTP,
      ),
    );
    assert.equal('client_secret' in client, false);
    assert.equal('client_secret_expires_at' in client, false);
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT({ jti: crypto.randomUUID(), aud: as.issuer })
      .setProtectedHeader({ alg: 'ES256', kid: 'own' })
      .setIssuer(client.client_id)
      .setSubject(client.client_id)
      .setIssuedAt(now)
      .setExpirationTime(now + 60)
      .sign(pair.privateKey);
    const response = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: 'x',
        redirect_uri: CALLBACK,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    assert.equal((await refusalOf(response)).error, 'invalid_grant');
  });

  test('gives a public client no secret, and makes it use PKCE (RFC 7591 section 2)', async () => {
    const client = await register({ ...WEB, token_endpoint_auth_method: 'none' });
    assert.equal('client_secret' in client, false);
    const found = await keyturn.services.clients.find(client.client_id);
    assert.equal(found?.value.requirePkce, true);
  });

  test('ignores what it does not understand, and what a client may not choose (RFC 7591 section 2)', async () => {
    const client = await register({
      ...WEB,
      'client_name#de': 'Netz',
      something: { else: 1 },
      client_id: 'chosen',
      client_secret: 'chosen',
      client_id_issued_at: 1,
      client_secret_expires_at: 1,
      registration_access_token: 'chosen',
      registration_client_uri: 'https://evil.example',
      require_pkce: true,
      registered_by: { by: 'administrator' },
      profile: 'oauth-2.1',
      __proto__: null,
    });
    assert.notEqual(client.client_id, 'chosen');
    assert.notEqual(client.client_secret, 'chosen');
    assert.notEqual(client.registration_access_token, 'chosen');
    assert.notEqual(client.client_id_issued_at, 1);
    for (const name of ['client_name#de', 'something', 'require_pkce', 'registered_by', 'profile'])
      assert.equal(name in client, false, name);
    const found = await keyturn.services.clients.find(client.client_id);
    assert.equal(found?.value.registeredBy.by, 'registration');
    assert.equal(found?.value.requirePkce, false);
  });

  test('registers every metadatum that it understands, and answers with it', async () => {
    const metadata = {
      client_uri: 'https://app.example.com/',
      logo_uri: 'https://app.example.com/logo',
      policy_uri: 'https://app.example.com/policy',
      tos_uri: 'https://app.example.com/tos',
      contacts: ['ops@example.com'],
      software_id: '4NRB1-0XZABZI9E6-5SM3R',
      software_version: '1.0',
      default_max_age: 3600,
      require_auth_time: true,
      post_logout_redirect_uris: ['http://127.0.0.1:4000/bye'],
      require_pushed_authorization_requests: true,
    };
    const client = await register({ ...WEB, ...metadata });
    for (const [name, value] of Object.entries(metadata)) assert.deepEqual(client[name], value, name);
  });

  test('takes null and nothing for what is left to the server', async () => {
    const client = await register({
      ...WEB,
      client_uri: null,
      logo_uri: '',
      token_endpoint_auth_method: null,
    });
    assert.equal(client.token_endpoint_auth_method, 'client_secret_basic');
    assert.equal('client_uri' in client || 'logo_uri' in client, false);
  });

  test('leaves out of a list what such a client may not have, and says so by the answer (section 3.2.1)', async () => {
    const client = await register({
      ...WEB,
      grant_types: ['authorization_code', 'client_credentials', 'implicit', 'password'],
      response_types: ['code', 'token'],
      scope: 'openid read write admin notes',
    });
    assert.deepEqual(client.grant_types, ['authorization_code']);
    assert.deepEqual(client.response_types, ['code']);
    assert.equal(client.scope, 'openid notes');
  });

  test('refuses a list of which nothing is left: never client credentials for whoever comes along', async () => {
    for (const grant_types of [['client_credentials'], ['implicit'], ['password']])
      assert.equal((await refused({ ...WEB, grant_types })).error, 'invalid_client_metadata');
    assert.equal((await refused({ ...WEB, response_types: ['token'] })).error, 'invalid_client_metadata');
  });

  test('MUST refuse redirect URIs that an administrator could not register: invalid_redirect_uri (section 3.2.2)', async () => {
    for (const uri of [
      'http://app.example.com/cb',
      'https://app.example.com/cb#fragment',
      'https://user@app.example.com/cb',
      'https://*.example.com/cb',
      'javascript:alert(1)',
      'data:text/html,x',
      'blob:https://app.example.com/1',
      'app:/cb',
      '/relative',
      'https://app.example.com/\u0000',
      '',
    ]) {
      const { status, error } = await refused({ ...WEB, redirect_uris: [CALLBACK, uri] });
      assert.deepEqual({ status, error }, { status: 400, error: 'invalid_redirect_uri' }, uri);
    }
    for (const redirect_uris of [undefined, [], 'https://app.example.com/cb', [7], [null]])
      assert.equal((await refused({ ...WEB, redirect_uris })).error, 'invalid_redirect_uri');
    const native = { ...WEB, application_type: 'web', redirect_uris: ['com.example.app:/cb'] };
    assert.equal((await refused(native)).error, 'invalid_redirect_uri');
  });

  test('MUST refuse a metadatum that is invalid: invalid_client_metadata (section 3.2.2)', async () => {
    for (const wrong of [
      { client_name: 7 },
      { client_name: 'x'.repeat(101) },
      { client_name: 'evil\u202egnp' },
      { application_type: 'toaster' },
      { token_endpoint_auth_method: 'password' },
      { token_endpoint_auth_method: ['none'] },
      { token_endpoint_auth_method: 'private_key_jwt' },
      { grant_types: 'authorization_code' },
      { grant_types: [] },
      { scope: ['openid'] },
      { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
      { jwks: { keys: 'x' } },
      { jwks: { keys: [] }, jwks_uri: 'https://app.example.com/jwks' },
      { jwks_uri: 'ftp://app.example.com/jwks' },
      { client_uri: 'javascript:alert(1)' },
      { logo_uri: 'data:image/png;base64,x' },
      { contacts: 'ops@example.com' },
      { contacts: ['nobody'] },
      { id_token_signed_response_alg: 'none' },
      { id_token_signed_response_alg: 'HS256' },
      { subject_type: 'private' },
      { default_max_age: -1 },
      { require_auth_time: 'yes' },
      { post_logout_redirect_uris: ['http://app.example.com/'] },
      { initiate_login_uri: 'http://app.example.com/login' },
      { sector_identifier_uri: 'https://127.0.0.1:1/sector' },
    ]) {
      const { status, error } = await refused({ ...WEB, ...wrong });
      assert.deepEqual(
        { status, error },
        { status: 400, error: 'invalid_client_metadata' },
        JSON.stringify(wrong),
      );
    }
  });

  test('refuses what is no JSON object, or not sent as one (section 3.1)', async () => {
    for (const body of ['', '{', '[]', '"x"', 'null', '7', '{"a":}', '\xff'])
      assert.equal((await refused(body)).error, 'invalid_request', body);
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data'])
      assert.equal(
        (await refusalOf(await post(keyturn.issuer, WEB, { 'content-type': type }))).error,
        'invalid_request',
      );
    const large = await post(keyturn.issuer, { ...WEB, filler: 'x'.repeat(60_000) });
    assert.equal((await refusalOf(large)).status, 413);
  });

  test('takes POST alone', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const response = await fetch(`${keyturn.issuer}/register`, { method });
      assert.equal(response.status, 405, method);
      assert.equal(response.headers.get('allow'), 'POST, OPTIONS');
    }
    assert.equal((await fetch(`${keyturn.issuer}/register/`, { method: 'POST' })).status, 404);
    assert.equal((await fetch(`${keyturn.issuer}/Register`, { method: 'POST' })).status, 404);
  });

  test('can be called by scripts of any origin, without cookies', async () => {
    const headers = { origin: 'https://spa.example', 'access-control-request-method': 'POST' };
    const asked = await fetch(`${keyturn.issuer}/register`, { method: 'OPTIONS', headers });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), '*');
    assert.match(asked.headers.get('access-control-allow-headers') ?? '', /Content-Type/);
    assert.equal(asked.headers.get('access-control-allow-credentials'), null);
    const made = await post(keyturn.issuer, WEB, { origin: 'https://spa.example' });
    assert.equal(made.headers.get('access-control-allow-origin'), '*');
  });

  test('refuses a token that lets nobody in, though none is needed', async () => {
    const response = await post(keyturn.issuer, WEB, { authorization: 'Bearer keyturn_iat_unknown' });
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
    assert.deepEqual(await refusalOf(response), { status: 401, error: 'invalid_token' });
  });

  test('leaves nothing in the log that opens anything, and why it was refused', async () => {
    const { client_id, client_secret, registration_access_token } = await register(WEB);
    const log = keyturn.logged.join('\n');
    assert.ok(log.includes(client_id));
    assert.ok(!log.includes(String(client_secret)) && !log.includes(String(registration_access_token)));
    await refused({ ...WEB, contacts: ['nobody'] });
    assert.match(keyturn.logged.join(''), /"error":"invalid_client_metadata","description":"contacts\.0: /);
  });
});

describe('the limits of registration that is open to anyone', () => {
  test('an address that registers too often is told when to come back', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '3',
    });
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(keyturn.issuer, WEB)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    const refused = answers.find(({ status }) => status === 429);
    assert.ok(Number(refused?.headers.get('retry-after')) > 3000);
    assert.equal((await Array.fromAsync(keyturn.services.clients.list())).length, 3);
  });

  test('there are never more such clients than there are places, however many come at once', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_CLIENTS_MAX: '5',
    });
    const body = JSON.stringify(WEB);
    const request = rawRequest(
      'POST /register',
      { 'Content-Type': 'application/json', 'Content-Length': String(body.length) },
      body,
    );
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    assert.equal(answers.filter(({ status }) => status === 201).length, 5);
    assert.equal(answers.filter(({ status }) => status === 503).length, 45);
    const [one] = await Array.fromAsync(keyturn.services.clients.list());
    await keyturn.services.clients.remove(one?.clientId ?? '');
    assert.equal((await post(keyturn.issuer, WEB)).status, 201, 'a place that is free is taken');
  });

  test('what an administrator registers is not among them', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_CLIENTS_MAX: '1',
    });
    await keyturn.addClient();
    assert.equal((await post(keyturn.issuer, WEB)).status, 201);
    await keyturn.addClient();
  });

  test('the settings say which grants and methods such a client may have, and whether it needs PKCE', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_GRANT_TYPES: 'authorization_code',
      KEYTURN_REGISTRATION_LIMITS_AUTHENTICATION_METHODS: 'none,client_secret_post',
      KEYTURN_REGISTRATION_LIMITS_REQUIRE_PKCE: 'false',
    });
    const { account, password } = await keyturn.addAccount('ada');
    const response = await post(keyturn.issuer, {
      ...WEB,
      grant_types: ['authorization_code', 'refresh_token'],
    });
    const client = (await response.json()) as Information;
    assert.deepEqual(client.grant_types, ['authorization_code']);
    assert.equal(
      client.token_endpoint_auth_method,
      'none',
      'where the default is out of bounds, the first within',
    );
    const basic = { ...WEB, token_endpoint_auth_method: 'client_secret_basic' };
    assert.equal((await refusalOf(await post(keyturn.issuer, basic))).error, 'invalid_client_metadata');

    const posting = { ...WEB, token_endpoint_auth_method: 'client_secret_post' };
    const confidential = (await (await post(keyturn.issuer, posting)).json()) as Information;
    const ask = (clientId: string) =>
      `${keyturn.issuer}/authorize?${new URLSearchParams({
        client_id: clientId,
        response_type: 'code',
        redirect_uri: CALLBACK,
        scope: 'openid',
        nonce: 'n',
      })}`;
    const credentials = { login: account.username, password };
    const callback = await new Person().authorize(ask(confidential.client_id), credentials);
    assert.ok(callback.searchParams.get('code'));
    const denied = await new Person().visit(ask(client.client_id));
    assert.equal(denied.leftTo?.searchParams.get('error'), 'invalid_request', 'a public client needs PKCE');
  });
});

describe('registration by initial access token (RFC 7591 section 3)', () => {
  let keyturn: Keyturn;
  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_REGISTRATION: 'token' });
    await keyturn.addResourceServer();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const NOTHING_MORE = { scope: [], grantTypes: [], profile: null };
  const invite = async (uses: number, allowance: object = {}) => {
    const { token, text } = await keyturn.services.initialAccessTokens.add({
      uses,
      lifetime: days(1),
      allowance: { ...NOTHING_MORE, ...allowance },
    });
    return { token, bearer: { authorization: `Bearer ${text.reveal()}` }, text };
  };

  test('without one nobody registers, and the challenge says what is missing (RFC 6750 section 3)', async () => {
    const response = await post(keyturn.issuer, WEB);
    assert.equal(response.headers.get('www-authenticate'), `Bearer realm="${keyturn.issuer}"`);
    assert.equal((await refusalOf(response)).status, 401);
    for (const authorization of ['Bearer x', `Bearer keyturn_iat_${'A'.repeat(43)}`])
      assert.equal(
        (await refusalOf(await post(keyturn.issuer, WEB, { authorization }))).error,
        'invalid_token',
      );
    for (const authorization of ['Basic eDp4', 'Bearer', 'Bearer a b'])
      assert.equal(
        (await refusalOf(await post(keyturn.issuer, WEB, { authorization }))).error,
        'invalid_request',
      );
  });

  test('a token travels in the header alone', async () => {
    const { text } = await invite(1);
    const inQuery = await fetch(`${keyturn.issuer}/register?access_token=${text.reveal()}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...WEB, access_token: text.reveal() }),
    });
    assert.equal((await refusalOf(inQuery)).status, 401);
  });

  test('fifty registrations at once with a token of three uses make three clients', async () => {
    const { bearer, token } = await invite(3);
    const count = async () => (await Array.fromAsync(keyturn.services.clients.list())).length;
    const before = await count();
    const body = JSON.stringify(WEB);
    const request = rawRequest(
      'POST /register',
      {
        'Content-Type': 'application/json',
        'Content-Length': String(body.length),
        Authorization: bearer.authorization,
      },
      body,
    );
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    assert.equal(answers.filter(({ status }) => status === 401).length, 47);
    assert.equal((await count()) - before, 3);
    const [left] = (await Array.fromAsync(keyturn.services.initialAccessTokens.list())).filter(
      ({ id }) => id === token.id,
    );
    assert.equal(left?.usesLeft, 0);
  });

  test('what is refused uses up nothing', async () => {
    const { bearer } = await invite(1);
    for (const wrong of [
      { redirect_uris: ['x'] },
      { contacts: 7 },
      { initiate_login_uri: 'http://a.example' },
    ])
      assert.equal((await post(keyturn.issuer, { ...WEB, ...wrong }, bearer)).status, 400);
    assert.equal((await post(keyturn.issuer, WEB, bearer)).status, 201);
    assert.equal((await post(keyturn.issuer, WEB, bearer)).status, 401);
  });

  test('a token can allow scopes and grants, and hold its clients to a profile', async () => {
    const { bearer } = await invite(3, {
      scope: ['read'],
      grantTypes: ['client_credentials'],
      profile: 'mcp',
    });
    const job = { client_name: 'Job', grant_types: ['client_credentials'], scope: 'read write' };
    const client = (await (await post(keyturn.issuer, job, bearer)).json()) as Information;
    assert.deepEqual(client.grant_types, ['client_credentials']);
    assert.equal(client.scope, 'read');
    const found = await keyturn.services.clients.find(client.client_id);
    assert.equal(found?.value.profile, 'mcp');
    const tokens = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' }),
    });
    assert.equal(tokens.status, 200, await tokens.text());
    const native = { ...WEB, redirect_uris: ['com.example.app:/cb'] };
    const refused = (await (await post(keyturn.issuer, native, bearer)).json()) as Information;
    assert.equal(refused.error, 'invalid_client_metadata');
    assert.match(String(refused.error_description), /^profile: a client of mcp /);
  });

  test('a token that was revoked lets nobody in, and who came in stays', async () => {
    const { bearer, token } = await invite(5);
    const client = (await (await post(keyturn.issuer, WEB, bearer)).json()) as Information;
    await keyturn.services.initialAccessTokens.revoke(token.id);
    assert.equal((await post(keyturn.issuer, WEB, bearer)).status, 401);
    const found = await keyturn.services.clients.find(client.client_id);
    assert.deepEqual(found?.expiresAt, null);
    assert.equal(new Secret(String(client.client_secret)).toString(), '[secret]');
  });
});
