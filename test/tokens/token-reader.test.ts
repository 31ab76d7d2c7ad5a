import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { signJwt } from '#src/signing/jws.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import { advance, newFamily, refreshTokenClaims } from '#src/tokens/refresh-token.ts';
import { signAccessToken } from '#src/tokens/signed-access-token.ts';
import { TokenReader } from '#src/tokens/token-reader.ts';
import { days, type EpochSeconds, after as later, minutes, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { type Deployment, deploy } from '#test/signing/signing-nodes.ts';
import { fc } from '#test/support/properties.ts';

const ISSUER = 'https://login.example.com';
const API = 'https://api.example.com';

describe('reading a token', () => {
  let deployment: Deployment;
  let holder: KeyHolder;
  let stranger: Deployment;
  let foreign: KeyHolder;
  let reader: TokenReader;

  before(async () => {
    const policy = { ...POLICY, algorithms: ['ES256', 'EdDSA'] } as const;
    deployment = await deploy();
    ({ holder } = await deployment.startNode(policy));
    stranger = await deploy();
    ({ holder: foreign } = await stranger.startNode(policy));
    reader = new TokenReader({ keys: holder, issuer: ISSUER, clock: deployment.clock });
  });
  after(() => Promise.all([deployment[Symbol.asyncDispose](), stranger[Symbol.asyncDispose]()]));

  const accessClaims = (now: EpochSeconds, more: object = {}) => ({
    iss: ISSUER,
    sub: 'ada',
    aud: API,
    client_id: 'web',
    iat: now,
    exp: later(now, minutes(5)),
    jti: 'token',
    grant_id: 'authorization',
    ...more,
  });
  const accessToken = (
    more: object = {},
    { keys = holder, typ = 'at+jwt', alg = 'ES256' as 'ES256' | 'EdDSA' } = {},
  ) => signJwt(keys.signer(alg), { typ }, accessClaims(deployment.clock.now(), more));
  const family = () => advance(newFamily({}, deployment.clock.now()), deployment.clock.now());
  const refreshClaims = () =>
    refreshTokenClaims(ISSUER, 'authorization', family(), {
      idle: days(14),
      absolute: days(90),
      grace: seconds(10),
    });
  const refreshToken = (more: object = {}, { keys = holder, typ = 'rt+jwt' } = {}) =>
    signJwt(keys.refreshKeyAt(deployment.clock.now()), { typ }, { ...refreshClaims(), ...more });

  const reasonOf = async (jwt: string | Promise<string>) => {
    const reading = reader.read(await jwt);
    return reading.kind === 'unreadable' ? reading.reason : reading.kind;
  };

  test('tells what an access token says and which key signed it (RFC 9068 section 4)', async () => {
    const now = deployment.clock.now();
    for (const alg of ['ES256', 'EdDSA'] as const) {
      assert.deepEqual(reader.read(await accessToken({}, { alg })), {
        kind: 'access',
        kid: holder.signer(alg).kid,
        claims: accessClaims(now),
      });
    }
  });

  test('tells which generation of which family a refresh token is', async () => {
    const now = deployment.clock.now();
    assert.deepEqual(reader.read(await refreshToken()), {
      kind: 'refresh',
      kid: holder.refreshKeyAt(now).kid,
      reading: { authorizationId: 'authorization', generation: 2, issuedAt: now, expiresAt: now + days(14) },
    });
  });

  test('finds every text that is no JWT malformed', async () => {
    for (const text of ['', 'opaque', 'a.b.c', '..', `${await accessToken()}.`, ` ${await accessToken()}`]) {
      assert.equal(await reasonOf(text), 'malformed');
    }
    const [header, claims] = (await accessToken()).split('.');
    assert.equal(await reasonOf(`${header}.${claims}.`), 'malformed', 'no signature');
    const none = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'none' })).toString('base64url');
    assert.equal(await reasonOf(`${none}.${claims}.AAAA`), 'malformed', 'alg none (RFC 8725 section 3.1)');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.deepEqual(reader.read(text), { kind: 'unreadable', reason: 'malformed' });
        assert.equal(reader.claimedKind(text), null);
      }),
    );
  });

  test('knows no key but the own ones, each for its own kind of token', async () => {
    assert.equal(await reasonOf(accessToken({}, { keys: foreign })), 'unknown_key');
    assert.equal(await reasonOf(refreshToken({}, { keys: foreign })), 'unknown_key');
    const { kid: _, ...nameless } = { ...holder.signer('ES256') };
    assert.equal(
      await reasonOf(
        signJwt({ ...nameless, kid: '' }, { typ: 'at+jwt' }, accessClaims(deployment.clock.now())),
      ),
      'unknown_key',
    );
    // The refresh key must vouch for no access token, nor a published key for a refresh token.
    const refreshKey = holder.refreshKeyAt(deployment.clock.now());
    assert.equal(
      await reasonOf(signJwt(refreshKey, { typ: 'at+jwt' }, accessClaims(deployment.clock.now()))),
      'unknown_key',
    );
    assert.equal(
      await reasonOf(signJwt(holder.signer('ES256'), { typ: 'rt+jwt' }, { ...refreshClaims() })),
      'unknown_key',
    );
  });

  test('takes no signature of another key under the name of an own one', async () => {
    const forger = { ...foreign.signer('ES256'), kid: holder.signer('ES256').kid };
    assert.equal(
      await reasonOf(signJwt(forger, { typ: 'at+jwt' }, accessClaims(deployment.clock.now()))),
      'bad_signature',
    );
    const now = deployment.clock.now();
    const refreshForger = { ...foreign.refreshKeyAt(now), kid: holder.refreshKeyAt(now).kid };
    assert.equal(
      await reasonOf(signJwt(refreshForger, { typ: 'rt+jwt' }, { ...refreshClaims() })),
      'bad_signature',
    );
    const confused = { ...holder.signer('EdDSA'), kid: holder.signer('ES256').kid };
    assert.equal(await reasonOf(signJwt(confused, { typ: 'at+jwt' }, accessClaims(now))), 'bad_signature');
  });

  test('takes no token of which one bit has been changed', async () => {
    for (const jwt of [await accessToken(), await refreshToken()]) {
      for (const part of [0, 1, 2]) {
        const parts = jwt.split('.').map((each) => Buffer.from(each, 'base64url'));
        const bytes = parts[part] as Buffer;
        for (let index = 0; index < bytes.length; index += 1) {
          const changed = Buffer.from(bytes);
          changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
          const text = parts
            .with(part, changed)
            .map((each) => each.toString('base64url'))
            .join('.');
          assert.equal(reader.read(text).kind, 'unreadable', `byte ${index} of part ${part}`);
        }
      }
    }
  });

  test('takes an ID token for no access token, though the same key signed it (RFC 9068 section 2.1)', async () => {
    const idToken = signJwt(
      holder.signer('ES256'),
      { typ: 'JWT' },
      accessClaims(deployment.clock.now(), { aud: 'web' }),
    );
    assert.equal(await reasonOf(idToken), 'not_ours');
    assert.equal(reader.claimedKind(await idToken), null);
    assert.equal(await reasonOf(accessToken({}, { typ: 'jwt' })), 'not_ours');
    assert.equal(await reasonOf(accessToken({}, { typ: 'application/at+jwt' })), 'not_ours');
  });

  test('takes nothing of another issuer, and nothing that lacks what RFC 9068 section 2.2 demands', async () => {
    assert.equal(await reasonOf(accessToken({ iss: 'https://evil.example' })), 'not_ours');
    assert.equal(await reasonOf(refreshToken({ iss: 'https://evil.example' })), 'not_ours');
    assert.equal(await reasonOf(refreshToken({ aud: API })), 'not_ours');
    assert.equal(await reasonOf(accessToken({ exp: undefined })), 'not_ours');
    assert.equal(await reasonOf(accessToken({ sub: undefined })), 'not_ours');
  });

  test('lets a token live until the second before exp (RFC 7519 section 4.1.4)', async () => {
    const { clock } = deployment;
    const exp = later(clock.now(), minutes(5));
    const tokens = [await accessToken({ exp }), await refreshToken({ exp })];
    clock.move(seconds(minutes(5) - 1));
    assert.deepEqual(await Promise.all(tokens.map(reasonOf)), ['access', 'refresh']);
    clock.move(seconds(1));
    assert.deepEqual(await Promise.all(tokens.map(reasonOf)), ['expired', 'expired']);
  });

  test('does not read a token whose key was revoked since it was read before', async () => {
    await using own = await deploy();
    const { holder: keys, rotation } = await own.startNode({ ...POLICY, algorithms: ['ES256'] });
    const again = new TokenReader({ keys, issuer: ISSUER, clock: own.clock });
    const jwt = await signJwt(keys.signer('ES256'), { typ: 'at+jwt' }, accessClaims(own.clock.now()));
    assert.equal(again.read(jwt).kind, 'access');
    assert.equal(again.read(jwt).kind, 'access');
    await rotation.revoke(keys.signer('ES256').kid, 'leaked');
    assert.deepEqual(again.read(jwt), { kind: 'unreadable', reason: 'unknown_key' });
  });

  test('verifies a token once, and one that was signed here not at all, but reads both as any other', async () => {
    const verified: string[] = [];
    const counting = {
      verifier: (kid: string) => {
        const key = holder.verifier(kid);
        const verify = (...args: [Buffer, Buffer]) => {
          verified.push(kid);
          return key?.verify(...args) === true;
        };
        return key && { kid, alg: key.alg, rehearsed: key.rehearsed, verify };
      },
      refreshKey: (kid: string) => holder.refreshKey(kid),
    };
    const { clock } = deployment;
    const again = new TokenReader({ keys: counting, issuer: ISSUER, clock });
    const signer = holder.signer('ES256');
    const exp = later(clock.now(), minutes(5));
    const claims = accessClaims(clock.now(), { exp, scope: undefined });
    const own = await signAccessToken(claims, { signer, reader: again });
    const elsewhere = await accessToken({ exp });
    const expected = again.read(elsewhere);
    assert.equal(expected.kind, 'access');
    assert.deepEqual([again.read(own), again.read(own), again.read(elsewhere)], Array(3).fill(expected));
    assert.equal(verified.length, 1);
    const other = await accessToken({ exp, sub: 'eve' });
    const forged = `${own.slice(0, own.lastIndexOf('.'))}.${other.split('.')[2]}`;
    assert.deepEqual(again.read(forged), { kind: 'unreadable', reason: 'bad_signature' });
    const refused = [
      await signAccessToken({ ...claims, iss: 'https://other.example.com' }, { signer, reader: again }),
      await signAccessToken({ ...claims, client_id: undefined }, { signer, reader: again }),
    ].map((jwt) => again.read(jwt));
    assert.deepEqual(refused, Array(2).fill({ kind: 'unreadable', reason: 'not_ours' }));
    const late = await signAccessToken({ ...claims, jti: 'late' }, { signer, reader: again });
    clock.move(minutes(5));
    assert.deepEqual(
      [own, late].map((jwt) => again.read(jwt)),
      Array(2).fill({ kind: 'unreadable', reason: 'expired' }),
    );
    assert.equal(verified.length, 2);
  });

  test('does not read a token that was signed here if its key was revoked since', async () => {
    await using own = await deploy();
    const { holder: keys, rotation } = await own.startNode({ ...POLICY, algorithms: ['ES256'] });
    const again = new TokenReader({ keys, issuer: ISSUER, clock: own.clock });
    const signer = keys.signer('ES256');
    const jwt = await signAccessToken(accessClaims(own.clock.now()), { signer, reader: again });
    await rotation.revoke(signer.kid, 'leaked');
    assert.deepEqual(again.read(jwt), { kind: 'unreadable', reason: 'unknown_key' });
  });

  test('tells what a token claims to be without believing it', async () => {
    assert.equal(reader.claimedKind(await accessToken({}, { keys: foreign })), 'access-of-person');
    assert.equal(reader.claimedKind(await accessToken({ grant_id: undefined })), 'access-of-client');
    assert.equal(reader.claimedKind(await refreshToken({}, { keys: foreign })), 'refresh');
  });

  test('tells whether a token is meant for the issuer itself, alone or among others', () => {
    const now = deployment.clock.now();
    const isForIssuer = (aud: string | string[]) => reader.isForIssuer({ ...accessClaims(now), aud });
    assert.deepEqual([API, ISSUER, [API, ISSUER], [API], `${ISSUER}/`].map(isForIssuer), [
      false,
      true,
      true,
      false,
      false,
    ]);
  });
});
