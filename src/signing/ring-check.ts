import { hasPrivatePart, type JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  type KeyRing,
  type SigningKeyRecord,
  standbyKey,
  stateOf,
} from '#src/signing/key-ring.ts';
import { purposeOf, type RingPolicy, retention, ringAlgorithms } from '#src/signing/ring-policy.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What is wrong with a settled ring, each as a sentence that names the key; empty for every ring that may be written. */
export function checkRing(ring: KeyRing, policy: RingPolicy, now: EpochSeconds): readonly string[] {
  const kids = ring.keys.map(({ kid }) => kid);
  const twice = kids.filter((kid, index) => kids.indexOf(kid) !== index);
  return [
    ...twice.map((kid) => `${kid} is in the ring twice`),
    ...ring.keys.flatMap((key) => checkKey(ring, key, policy, now)),
    ...ringAlgorithms(policy).flatMap((alg) => checkAlgorithm(ring, alg, now)),
  ];
}

function checkKey(ring: KeyRing, key: SigningKeyRecord, policy: RingPolicy, now: EpochSeconds): string[] {
  const { kid, jwk } = key;
  if (key.revoked !== null)
    return hasPrivatePart(jwk) ? [`${kid} is revoked and its private part is kept`] : [];
  const problems: string[] = [];
  const state = stateOf(ring, key, now);
  const willSign = state === 'next' || state === 'active';
  if (!hasPrivatePart(jwk)) problems.push(`${kid} has no private part`);
  if (key.purpose !== purposeOf(key.alg))
    problems.push(`${kid} is ${key.alg} and has the purpose ${key.purpose}`);
  if (key.signsFrom < key.readyAt) problems.push(`${kid} signs before everyone has it`);
  if (willSign && key.keptFor < retention(policy, key.purpose)) problems.push(`${kid} would orphan a token`);
  return problems;
}

function checkAlgorithm(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): string[] {
  const problems: string[] = [];
  const keys = ring.keys.filter((key) => key.alg === alg && key.revoked === null);
  for (const [index, key] of keys.entries()) {
    const before = keys[index - 1];
    if (before && before.signsFrom > key.signsFrom) problems.push(`${key.kid} signs before ${before.kid}`);
  }
  if (activeKey(ring, alg, now) === null) problems.push(`${alg} has no active key`);
  if (standbyKey(ring, alg, now) === null) problems.push(`${alg} has no standby`);
  return problems;
}
