import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { publish } from '#test/support/published.ts';
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
  after(async () => {
    const faults = keyturn.logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
    await keyturn[Symbol.asyncDispose]();
    assert.deepEqual(faults, []);
  });

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
    const faults = open.logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
    assert.deepEqual(faults, []);
  });
});
