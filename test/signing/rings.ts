import assert from 'node:assert/strict';
import type { GeneratedKey, JwsAlgorithm } from '#src/signing/algorithm.ts';
import { activeKey, type KeyRing, keyOf, type SigningKeyRecord, standbyKey } from '#src/signing/key-ring.ts';
import { firstRing, type Held, settle } from '#src/signing/ring-plan.ts';
import { ringAlgorithms } from '#src/signing/ring-policy.ts';
import { type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';

export const start = epochSeconds(1_784_024_130);
/** jwksMaxAge + ringPoll + clockSkewMax */
export const settling = seconds(635);

let count = 0;
/** A key that needs no cryptography. */
export function generated(alg: JwsAlgorithm): GeneratedKey {
  const jwk = alg === 'HS256' ? { kty: 'oct', k: 'k' } : { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' };
  return { kid: `${alg}-${++count}`, alg, jwk, outside: null };
}

export function newRing(now: EpochSeconds, rules = POLICY): KeyRing {
  return firstRing(
    rules,
    ringAlgorithms(rules).flatMap((alg) => [generated(alg), generated(alg)]),
    now,
  );
}

/** The ring after everything that is due. */
export function settled(ring: KeyRing, now: EpochSeconds, rules = POLICY, held?: Held): KeyRing {
  const spare = ringAlgorithms(rules).flatMap((alg) => [generated(alg), generated(alg)]);
  const result = settle(ring, rules, spare, now, held);
  assert.equal(result.outcome, 'settled');
  return (result as Extract<typeof result, { outcome: 'settled' }>).ring;
}

export const active = (ring: KeyRing, now: EpochSeconds, alg: JwsAlgorithm = 'ES256') =>
  activeKey(ring, alg, now) as SigningKeyRecord;
export const standby = (ring: KeyRing, now: EpochSeconds, alg: JwsAlgorithm = 'ES256') =>
  standbyKey(ring, alg, now) as SigningKeyRecord;
export const recordOf = (ring: KeyRing, kid: string) => keyOf(ring, kid) as SigningKeyRecord;
