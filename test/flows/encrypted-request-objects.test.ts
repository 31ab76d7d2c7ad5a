import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CompactEncrypt, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

describe('encrypted request objects (RFC 9101 sections 6.1 and 10.2)', () => {
  let keyturn: Keyturn;
  let clientId: string;
  let kept: { clientId: string; secret: string };
  let signingKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  let published: JWK;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    const pair = await generateKeyPair('ES256', { extractable: true });
    signingKey = pair.privateKey;
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'own', alg: 'ES256' }] };
    clientId = (await keyturn.addClient({ scope: 'openid', jwks })).client.clientId;
    const added = await keyturn.addClient({
      scope: 'openid',
      jwks,
      authenticationMethod: 'client_secret_jwt',
    });
    kept = { clientId: added.client.clientId, secret: added.secret };
    published = await publishedKey();
  });
  after(() => stopFaultless(keyturn));

  async function publishedKey(): Promise<JWK> {
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: JWK[] };
    const [key, ...more] = keys.filter(({ use }) => use === 'enc');
    assert.deepEqual(more, []);
    return key ?? assert.fail('nothing to encrypt to is published');
  }

  async function signed(client: string, state: string): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: client,
      aud: keyturn.issuer,
      exp: now + 60,
      nbf: now,
      client_id: client,
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid',
      state,
      code_challenge: 'A'.repeat(43),
      code_challenge_method: 'S256',
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'own', typ: 'oauth-authz-req+jwt' })
      .sign(signingKey);
  }

  async function encrypted(text: string, key: JWK, alg: string, enc = 'A256GCM'): Promise<string> {
    const header = { alg, enc, cty: 'JWT', ...(key.kid === undefined ? undefined : { kid: key.kid }) };
    return new CompactEncrypt(Buffer.from(text))
      .setProtectedHeader(header)
      .encrypt(await importJWK({ ...key, alg }, alg));
  }

  async function stateBack(client: string, request: string): Promise<string | null> {
    const url = `${keyturn.issuer}/authorize?${new URLSearchParams({ client_id: client, scope: 'openid', response_type: 'code', request })}`;
    return (await new Person().authorize(url, ada)).searchParams.get('state');
  }

  test('are opened with the key that the server publishes for encryption', async () => {
    for (const alg of ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW']) {
      const request = await encrypted(await signed(clientId, alg), published, alg);
      assert.equal(await stateBack(clientId, request), alg);
    }
  });

  test('are opened with the secret of a client whose secret is kept', async () => {
    const k = createHash('sha256').update(kept.secret).digest().toString('base64url');
    const request = await encrypted(await signed(kept.clientId, 'by secret'), { kty: 'oct', k }, 'dir');
    assert.equal(await stateBack(kept.clientId, request), 'by secret');
  });

  test('are the same key after a restart, and the metadata names the algorithms', async () => {
    await keyturn.restart();
    assert.deepEqual(await publishedKey(), published);
    const metadata = (await (
      await fetch(`${keyturn.issuer}/.well-known/oauth-authorization-server`)
    ).json()) as Record<string, string[]>;
    assert.ok(metadata.request_object_encryption_alg_values_supported?.includes('ECDH-ES'));
    assert.equal(metadata.request_object_encryption_alg_values_supported?.includes('RSA-OAEP-256'), false);
    assert.ok(metadata.request_object_encryption_enc_values_supported?.includes('A256GCM'));
  });

  test('are refused when they are for another key, broken, or hold nothing that is signed', async () => {
    const stranger = await generateKeyPair('ECDH-ES', { extractable: true });
    const inner = await signed(clientId, 'x');
    const right = await encrypted(inner, published, 'ECDH-ES');
    const wrong = [
      await encrypted(
        inner,
        { ...(await exportJWK(stranger.publicKey)), kid: published.kid as string },
        'ECDH-ES',
      ),
      `${right.slice(0, -4)}AAAA`,
      await encrypted('{"client_id":"x"}', published, 'ECDH-ES'),
      await encrypted(inner.split('.').slice(0, 2).join('.'), published, 'ECDH-ES'),
    ];
    for (const request of wrong) {
      const url = `${keyturn.issuer}/authorize?${new URLSearchParams({ client_id: clientId, scope: 'openid', response_type: 'code', redirect_uri: CALLBACK, request })}`;
      const { leftTo, html } = await new Person().visit(url);
      const told = leftTo?.searchParams.get('error') ?? /invalid_request_object/.exec(html)?.[0];
      assert.equal(told, 'invalid_request_object');
    }
  });

  test('leave the keys that verify tokens to be found as before (RFC 7517 section 4.2)', async () => {
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: JWK[] };
    for (const key of keys) assert.equal(key.use, key.kid === published.kid ? 'enc' : 'sig');
    assert.equal(JSON.stringify(keys).includes('"d"'), false);
  });
});
