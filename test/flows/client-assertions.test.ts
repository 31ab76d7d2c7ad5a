import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { CLIENT_ASSERTION_ALGORITHMS } from '#src/clients/client-authentication.ts';
import { proofBy } from '#test/support/dpop-proof.ts';
import { faultsOf, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { publish } from '#test/support/published.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { refusalOf } from '#test/support/refused.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

describe('clients that authenticate by a signed assertion (RFC 7523)', () => {
  let keyturn: Keyturn;
  let pair: KeyPair;
  let jwk: JWK;

  before(async () => {
    keyturn = await startKeyturnHere();
    await keyturn.addResourceServer();
    pair = await generateKeyPair('ES256', { extractable: true });
    jwk = { ...(await exportJWK(pair.publicKey)), kid: 'own', alg: 'ES256', use: 'sig' };
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const addService = async (registration: Partial<ClientRegistration>, server = keyturn) =>
    (
      await server.addClient({
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
        ...registration,
      })
    ).client.clientId;
  const withKeys = () =>
    addService({ authenticationMethod: 'private_key_jwt', jwks: { keys: [{ ...jwk }] } });

  async function assertion(
    clientId: string,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: KeyPair['privateKey'] | Uint8Array = pair.privateKey,
  ) {
    const now = Math.floor(Date.now() / 1000);
    const says = {
      iss: clientId,
      sub: clientId,
      aud: keyturn.issuer,
      jti: crypto.randomUUID(),
      iat: now,
      exp: now + 60,
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(says)))
      .setProtectedHeader({ alg: 'ES256', kid: 'own', ...header })
      .sign(key);
  }

  const ask = (fields: Record<string, string>, server = keyturn) =>
    fetch(`${server.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: ASSERTION_TYPE,
        ...fields,
      }),
    });

  test('one that is right is served, and is good once (RFC 7523 section 3)', async () => {
    const clientId = await withKeys();
    const client_assertion = await assertion(clientId);
    assert.equal((await ask({ client_assertion })).status, 200);
    assert.equal((await refusalOf(await ask({ client_assertion }))).error, 'invalid_client');
    const another = await assertion(clientId);
    const racers = await Promise.all(Array.from({ length: 20 }, () => ask({ client_assertion: another })));
    assert.equal(racers.filter(({ status }) => status === 200).length, 1);
  });

  test('its type says what it is, or nothing of it (draft-ietf-oauth-rfc7523bis section 4; RFC 7515 section 4.1.9)', async () => {
    const clientId = await withKeys();
    const types = ['client-authentication+jwt', 'application/client-authentication+jwt', 'JWT', 'jwt'];
    for (const typ of types)
      assert.equal(
        (await ask({ client_assertion: await assertion(clientId, {}, { typ }) })).status,
        200,
        typ,
      );
  });

  test('one that is wrong in any way is refused, and never a fault', async () => {
    const clientId = await withKeys();
    const other = await withKeys();
    const stranger = await generateKeyPair('ES256', { extractable: true });
    const now = Math.floor(Date.now() / 1000);
    const good = await assertion(clientId);
    const secret = Buffer.from(JSON.stringify(jwk));
    for (const [what, client_assertion] of Object.entries({
      'another key': await assertion(clientId, {}, {}, stranger.privateKey),
      'an unknown kid': await assertion(clientId, {}, { kid: 'unknown' }),
      'the public key as a secret': await assertion(clientId, {}, { alg: 'HS256' }, secret),
      expired: await assertion(clientId, { exp: now - 120 }),
      'not yet': await assertion(clientId, { nbf: now + 3_600 }),
      'without an end': await assertion(clientId, { exp: undefined }),
      'without an identifier': await assertion(clientId, { jti: undefined }),
      'an odd identifier': await assertion(clientId, { jti: { a: 1 } }),
      'an odd end': await assertion(clientId, { exp: 'tomorrow' }),
      'another audience': await assertion(clientId, { aud: 'https://evil.example' }),
      'an odd audience': await assertion(clientId, { aud: { a: 1 } }),
      'no audience': await assertion(clientId, { aud: undefined }),
      'another issuer': await assertion(clientId, { iss: other }),
      'another subject': await assertion(clientId, { sub: other }),
      'an unknown client': await assertion('nobody'),
      'an odd subject': await assertion(clientId, { sub: { a: 1 }, iss: { a: 1 } }),
      'a prototype': await assertion('__proto__'),
      'a request': await assertion(clientId, {}, { typ: 'oauth-authz-req+jwt' }),
      'a proof': await assertion(clientId, {}, { typ: 'dpop+jwt' }),
      'a critical extension': await assertion(clientId).then(
        (jwt) =>
          `${Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'own', crit: ['x'], x: 1 })).toString('base64url')}.${jwt.split('.').slice(1).join('.')}`,
      ),
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
      'no signature': good.split('.').slice(0, 2).join('.'),
      'a text': 'x',
      dots: '...',
      'null claims': 'e30.bnVsbA.e30',
      'a list': 'W10.W10.W10',
      'empty parts': '..',
    })) {
      const answer = await ask({ client_assertion });
      const { status, error } = await refusalOf(answer);
      assert.ok(
        (status === 401 && error === 'invalid_client') || (status === 400 && error === 'invalid_request'),
        `${what} ${status} ${error}`,
      );
    }
    for (const fields of [{ client_assertion_type: 'x' }, { client_id: other }, { client_secret: 'x' }]) {
      await refusalOf(await ask({ client_assertion: await assertion(clientId), ...fields }));
    }
    assert.equal((await ask({ client_assertion: await assertion(clientId) })).status, 200);
  });

  test('a method that the client is not registered for is refused (RFC 7591 section 2)', async () => {
    const clientId = await withKeys();
    const basic = await refusalOf(
      await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${clientId}:x`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }),
    );
    assert.deepEqual(basic, { status: 401, error: 'invalid_client' });
    const none = await refusalOf(
      await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId }),
      }),
    );
    assert.deepEqual(none, { status: 401, error: 'invalid_client' });
  });

  test('of fifty requests at once with one assertion, one is served (RFC 7523 section 3)', async () => {
    const client_assertion = await assertion(await withKeys());
    const fields = {
      grant_type: 'client_credentials',
      client_assertion_type: ASSERTION_TYPE,
      client_assertion,
    };
    const request = rawRequest(
      'POST /token',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      String(new URLSearchParams(fields)),
    );
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [
      200,
      ...Array.from({ length: 49 }, () => 401),
    ]);
  });

  test('it is meant for this server and no other (RFC 7523 section 3, rfc7523bis section 4)', async () => {
    const clientId = await withKeys();
    const endpoint = `${keyturn.issuer}/token`;
    for (const aud of [keyturn.issuer, endpoint, [keyturn.issuer], [endpoint]])
      assert.equal(
        (await ask({ client_assertion: await assertion(clientId, { aud }) })).status,
        200,
        String(aud),
      );
    for (const aud of [
      [keyturn.issuer, 'https://other.example'],
      [keyturn.issuer, endpoint],
      `${keyturn.issuer}/`,
      `${keyturn.issuer}/par`,
      '',
      [],
    ]) {
      const answer = await refusalOf(await ask({ client_assertion: await assertion(clientId, { aud }) }));
      assert.deepEqual(answer, { status: 401, error: 'invalid_client' }, String(aud));
    }
    const revoke = async (aud: string) =>
      fetch(`${keyturn.issuer}/revoke`, {
        method: 'POST',
        body: new URLSearchParams({
          token: 'x',
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: await assertion(clientId, { aud }),
        }),
      });
    assert.equal((await revoke(`${keyturn.issuer}/revoke`)).status, 200);
    assert.equal((await revoke(endpoint)).status, 200);
    assert.equal((await refusalOf(await revoke(`${keyturn.issuer}/introspect`))).error, 'invalid_client');
  });

  test('the settings, and FAPI 2.0 by itself, have it name the issuer as a text and nothing else', async () => {
    await using strict = await startKeyturnHere({
      KEYTURN_CLIENT_AUTHENTICATION_ASSERTION_AUDIENCE: 'issuer',
    });
    await strict.addResourceServer();
    const clientId = await addService(
      { authenticationMethod: 'private_key_jwt', jwks: { keys: [jwk] } },
      strict,
    );
    const fapi = await addService({
      authenticationMethod: 'private_key_jwt',
      jwks: { keys: [jwk] },
      profile: 'fapi-2.0-security',
    });
    for (const [server, client] of [
      [strict, clientId],
      [keyturn, fapi],
    ] as const) {
      // A client of the profile proves the possession of a key as well.
      const proof = async () => proofBy(pair, { htm: 'POST', htu: `${server.issuer}/token` });
      const send = async (aud: unknown) =>
        fetch(`${server.issuer}/token`, {
          method: 'POST',
          headers: { dpop: await proof() },
          body: new URLSearchParams({
            grant_type: 'client_credentials',
            client_assertion_type: ASSERTION_TYPE,
            client_assertion: await assertion(client, { aud }),
          }),
        });
      assert.equal((await send(server.issuer)).status, 200);
      for (const aud of [`${server.issuer}/token`, [server.issuer]])
        assert.equal((await refusalOf(await send(aud))).error, 'invalid_client', String(aud));
    }
  });

  test('its time is near, and clocks may differ a little (RFC 7523 section 3)', async () => {
    const clientId = await withKeys();
    const now = Math.floor(Date.now() / 1000);
    const status = async (claims: object) =>
      (await ask({ client_assertion: await assertion(clientId, { ...claims }) })).status;
    assert.equal(await status({ exp: now + 600 }), 200);
    assert.equal(await status({ exp: now + 3_600 }), 401, 'too far away');
    assert.equal(await status({ exp: now - 20 }), 200);
    assert.equal(await status({ exp: now - 40 }), 401);
    for (const name of ['nbf', 'iat']) {
      assert.equal(await status({ [name]: now + 20 }), 200, name);
      assert.equal(await status({ [name]: now + 60 }), 401, name);
    }
    assert.equal(await status({ iat: undefined }), 200);
  });

  test('each algorithm that the metadata names is taken, unless the client has registered one (RFC 8414 section 2)', async () => {
    const answer = await fetch(`${keyturn.issuer}/.well-known/oauth-authorization-server`);
    const document = (await answer.json()) as { token_endpoint_auth_signing_alg_values_supported: string[] };
    const named = document.token_endpoint_auth_signing_alg_values_supported;
    assert.deepEqual(named, CLIENT_ASSERTION_ALGORITHMS);
    for (const alg of ['none', 'HS384', 'RS384', 'ES256K']) assert.ok(!named.includes(alg), alg);
    for (const alg of named.filter((each) => each !== 'HS256')) {
      const own = await generateKeyPair(alg, { extractable: true });
      const keys = [await exportJWK(own.publicKey)];
      const method = { authenticationMethod: 'private_key_jwt', jwks: { keys } } as const;
      const clientId = await addService(method);
      const header = { alg, kid: undefined };
      const sign = (client: string) => assertion(client, {}, header, own.privateKey);
      assert.equal((await ask({ client_assertion: await sign(clientId) })).status, 200, alg);
      const other = alg === 'ES256' ? 'PS256' : 'ES256';
      const metadata = { token_endpoint_auth_signing_alg: other };
      const bound = await addService({ ...method, metadata });
      assert.equal(
        (await refusalOf(await ask({ client_assertion: await sign(bound) }))).error,
        'invalid_client',
      );
    }
  });

  test('one mechanism authenticates a request, not two (RFC 6749 section 2.3)', async () => {
    const clientId = await withKeys();
    const basic = { authorization: `Basic ${btoa(`${clientId}:x`)}` };
    for (const [headers, fields] of [
      [basic, {}],
      [{}, { client_secret: 'x' }],
      [basic, { client_secret: 'x' }],
      [{ authorization: 'Bearer x' }, {}],
    ] as const) {
      const answer = await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: await assertion(clientId),
          ...fields,
        }),
      });
      assert.deepEqual(await refusalOf(answer), { status: 400, error: 'invalid_request' });
    }
  });

  test('a client that used the Authorization header is told the scheme (RFC 6749 section 5.2)', async () => {
    const { client } = await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [] });
    for (const [clientId, secret] of [
      [client.clientId, 'wrong'],
      ['nobody', 'x'],
    ]) {
      const answer = await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
      assert.match(
        answer.headers.get('www-authenticate') ?? '',
        /^Basic realm="[^"]+", error="invalid_client"/,
      );
      assert.deepEqual(await refusalOf(answer), { status: 401, error: 'invalid_client' });
    }
  });

  test('a key that is not known yet is asked for, at most once a minute (OpenID Connect Core section 10.1.1)', async () => {
    await using open = await startKeyturnHere({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' });
    await open.addResourceServer();
    let published = [jwk];
    await using site = await publish(() => ({
      body: JSON.stringify({ keys: published }),
      headers: { 'Cache-Control': 'max-age=86400' },
    }));
    const clientId = await addService({ authenticationMethod: 'private_key_jwt', jwksUri: site.url }, open);
    const next = await generateKeyPair('ES256', { extractable: true });
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const send = async (kid: string, key = pair) =>
      ask(
        { client_assertion: await assertion(clientId, { aud: open.issuer }, { kid }, key.privateKey) },
        open,
      );
    assert.equal((await send('own')).status, 200);
    published = [{ ...(await exportJWK(next.publicKey)), kid: 'next', alg: 'ES256' }];
    assert.equal((await send('next', next)).status, 401);
    assert.equal(site.asked, 1, 'not yet again');
    mock.timers.tick(60_000);
    assert.equal((await send('next', next)).status, 200);
    assert.equal(site.asked, 2);
    for (let attempt = 0; attempt < 5; attempt += 1)
      assert.equal((await send(`unknown-${attempt}`)).status, 401);
    assert.equal(site.asked, 2, 'whoever makes identifiers up makes the server ask no more often');
    mock.timers.tick(60_000);
    for (let attempt = 0; attempt < 5; attempt += 1)
      assert.equal((await send(`unknown-${attempt}`)).status, 401);
    assert.equal(site.asked, 3);
  });

  test('keys that a client publishes on a private address are not fetched, unless the settings let them', async () => {
    await using site = await publish(JSON.stringify({ keys: [jwk] }));
    const refusedTo = await addService({ authenticationMethod: 'private_key_jwt', jwksUri: site.url });
    const { status } = await refusalOf(await ask({ client_assertion: await assertion(refusedTo) }));
    assert.ok(status === 400 || status === 401);
    assert.equal(site.asked, 0);
    await using open = await startKeyturnHere({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' });
    await open.addResourceServer();
    const clientId = await addService({ authenticationMethod: 'private_key_jwt', jwksUri: site.url }, open);
    const configuration = await oauth.discovery(
      new URL(open.issuer),
      clientId,
      undefined,
      oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'own' }),
      {
        execute: [oauth.allowInsecureRequests],
      },
    );
    assert.ok((await oauth.clientCredentialsGrant(configuration)).access_token);
    assert.equal(site.asked, 1);
    await oauth.clientCredentialsGrant(configuration);
    assert.equal(site.asked, 1, 'and are kept for a while');
  });

  test('whatever a client publishes in place of its keys, it is refused, and the server goes on', async () => {
    await using open = await startKeyturnHere({
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_HTTP_OUTGOING_TIMEOUT: '1s',
    });
    for (const [body, answered] of [
      ['', 200],
      ['nonsense', 200],
      ['null', 200],
      ['[]', 200],
      ['{"keys":1}', 200],
      ['{"keys":[null,{"kty":"x"}]}', 200],
      ['{"keys":[]}', 200],
      ['{}', 404],
      ['{}', 500],
      [' '.repeat(2_000_000), 200],
    ] as const) {
      await using site = await publish({ body, status: answered });
      const clientId = await addService({ authenticationMethod: 'private_key_jwt', jwksUri: site.url }, open);
      const { status } = await refusalOf(
        await ask({ client_assertion: await assertion(clientId, { aud: open.issuer }) }, open),
      );
      assert.ok(status === 400 || status === 401, `${body.slice(0, 20)} ${answered} ${status}`);
    }
    const nobody = await addService(
      { authenticationMethod: 'private_key_jwt', jwksUri: 'http://127.0.0.1:1/jwks' },
      open,
    );
    await refusalOf(await ask({ client_assertion: await assertion(nobody, { aud: open.issuer }) }, open));
    assert.deepEqual(faultsOf(open), []);
  });
});
