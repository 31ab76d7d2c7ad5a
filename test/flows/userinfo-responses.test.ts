import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  compactDecrypt,
  createRemoteJWKSet,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
} from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'ES384', 'Ed25519', 'EdDSA'];

describe('userinfo (OpenID Connect Core section 5.3.2)', () => {
  let keyturn: Keyturn;
  let pair: Awaited<ReturnType<typeof generateKeyPair>>;
  let jwk: JWK & Record<string, unknown>;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_KEYS_ALGORITHMS: ALGORITHMS.join(',') });
    ada.password = (await keyturn.addAccount('ada')).password;
    pair = await generateKeyPair('ECDH-ES', { extractable: true });
    jwk = { ...(await exportJWK(pair.publicKey)), use: 'enc' };
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const add = (metadata: ClientRegistration['metadata'], more: Partial<ClientRegistration> = {}) =>
    keyturn.addClient({ metadata, ...more });

  async function userinfo(added: Awaited<ReturnType<typeof add>>) {
    const party = await RelyingParty.discover(keyturn, added);
    const tokens = await party.signIn(new Person(), ada, { scope: 'openid email' });
    const response = await fetch(`${keyturn.issuer}/userinfo`, {
      headers: { Authorization: `Bearer ${tokens.access_token}` },
    });
    return { response, tokens, party };
  }

  const verified = async (jwt: string, clientId: string) =>
    jwtVerify(jwt, createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`)), {
      issuer: keyturn.issuer,
      audience: clientId,
    });

  for (const alg of ALGORITHMS) {
    test(`is a JWT signed with ${alg} for a client that registered it, with iss and aud in it`, async () => {
      const added = await add({ userinfo_signed_response_alg: alg });
      const { response, tokens } = await userinfo(added);
      assert.match(response.headers.get('content-type') ?? '', /^application\/jwt\b/);
      assert.match(response.headers.get('cache-control') ?? '', /no-store/);
      const { payload, protectedHeader } = await verified(await response.text(), added.client.clientId);
      assert.equal(protectedHeader.alg, alg);
      assert.equal(payload.sub, tokens.claims()?.sub);
      assert.equal(payload.email, 'ada@example.com');
    });
  }

  test('is JSON for a client that registered nothing, as before', async () => {
    const { response, tokens } = await userinfo(await add({}));
    assert.match(response.headers.get('content-type') ?? '', /^application\/json\b/);
    assert.equal(((await response.json()) as { sub: string }).sub, tokens.claims()?.sub);
  });

  test('is signed, and then encrypted to the key of the client', async () => {
    const added = await add(
      { userinfo_signed_response_alg: 'ES256', userinfo_encrypted_response_alg: 'ECDH-ES+A256KW' },
      { jwks: { keys: [jwk] } },
    );
    const { response } = await userinfo(added);
    assert.match(response.headers.get('content-type') ?? '', /^application\/jwt\b/);
    const opened = await compactDecrypt(await response.text(), pair.privateKey);
    assert.equal(opened.protectedHeader.cty, 'JWT');
    await verified(new TextDecoder().decode(opened.plaintext), added.client.clientId);
  });

  test('is understood by a client library that is told the algorithm', async () => {
    const added = await add({ userinfo_signed_response_alg: 'PS256' });
    const party = await RelyingParty.discover(keyturn, added, { userinfo_signed_response_alg: 'PS256' });
    const tokens = await party.signIn(new Person(), ada);
    const { sub } = tokens.claims() ?? assert.fail('there is an ID token');
    const about = await oauth.fetchUserInfo(party.configuration, tokens.access_token, sub);
    assert.equal(about.sub, sub);
  });

  test('is no token: what it signs is refused as an access token and as a hint of somebody else', async () => {
    const added = await add({ userinfo_signed_response_alg: 'ES256' });
    const { response, party } = await userinfo(added);
    const jwt = await response.text();
    assert.equal(decodeJwt(jwt).jti, undefined);
    const again = await fetch(`${keyturn.issuer}/userinfo`, { headers: { Authorization: `Bearer ${jwt}` } });
    assert.equal(again.status, 401);
    assert.equal((await party.introspect(jwt)).active, false);
  });

  test('a registration is refused that could not be served', async () => {
    const jwks = { keys: [jwk] };
    const refused = (metadata: ClientRegistration['metadata'], more: Partial<ClientRegistration> = {}) =>
      assert.rejects(add(metadata, more), { code: 'invalid_client_metadata' });
    await refused({ userinfo_signed_response_alg: 'none' });
    await refused({ userinfo_signed_response_alg: 'HS256' });
    await refused({ userinfo_signed_response_alg: 'ML-DSA-44' });
    await refused({ userinfo_encrypted_response_alg: 'ECDH-ES' }, { jwks });
    await refused({ userinfo_signed_response_alg: 'ES256', userinfo_encrypted_response_alg: 'ECDH-ES' });
    await refused({ userinfo_encrypted_response_enc: 'A128GCM' });
  });
});
