import { hasPrivatePart, type JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  type KeyRing,
  keyOf,
  type SigningKeyRecord,
  standbyKey,
  stateOf,
  turnsOf,
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
    ...checkTurns(ring),
    ...ringAlgorithms(policy).flatMap((alg) => checkAlgorithm(ring, alg, now)),
  ];
}

function checkKey(ring: KeyRing, key: SigningKeyRecord, policy: RingPolicy, now: EpochSeconds): string[] {
  const { kid, jwk, outside } = key;
  if (key.revoked !== null)
    return hasPrivatePart(jwk) ? [`${kid} is revoked and its private part is kept`] : [];
  const problems: string[] = [];
  const turns = turnsOf(ring, key.alg).filter((turn) => turn.kid === kid);
  const state = stateOf(ring, key, now);
  const willSign = state === 'next' || state === 'active';
  if (hasPrivatePart(jwk) !== (outside === null))
    problems.push(outside === null ? `${kid} has no private part` : `${kid} is outside and inside`);
  if (key.purpose !== purposeOf(key.alg))
    problems.push(`${kid} is ${key.alg} and has the purpose ${key.purpose}`);
  if ((turns.length === 0) !== (key.rehearsalUntil !== null))
    problems.push(turns.length === 0 ? `${kid} has no turn` : `${kid} is for a rehearsal and has a turn`);
  if (turns.some(({ from, breakGlass }) => from < key.readyAt && breakGlass === null))
    problems.push(`${kid} signs before everyone has it`);
  if (willSign && key.keptFor < retention(policy, key.purpose)) problems.push(`${kid} would orphan a token`);
  return problems;
}

function checkTurns({ turns, ...ring }: KeyRing): string[] {
  const disordered = turns.filter((turn, index) => turn.from < (turns[index - 1]?.from ?? 0));
  const strangers = turns.filter(
    ({ kid, alg }) => kid !== null && keyOf({ ...ring, turns }, kid)?.alg !== alg,
  );
  return [
    ...disordered.map(({ kid }) => `the turn of ${kid} stands behind a later one`),
    ...strangers.map(({ kid, alg }) => `${kid} has a turn at ${alg} and is no such key`),
  ];
}

function checkAlgorithm(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): string[] {
  const problems: string[] = [];
  if (activeKey(ring, alg, now) === null) problems.push(`${alg} has no active key`);
  if (standbyKey(ring, alg, now) === null) problems.push(`${alg} has no standby`);
  return problems;
}
