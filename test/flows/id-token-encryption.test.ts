import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, mock, test } from 'node:test';
import {
  type CryptoKey,
  compactDecrypt,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
} from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { type PublishedAnswer, publish } from '#test/support/published.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const SIGNED_OUT = 'http://127.0.0.1:4000/signed-out';

/** Where the keys of RFC 7518 section 4 come from, and what encrypts by each. */
const ASYMMETRIC = [
  ['RSA-OAEP-256', {}],
  ['ECDH-ES', { crv: 'P-256' }],
  ['ECDH-ES', { crv: 'X25519' }],
  ['ECDH-ES+A128KW', { crv: 'P-384' }],
  ['ECDH-ES+A256KW', { crv: 'P-521' }],
] as const;

const SEND_WHAT_IS_INSIDE = /id_token_hint is encrypted; send the signed ID token that is inside it/;

describe('ID tokens that are encrypted for their client (OpenID Connect Core sections 3.1.3.7 and 10.2)', () => {
  let keyturn: Keyturn;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' });
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const add = (metadata: ClientRegistration['metadata'], more: Partial<ClientRegistration> = {}) =>
    keyturn.addClient({ metadata, postLogoutRedirectUris: [SIGNED_OUT], ...more });
  const refusal = (...given: Parameters<typeof add>) =>
    assert.rejects(add(...given), { code: 'invalid_client_metadata' });

  /** What the token endpoint answers to a sign-in, with nothing opened. */
  async function tokenResponse(added: Awaited<ReturnType<typeof add>>, person = new Person()) {
    const party = await RelyingParty.discover(keyturn, added);
    const { url, checks } = await party.request();
    const callback = await person.authorize(url, ada);
    const redeem = async () =>
      fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}` },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code: callback.searchParams.get('code') ?? '',
          redirect_uri: callback.origin + callback.pathname,
          code_verifier: checks.pkceCodeVerifier,
        }),
      });
    return { redeem, checks };
  }

  async function idTokenOf(added: Awaited<ReturnType<typeof add>>, person?: Person): Promise<string> {
    const { redeem } = await tokenResponse(added, person);
    return ((await (await redeem()).json()) as { id_token: string }).id_token;
  }

  async function verified(signed: string, clientId: string) {
    const keys = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
    return jwtVerify(signed, keys, { issuer: keyturn.issuer, audience: clientId });
  }

  for (const [alg, curve] of ASYMMETRIC) {
    test(`${alg} ${JSON.stringify(curve)}: signed by this server, then encrypted to the key of the client that suits it`, async () => {
      const pair = await generateKeyPair(alg, { ...curve, extractable: true });
      const jwk = { ...(await exportJWK(pair.publicKey)), use: 'enc', kid: 'to me' };
      const signing = { ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), use: 'sig' };
      const metadata = { id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: 'A256GCM' };
      const added = await add(metadata, { jwks: { keys: [signing, jwk] } });
      const opened = await compactDecrypt(await idTokenOf(added), pair.privateKey);
      const { alg: byAlg, enc, kid, cty } = opened.protectedHeader;
      assert.deepEqual({ byAlg, enc, kid, cty }, { byAlg: alg, enc: 'A256GCM', kid: 'to me', cty: 'JWT' });
      const { payload } = await verified(new TextDecoder().decode(opened.plaintext), added.client.clientId);
      assert.equal(typeof payload.sub, 'string');
    });
  }

  test('a client library that is given the private key finds nothing unusual', async () => {
    const { added, privateKey } = await withKey('ECDH-ES');
    const party = await RelyingParty.discover(keyturn, added);
    oauth.enableDecryptingResponses(party.configuration, ['A128CBC-HS256'], { key: privateKey, kid: 'mine' });
    const tokens = await party.signIn(new Person(), ada);
    assert.equal(tokens.claims()?.aud, added.client.clientId);
    const refreshed = await party.refresh(tokens.refresh_token ?? '');
    assert.equal(refreshed.claims()?.sub, tokens.claims()?.sub);
  });

  test('whoever names no enc gets A128CBC-HS256 (OpenID Connect Registration section 2)', async () => {
    const { added, privateKey } = await withKey('RSA-OAEP-256');
    const { protectedHeader } = await compactDecrypt(await idTokenOf(added), privateKey);
    assert.equal(protectedHeader.enc, 'A128CBC-HS256');
  });

  for (const [alg, enc, bytes] of [
    ['dir', 'A128CBC-HS256', 32],
    ['dir', 'A256GCM', 32],
    ['A128KW', 'A128GCM', 16],
    ['A256KW', 'A256CBC-HS512', 32],
  ] as const) {
    test(`${alg} with ${enc}: the key is the beginning of the secret's SHA-256 (OpenID Connect Core section 10.2)`, async () => {
      const metadata = { id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc };
      const added = await add(metadata);
      const key = createHash('sha256').update(added.secret).digest().subarray(0, bytes);
      const { plaintext } = await compactDecrypt(await idTokenOf(added), key);
      await verified(new TextDecoder().decode(plaintext), added.client.clientId);
      const { secret } = await keyturn.services.clients.rollSecret(added.client.clientId);
      const rolled = createHash('sha256').update(secret.reveal()).digest().subarray(0, bytes);
      const again = await idTokenOf({ ...added, secret: secret.reveal() });
      await compactDecrypt(again, rolled);
    });
  }

  test('the text of a secret is kept for such clients alone', async () => {
    const kept = async (metadata: ClientRegistration['metadata']) =>
      (await add(metadata)).client.secrets.every(({ text }) => text !== undefined);
    assert.equal(await kept({ id_token_encrypted_response_alg: 'dir' }), true);
    assert.equal(await kept({}), false);
    assert.equal(await kept({ userinfo_signed_response_alg: 'ES256' }), false);
  });

  test('a registration is refused that could not be served', async () => {
    const { jwk } = await withKey('ECDH-ES');
    const jwks = { keys: [jwk] };
    const encrypted = { id_token_encrypted_response_alg: 'ECDH-ES' };
    await refusal({ id_token_encrypted_response_alg: 'RSA1_5' }, { jwks });
    await refusal({ id_token_encrypted_response_alg: 'none' }, { jwks });
    await refusal({ ...encrypted, id_token_encrypted_response_enc: 'A64GCM' }, { jwks });
    await refusal({ id_token_encrypted_response_enc: 'A128GCM' }, { jwks });
    await refusal(encrypted);
    await refusal({ id_token_encrypted_response_alg: 'RSA-OAEP-256' }, { jwks });
    await refusal(encrypted, { jwks: { keys: [{ ...jwk, use: 'sig' }] } });
    await refusal(encrypted, { jwks: { keys: [{ ...jwk, alg: 'ECDH-ES+A256KW' }] } });
    await refusal(encrypted, { jwksUri: 'http://app.example.com/jwks' });
    await refusal({ id_token_encrypted_response_alg: 'dir' }, { authenticationMethod: 'none' });
    const signing = { ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), use: 'sig' };
    await refusal(
      { id_token_encrypted_response_alg: 'A256KW' },
      { authenticationMethod: 'private_key_jwt', jwks: { keys: [signing] } },
    );
  });

  test('an algorithm that the settings leave out is neither listed nor taken', async () => {
    await using strict = await startKeyturnHere({ KEYTURN_ENCRYPTION_ALGORITHMS: 'RSA-OAEP-256' });
    const { jwk } = await withKey('ECDH-ES');
    const metadata = { id_token_encrypted_response_alg: 'ECDH-ES' };
    await assert.rejects(strict.addClient({ metadata, jwks: { keys: [jwk] } }), /RSA-OAEP-256/);
    const document = (await (await fetch(`${strict.issuer}/.well-known/openid-configuration`)).json()) as {
      id_token_encryption_alg_values_supported: string[];
    };
    assert.deepEqual(document.id_token_encryption_alg_values_supported, ['RSA-OAEP-256']);
  });

  describe('keys that a client publishes', () => {
    async function published(answer: (keys: JWK[]) => PublishedAnswer | (() => PublishedAnswer)) {
      const pair = await generateKeyPair('ECDH-ES', { extractable: true });
      const site = await publish(answer([{ ...(await exportJWK(pair.publicKey)), use: 'enc' }]));
      const added = await add({ id_token_encrypted_response_alg: 'ECDH-ES' }, { jwksUri: site.url });
      return { site, added, privateKey: pair.privateKey };
    }
    const maxAge = (seconds: number) => ({ 'Cache-Control': `max-age=${seconds}` });

    test('are fetched once in their lifetime, and again after it, be it a year', async (t) => {
      const { site, added, privateKey } = await published((keys) => ({
        body: JSON.stringify({ keys }),
        headers: maxAge(31_536_000),
      }));
      await using _ = site;
      await compactDecrypt(await idTokenOf(added), privateKey);
      await compactDecrypt(await idTokenOf(added), privateKey);
      assert.equal(site.asked, 1);
      mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_601_000 });
      t.after(() => mock.timers.reset());
      await compactDecrypt(await idTokenOf(added), privateKey);
      assert.equal(site.asked, 2);
    });

    test('that cannot be had cost no code: the client is told, and may try again', async (t) => {
      let away = true;
      const { site, added, privateKey } = await published((keys) => () => ({
        body: JSON.stringify({ keys }),
        status: away ? 503 : 200,
        headers: maxAge(600),
      }));
      await using _ = site;
      const { redeem } = await tokenResponse(added);
      const refused = await redeem();
      assert.equal(refused.status, 400);
      const { error } = (await refused.json()) as { error: string };
      assert.equal(error, 'invalid_request');
      away = false;
      assert.equal((await redeem()).status, 400);
      assert.equal(site.asked, 1, 'the site is left alone for a while');
      mock.timers.enable({ apis: ['Date'], now: Date.now() + 11_000 });
      t.after(() => mock.timers.reset());
      const answer = await redeem();
      assert.equal(answer.status, 200);
      await compactDecrypt(((await answer.json()) as { id_token: string }).id_token, privateKey);
    });

    test('go on being used while the site is away, and not for longer than the settings say', async (t) => {
      let away = false;
      const { site, added, privateKey } = await published((keys) => () => ({
        body: JSON.stringify({ keys }),
        status: away ? 500 : 200,
      }));
      await using _ = site;
      await compactDecrypt(await idTokenOf(added), privateKey);
      away = true;
      const start = Date.now();
      mock.timers.enable({ apis: ['Date'], now: start + 120_000 });
      t.after(() => mock.timers.reset());
      await compactDecrypt(await idTokenOf(added), privateKey);
      mock.timers.setTime(start + 3_700_000);
      assert.equal((await (await tokenResponse(added)).redeem()).status, 400);
    });

    test('may be anything, and the server goes on', async () => {
      const offTheCurve = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', use: 'enc' };
      const sets = [[], {}, [{}, null], [{ kty: 'oct', k: 'AA' }], [offTheCurve]];
      const bodies = ['', '[]', ' '.repeat(65_537), ...sets.map((keys) => JSON.stringify({ keys }))];
      for (const answer of bodies) {
        const { site, added } = await published(() => answer);
        await using _ = site;
        const { status } = await (await tokenResponse(added)).redeem();
        assert.equal(status, 400, answer.slice(0, 80));
      }
    });

    test('are not followed elsewhere, nor to private addresses by default', async () => {
      await using elsewhere = await publish('{"keys":[]}');
      const { site, added } = await published(() => ({
        body: '',
        status: 302,
        headers: { Location: elsewhere.url },
      }));
      await using _ = site;
      assert.equal((await (await tokenResponse(added)).redeem()).status, 400);
      assert.equal(elsewhere.asked, 0);
      await assertGuarded();
    });

    async function assertGuarded(): Promise<void> {
      await using guarded = await startKeyturnHere();
      const { password } = await guarded.addAccount('ada');
      await using site = await publish('{"keys":[]}');
      const added = await guarded.addClient({
        metadata: { id_token_encrypted_response_alg: 'ECDH-ES' },
        jwksUri: site.url,
      });
      const party = await RelyingParty.discover(guarded, added);
      await assert.rejects(party.signIn(new Person(), { login: 'ada', password }), {
        error: 'invalid_request',
      });
      assert.equal(site.asked, 0);
    }
  });

  describe('as a hint', () => {
    test('the signed token inside is taken, by its client that has opened it (OpenID Connect Core section 3.1.2.1)', async () => {
      const { added, privateKey } = await withKey('ECDH-ES');
      const person = new Person();
      const { plaintext } = await compactDecrypt(await idTokenOf(added, person), privateKey);
      const hint = new TextDecoder().decode(plaintext);
      const party = await RelyingParty.discover(keyturn, added);
      const { url } = await party.request({ prompt: 'none', id_token_hint: hint });
      const { leftTo } = await person.visit(url);
      assert.ok(leftTo?.searchParams.get('code'), leftTo?.href);
      const logout = { id_token_hint: hint, post_logout_redirect_uri: SIGNED_OUT };
      const page = await person.visit(`${keyturn.issuer}/logout?${new URLSearchParams(logout)}`);
      assert.equal((await person.submit(page, '/logout/confirm')).leftTo?.href, SIGNED_OUT);
    });

    test('one that only its client can open is refused, saying what to send instead, and nothing comes of it', async () => {
      const { added } = await withKey('RSA-OAEP-256');
      const person = new Person();
      const hint = await idTokenOf(added, person);
      const party = await RelyingParty.discover(keyturn, added);
      const { url } = await party.request({ prompt: 'none', id_token_hint: hint });
      const { leftTo } = await person.visit(url);
      assert.equal(leftTo?.searchParams.get('error'), 'invalid_request');
      assert.match(leftTo.searchParams.get('error_description') ?? '', SEND_WHAT_IS_INSIDE);
      const logout = new URLSearchParams({ id_token_hint: hint });
      const page = await person.visit(`${keyturn.issuer}/logout?${logout}`);
      assert.equal(page.response.status, 400);
      assert.match(page.html, SEND_WHAT_IS_INSIDE);
      const posted = await person.visit(`${keyturn.issuer}/logout`, { method: 'POST', body: logout });
      assert.deepEqual([posted.response.status, SEND_WHAT_IS_INSIDE.test(posted.html)], [400, true]);
      const still = await person.visit((await party.request({ prompt: 'none' })).url);
      assert.ok(still.leftTo?.searchParams.get('code'), 'the person is signed in still');
    });
  });

  async function withKey(alg: 'ECDH-ES' | 'RSA-OAEP-256'): Promise<{
    added: Awaited<ReturnType<typeof add>>;
    privateKey: CryptoKey;
    jwk: JWK & Record<string, unknown>;
  }> {
    const pair = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), use: 'enc', kid: 'mine' };
    const added = await add({ id_token_encrypted_response_alg: alg }, { jwks: { keys: [jwk] } });
    return { added, privateKey: pair.privateKey, jwk };
  }
});
