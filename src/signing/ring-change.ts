import type { GeneratedKey, JwsAlgorithm, SigningAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  type KeyRing,
  keyOf,
  newRecord,
  nextKeys,
  type SigningKeyRecord,
  signsFrom,
  standbyKey,
  stateOf,
  turnsOf,
  withKey,
  withoutKey,
  withoutPrivatePart,
  withoutTurnsAfter,
  withTurn,
} from '#src/signing/key-ring.ts';
import { nodeDelay, purposeOf, type RingPolicy, settlingTime } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/** What an administrator does to a ring, each a pure function. The ring that they are given must be settled. */

/** A turn that an administrator has made. */
export interface Turned {
  readonly ring: KeyRing;
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/**
 * Lets the standby of an algorithm sign as soon as everyone has it: at once when it has been published for long
 * enough, else at the second that is told. Refresh keys turn on all nodes at the same second, a little later, because
 * any node must be able to make again what another has signed. With `breakGlass`, the reason, it does not wait for
 * those who may have an older JWK Set.
 */
export function rotateNow(
  ring: KeyRing,
  policy: RingPolicy,
  alg: JwsAlgorithm,
  now: EpochSeconds,
  breakGlass: string | null = null,
): Turned {
  const active = activeKey(ring, alg, now);
  const standby = standbyKey(ring, alg, now);
  if (active === null || standby === null) throw new RangeError(`the ring has no ${alg} standby`);
  const { kid } = standby;
  const planned = signsFrom(ring, standby) ?? now;
  const allowed = breakGlass === null ? standby.readyAt : now;
  const from = latest(allowed, signsFrom(ring, active) ?? now, together(policy, standby, now));
  if (planned <= from) return { ring, kid, signsFrom: planned };
  const turn = {
    alg,
    kid,
    from,
    breakGlass: from < standby.readyAt ? breakGlass : null,
    byHand: true,
  } as const;
  return { ring: withTurn(withoutTurnsAfter(ring, kid, now), turn), kid, signsFrom: from };
}

/** From when on another key can sign: refresh keys turn once every node has heard of it, so that all turn together. */
export const together = (
  policy: RingPolicy,
  { purpose }: SigningKeyRecord,
  now: EpochSeconds,
): EpochSeconds => (purpose === 'refresh' ? after(now, nodeDelay(policy)) : now);

/**
 * Takes a key out of use at once: it leaves the JWK Set, verifies nothing any more, and its private part is
 * forgotten. If it was the active one, a standby signs from this moment, one that everyone has if there is one.
 */
export function revoke(
  ring: KeyRing,
  policy: RingPolicy,
  { kid, reason }: { readonly kid: string; readonly reason: string },
  now: EpochSeconds,
): Revoked {
  const key = keyOf(ring, kid);
  const state = key && stateOf(ring, key, now);
  if (key === null || state === 'removed') return { outcome: 'no-such-key' };
  if (state === 'revoked') return { outcome: 'already-revoked' };
  const revoked = withKey(withoutTurnsAfter(ring, kid, now), {
    ...withoutPrivatePart(key),
    revoked: { at: now, reason },
  });
  const signs = signsSomewhere(ring, key, policy, now);
  const standbys = signs ? nextKeys(ring, key.alg, now).filter((next) => next.kid !== kid) : [];
  const successor = standbys.find(({ readyAt }) => readyAt <= now) ?? standbys[0];
  if (successor === undefined) return { outcome: 'revoked', ring: revoked, successor: null };
  // If its turn has begun only by clocks that are ahead, that of the successor begins in the same second.
  const from = latest(now, signsFrom(ring, key) ?? now);
  const breakGlass = successor.readyAt > from ? reason : null;
  const turn = { alg: key.alg, kid: successor.kid, from, breakGlass };
  return {
    outcome: 'revoked',
    ring: withTurn(withoutTurnsAfter(revoked, successor.kid, now), turn),
    successor: { kid: successor.kid, cachesMayLackIt: successor.readyAt > now },
  };
}

/** True if the key is active by this node's clock, or by one that is as far ahead as clocks may be. */
function signsSomewhere(
  ring: KeyRing,
  key: SigningKeyRecord,
  policy: RingPolicy,
  now: EpochSeconds,
): boolean {
  const clocks = [now, after(now, policy.clockSkewMax)];
  return clocks.some((clock) => activeKey(ring, key.alg, clock)?.kid === key.kid);
}

export type Revoked =
  | { readonly outcome: 'no-such-key' | 'already-revoked' }
  | { readonly outcome: 'revoked'; readonly ring: KeyRing; readonly successor: Successor | null };

/** The key that signs in place of a revoked one. */
export interface Successor {
  readonly kid: string;
  /** It was published so recently that a resource server may have to fetch the JWK Set again before it knows it. */
  readonly cachesMayLackIt: boolean;
}

/**
 * Publishes a key that was made elsewhere, as the next one to sign: in the place of the standby, when everyone has it.
 * The standby stays and signs after it; or before it, if its turn comes before every node would hear of this.
 */
export function importKey(
  ring: KeyRing,
  policy: RingPolicy,
  imported: GeneratedKey,
  now: EpochSeconds,
): Turned {
  const { alg, kid } = imported;
  const standby = standbyKey(ring, alg, now);
  if (standby === null) throw new RangeError(`the ring has no ${alg} standby`);
  const readyAt = after(now, settlingTime(policy, purposeOf(alg)));
  const keys = [...ring.keys, newRecord(imported, policy, { publishedAt: now, readyAt })];
  const planned = signsFrom(ring, standby) ?? now;
  if (planned <= after(now, nodeDelay(policy))) {
    const from = after(planned, policy.rotateEvery);
    return { ring: withTurn({ ...ring, keys }, { alg, kid, from }), kid, signsFrom: from };
  }
  const from = latest(planned, readyAt);
  const moved = withTurn({ ...withoutTurnsAfter(ring, standby.kid, now), keys }, { alg, kid, from });
  const later = { alg, kid: standby.kid, from: after(from, policy.rotateEvery) };
  return { ring: withTurn(moved, later), kid, signsFrom: from };
}

/** Publishes a key that is only to be tried out, until the given second: it never has a turn. */
export function rehearse(
  ring: KeyRing,
  policy: RingPolicy,
  generated: GeneratedKey & { readonly alg: SigningAlgorithm },
  { now, until }: { readonly now: EpochSeconds; readonly until: EpochSeconds },
): KeyRing {
  const record = newRecord(generated, policy, { publishedAt: now, readyAt: now });
  return { ...ring, keys: [...ring.keys, { ...record, keptFor: 0 as Seconds, rehearsalUntil: until }] };
}

/** Takes a key that was only to be tried out from the JWK Set; no change for any other. */
export function withdraw(ring: KeyRing, kid: string): KeyRing {
  return keyOf(ring, kid)?.rehearsalUntil == null ? ring : withoutKey(ring, kid);
}

/**
 * Lets nothing sign with an algorithm any more. What it has signed stays valid, and its keys are removed when that has
 * expired. Those that have never signed leave at once.
 */
export function endAlgorithm(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): KeyRing {
  const unused = nextKeys(ring, alg, now).map(({ kid }) => kid);
  const kept = unused.reduce(withoutKey, ring);
  const last = turnsOf(kept, alg).at(-1);
  if (last === undefined || last.kid === null) return kept;
  return withTurn(kept, { alg, kid: null, from: latest(now, last.from) });
}

const latest = (...times: EpochSeconds[]): EpochSeconds => epochSeconds(Math.max(...times));
