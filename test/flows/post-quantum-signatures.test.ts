import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import * as oauth from 'openid-client';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';

describe('signatures that no quantum computer is known to forge (ML-DSA, FIPS 204)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let api: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_KEYS_ALGORITHMS: 'ML-DSA-65,ML-DSA-44,ES256' });
    ada.password = (await keyturn.addAccount('ada')).password;
    const { resourceServer, secret } = await keyturn.addResourceServer({ signingAlgorithm: 'ML-DSA-44' });
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    api = await RelyingParty.discover(keyturn, { client, secret });
    const added = await keyturn.addClient({ scope: 'openid read' });
    web = await RelyingParty.discover(keyturn, added, { id_token_signed_response_alg: 'ML-DSA-65' });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const signIn = (person = new Person()) => web.signIn(person, ada, { scope: 'openid read' });
  const verify = (jwt: string) =>
    jwtVerify(jwt, createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`)), { issuer: keyturn.issuer });

  test('are there when the settings name them, and not otherwise', async () => {
    const listed = async ({ issuer }: Pick<Keyturn, 'issuer'>) => {
      const document = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as {
        id_token_signing_alg_values_supported: string[];
      };
      return document.id_token_signing_alg_values_supported;
    };
    assert.deepEqual(await listed(keyturn), ['ML-DSA-65', 'ML-DSA-44', 'ES256']);
    await using usual = await startKeyturnHere();
    assert.deepEqual(await listed(usual), ['ES256', 'RS256']);
    await assert.rejects(usual.addClient({ idTokenSignedResponseAlg: 'ML-DSA-44' }), {
      code: 'invalid_client_metadata',
    });
  });

  test('are verified by public keys of the type AKP, named by their thumbprints', async () => {
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as JSONWebKeySet;
    const published = keys.filter(({ kty }) => kty === 'AKP');
    assert.deepEqual(
      published.map(({ alg }) => alg).sort(),
      ['ML-DSA-44', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-65'],
      'of each one that signs and one for afterwards',
    );
    for (const jwk of published) {
      assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'kid', 'kty', 'pub', 'use']);
      assert.equal(jwk.kid, await calculateJwkThumbprint(jwk));
    }
  });

  test('a whole sign-in goes by them: ID token, access token, introspection, refresh', async () => {
    const tokens = await signIn();
    assert.equal((await verify(tokens.id_token ?? '')).protectedHeader.alg, 'ML-DSA-65');
    const { protectedHeader, payload } = await verify(tokens.access_token);
    assert.deepEqual([protectedHeader.alg, protectedHeader.typ], ['ML-DSA-44', 'at+jwt']);
    assert.deepEqual([payload.aud].flat(), [API, keyturn.issuer]);
    assert.equal((await api.introspect(tokens.access_token)).active, true);
    const { sub } = tokens.claims() ?? assert.fail('there is an ID token');
    const about = await oauth.fetchUserInfo(web.configuration, tokens.access_token, sub);
    assert.equal(about.sub, sub);
    const refreshed = await web.refresh(tokens.refresh_token ?? '');
    assert.equal((await verify(refreshed.access_token)).protectedHeader.alg, 'ML-DSA-44');
  });

  test('a changed signature, or a changed claim, is refused', async () => {
    const { access_token } = await signIn();
    const [header = '', claims = '', signature = ''] = access_token.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    const other = `${claims.slice(0, -2)}${claims.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const forged of [
      [header, claims, bytes.toString('base64url')],
      [header, other, signature],
    ]) {
      assert.equal((await api.introspect(forged.join('.'))).active, false);
    }
  });

  test('go on being verified once another key signs', async () => {
    const person = new Person();
    const before = await signIn(person);
    await keyturn.services.rotation.rotate();
    await keyturn.restart();
    const after = await signIn(person);
    const kid = (jwt: string | undefined) => decodeProtectedHeader(jwt ?? '').kid;
    assert.notEqual(kid(before.id_token), kid(after.id_token));
    for (const { id_token, access_token } of [before, after]) {
      await verify(id_token ?? '');
      assert.equal((await api.introspect(access_token)).active, true);
    }
    const { url } = await web.request({ prompt: 'none', id_token_hint: before.id_token ?? '' });
    assert.ok((await person.visit(url)).leftTo?.searchParams.get('code'), 'its retired key verifies a hint');
  });

  test('userinfo and introspection answers are signed by them for those who ask', async () => {
    const metadata = {
      userinfo_signed_response_alg: 'ML-DSA-44',
      introspection_signed_response_alg: 'ML-DSA-65',
    };
    const added = await keyturn.addClient({ metadata, idTokenSignedResponseAlg: 'ES256' });
    const party = await RelyingParty.discover(keyturn, added);
    const { access_token } = await party.signIn(new Person(), ada);
    const headers = { Authorization: `Bearer ${access_token}` };
    const userinfo = await (await fetch(`${keyturn.issuer}/userinfo`, { headers })).text();
    assert.equal((await verify(userinfo)).protectedHeader.alg, 'ML-DSA-44');
    const answer = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`,
        Accept: 'application/token-introspection+jwt',
      },
      body: new URLSearchParams({ token: access_token }),
    });
    assert.equal((await verify(await answer.text())).protectedHeader.alg, 'ML-DSA-65');
  });
});
