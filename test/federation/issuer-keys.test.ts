import assert from 'node:assert/strict';
import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { IssuerKeys } from '#src/federation/issuer-keys.ts';
import { newTrustedIssuer } from '#src/federation/trusted-issuer.ts';
import { type ParsedJwt, parseJwt } from '#src/signing/jws.ts';
import { seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

const clock = new MovingClock();
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const shortRsa = generateKeyPairSync('rsa', { modulusLength: 1024 });

const jwk = (key: KeyObject, more: object = {}): JsonWebKey => ({
  ...key.export({ format: 'jwk' }),
  kid: 'one',
  ...more,
});

async function signed(alg: string, key: KeyObject, header: object = {}): Promise<ParsedJwt> {
  const text = await new SignJWT({}).setProtectedHeader({ alg, kid: 'one', ...header }).sign(key);
  const parsed = parseJwt(text);
  assert.ok(parsed);
  return parsed;
}

/** Whether an issuer that publishes these keys signed a JWT. */
function verifies(published: readonly JsonWebKey[], jwt: ParsedJwt, more: object = {}): Promise<boolean> {
  const keys = new IssuerKeys({
    fetch: async () => published,
    clock,
    keysMaxAge: seconds(60),
    retryAfter: seconds(10),
  });
  const trusted = newTrustedIssuer(
    { issuer: 'https://ci.example.com', jwksUri: 'https://ci.example.com/jwks', ...more },
    { ownIssuer: 'https://login.example.com', now: clock.now() },
  );
  return keys.verifies(trusted, jwt);
}

describe('the signature of an assertion (RFC 7523 section 3 item 9, RFC 8725 section 3.1)', () => {
  test('is good by the key that it names, for the algorithm of that key', async () => {
    const byEc = await signed('ES256', ec.privateKey);
    assert.equal(await verifies([jwk(ec.publicKey)], byEc), true);
    assert.equal(await verifies([jwk(ec.publicKey, { alg: 'ES256', use: 'sig' })], byEc), true);
    assert.equal(await verifies([jwk(rsa.publicKey)], await signed('RS256', rsa.privateKey)), true);
  });

  test('is worth nothing by a key of another name, kind, use or algorithm, or one that is too short', async () => {
    const byEc = await signed('ES256', ec.privateKey);
    assert.equal(await verifies([], byEc), false);
    assert.equal(await verifies([jwk(ec.publicKey, { kid: 'two' })], byEc), false);
    assert.equal(await verifies([jwk(rsa.publicKey)], byEc), false);
    assert.equal(await verifies([jwk(ec.publicKey, { use: 'enc' })], byEc), false);
    assert.equal(await verifies([jwk(ec.publicKey, { alg: 'ES384' })], byEc), false);
    assert.equal(await verifies([{ kty: 'EC', kid: 'one' }], byEc), false);
    assert.equal(await verifies([{ kty: 'oct', k: 'AAAA', kid: 'one' }], byEc), false);
    const byRsa = await signed('RS256', rsa.privateKey);
    assert.equal(await verifies([jwk(rsa.publicKey, { alg: 'PS256' })], byRsa), false);
    const { signingInput } = byRsa;
    // jose refuses to sign with a key this short.
    const weak = { ...byRsa, signature: sign('sha256', signingInput, shortRsa.privateKey) };
    assert.equal(await verifies([jwk(shortRsa.publicKey)], weak), false);
  });

  test('is worth nothing by an algorithm that the issuer is not trusted with, or with no key named', async () => {
    const byEc = await signed('ES256', ec.privateKey);
    assert.equal(await verifies([jwk(ec.publicKey)], byEc, { algorithms: ['RS256'] }), false);
    assert.equal(
      await verifies([jwk(ec.publicKey)], await signed('ES256', ec.privateKey, { kid: undefined })),
      false,
    );
  });

  test('keys that were given are used and nothing is fetched', async () => {
    const keys = new IssuerKeys({
      fetch: () => assert.fail('fetched'),
      clock,
      keysMaxAge: seconds(60),
      retryAfter: seconds(10),
    });
    const trusted = newTrustedIssuer(
      { issuer: 'https://ci.example.com', jwks: { keys: [jwk(ec.publicKey)] } },
      { ownIssuer: 'https://login.example.com', now: clock.now() },
    );
    assert.equal(await keys.verifies(trusted, await signed('ES256', ec.privateKey)), true);
  });
});
