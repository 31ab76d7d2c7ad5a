import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { Refusal } from '#src/fault.ts';
import { newTrustedIssuer, type TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import { TrustedIssuerRegistry } from '#src/federation/trusted-issuer-registry.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { refusal } from '#test/support/refusal.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const made = { ownIssuer: 'https://login.example.com', now: new MovingClock().now() };
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one' };
const ci = { issuer: 'https://ci.example.com', jwksUri: 'https://ci.example.com/jwks' };

/** The fields that are wrong with a registration. */
function fieldsOf(input: unknown): readonly string[] {
  try {
    newTrustedIssuer(input, made);
    return [];
  } catch (problem) {
    assert.ok(problem instanceof Refusal && problem.code === 'invalid_trusted_issuer', String(problem));
    return (problem.detail.problems as readonly string[]).map((each) => String(each.split(/[:.]/)[0]));
  }
}

describe('a trusted issuer (RFC 7523 section 3)', () => {
  test('is by default one of workloads, each of whose assertions is taken once, within an hour', () => {
    assert.deepEqual(newTrustedIssuer(ci, made), {
      issuer: 'https://ci.example.com',
      trustedFor: ['assertions'],
      subjects: 'client',
      jwks: null,
      jwksUri: 'https://ci.example.com/jwks',
      algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      assertionLifetimeMax: 3600,
      singleUse: true,
      scope: null,
      accessTokenLifetimeMax: null,
      createdAt: made.now,
    } as unknown as TrustedIssuer);
  });

  for (const [why, change, field] of [
    ['without an issuer', { issuer: undefined }, 'issuer'],
    ['whose name has spaces', { issuer: 'a b' }, 'issuer'],
    ['which is this server itself', { issuer: made.ownIssuer }, 'issuer'],
    ['without keys', { jwksUri: undefined }, 'jwks'],
    ['with keys twice', { jwks: { keys: [key] } }, 'jwks'],
    ['whose keys travel in clear', { jwksUri: 'http://ci.example.com/jwks' }, 'jwksUri'],
    ['whose keys are nowhere', { jwksUri: 'javascript:1' }, 'jwksUri'],
    [
      'with a private key',
      { jwksUri: undefined, jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: '1' }] } },
      'jwks',
    ],
    [
      'with a shared key',
      { jwksUri: undefined, jwks: { keys: [{ kty: 'oct', k: 'AAAA', kid: '1' }] } },
      'jwks',
    ],
    [
      'with a key that has no name',
      { jwksUri: undefined, jwks: { keys: [publicKey.export({ format: 'jwk' })] } },
      'jwks',
    ],
    ['with no key', { jwksUri: undefined, jwks: { keys: [] } }, 'jwks'],
    ['with a shared-key algorithm', { algorithms: ['HS256'] }, 'algorithms'],
    ['with no signature at all', { algorithms: ['none'] }, 'algorithms'],
    ['with no algorithm', { algorithms: [] }, 'algorithms'],
    ['about nobody we know', { subjects: 'anyone' }, 'subjects'],
    ['whose assertions live for days', { assertionLifetimeSeconds: 86_401 }, 'assertionLifetimeSeconds'],
    ['whose assertions never live', { assertionLifetimeSeconds: 0 }, 'assertionLifetimeSeconds'],
    ['with a scope that is none', { scope: 'é' }, 'scope'],
    ['with something nobody knows', { anything: true }, 'trusted issuer'],
  ] as const)
    test(`is not trusted ${why}`, () => assert.deepEqual(fieldsOf({ ...ci, ...change }), [field]));

  test('is found by its very name, until it is removed', async () => {
    await using store = await openTemporaryStore();
    const registry = new TrustedIssuerRegistry({ ...store, ownIssuer: made.ownIssuer });
    const added = await registry.add(ci);
    assert.deepEqual(await registry.find(ci.issuer), added);
    assert.equal(await registry.find(`${ci.issuer}/`), null);
    await assert.rejects(
      registry.add({ ...ci, jwksUri: 'https://evil.example.com' }),
      refusal('issuer_taken'),
    );
    assert.deepEqual(await Array.fromAsync(registry.list()), [added]);
    assert.equal(await registry.remove(ci.issuer), true);
    assert.equal(await registry.remove(ci.issuer), false);
    assert.equal(await registry.find(ci.issuer), null);
  });
});
