import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  endsAt,
  type KeyRing,
  previousKey,
  type SigningKeyRecord,
  signsFrom,
  standbyKey,
  type Turn,
  turnsOf,
  withoutTurnsAfter,
  withTurn,
} from '#src/signing/key-ring.ts';
import { type Turned, together } from '#src/signing/ring-change.ts';
import { dueTime } from '#src/signing/ring-plan.ts';
import { nodeDelay, type RingPolicy } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds } from '#src/units.ts';

/** `brought-back`: a key signs again. `called-off`: the standby does not sign yet, and waits for the schedule. */
export type Undone = Turned & { readonly how: 'brought-back' | 'called-off' };

/**
 * Takes back the rotation that an administrator wanted last. If it is still to come, it is called off. Otherwise the key
 * that signed before the active one signs again: it is still published, so every cache has it. `null` if there is none
 * any more, or if it would be removed before every node has heard of this.
 */
export function undo(ring: KeyRing, policy: RingPolicy, alg: JwsAlgorithm, now: EpochSeconds): Undone | null {
  const active = activeKey(ring, alg, now);
  if (active === null) return null;
  const coming = rotationToCome(ring, alg, now);
  if (coming !== null) return calledOff(ring, policy, { active, coming }, now);
  const previous = previousKey(ring, alg, now);
  if (previous === null) return null;
  const end = endsAt(ring, previous);
  if (end !== null && end <= after(now, nodeDelay(policy))) return null;
  const from = latest(together(policy, previous, now), signsFrom(ring, active) ?? now);
  return signingAgain(withoutTurnsAfter(ring, previous.kid, now), previous, from);
}

/** The rotation that an administrator wanted and that has not begun. */
export interface Coming {
  readonly standby: SigningKeyRecord;
  readonly turn: Turn;
}

export function rotationToCome(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): Coming | null {
  const standby = standbyKey(ring, alg, now);
  const turn = turnsOf(ring, alg).findLast(({ kid }) => kid === standby?.kid);
  return standby !== null && turn?.byHand === true ? { standby, turn } : null;
}

function calledOff(
  ring: KeyRing,
  policy: RingPolicy,
  { active, coming: { standby, turn } }: { readonly active: SigningKeyRecord; readonly coming: Coming },
  now: EpochSeconds,
): Undone {
  const known = together(policy, active, now);
  // Some node may turn before it hears of this: then all turn, and turn back together.
  if (active.purpose === 'refresh' && turn.from <= known)
    return signingAgain(withoutTurnsAfter(ring, active.kid, now), active, known);
  const { alg, kid } = standby;
  const from = latest(dueTime(ring, policy, active, standby), turn.from);
  const without = withoutTurnsAfter(ring, kid, now);
  return { how: 'called-off', ring: withTurn(without, { alg, kid, from }), kid, signsFrom: from };
}

function signingAgain(ring: KeyRing, { alg, kid }: SigningKeyRecord, from: EpochSeconds): Undone {
  return { how: 'brought-back', ring: withTurn(ring, { alg, kid, from }), kid, signsFrom: from };
}

const latest = (...times: EpochSeconds[]): EpochSeconds => epochSeconds(Math.max(...times));
