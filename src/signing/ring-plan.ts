import type { GeneratedKey, JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  endsAt,
  type KeyRing,
  newRecord,
  type SigningKeyRecord,
  standbyKey,
  stateOf,
  supersededAt,
  withKey,
  withoutPrivatePart,
} from '#src/signing/key-ring.ts';
import {
  nodeDelay,
  purposeOf,
  type RingPolicy,
  retention,
  ringAlgorithms,
  settlingTime,
} from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/**
 * What is due. There is no step that promotes: when a standby is staged, the second from which it signs is written
 * into the ring, and every node turns at that second, even while the store is away.
 */
export type Step = Stage | Reschedule | Extend | Remove;

/** Publish a new key: the standby of its algorithm or, where there is no key at all, one that signs at once. */
export interface Stage {
  readonly step: 'stage';
  readonly alg: JwsAlgorithm;
  readonly publishedAt: EpochSeconds;
  readonly readyAt: EpochSeconds;
  readonly signsFrom: EpochSeconds;
}

/** Bring a standby forward, because keys are to rotate more often than when it was staged. */
export interface Reschedule {
  readonly step: 'reschedule';
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/** Keep a key for longer, because tokens live longer than when it was staged. */
export interface Extend {
  readonly step: 'extend';
  readonly kid: string;
  readonly keptFor: Seconds;
}

/** Drop a key, as all that it signed has expired. */
export interface Remove {
  readonly step: 'remove';
  readonly kid: string;
}

/**
 * The steps that are due at `now`, none when all is well. After they are carried out more may be due: plan again
 * until there are none. An algorithm that is no longer in the policy gets no new keys; its last one stays published.
 */
export function plan(ring: KeyRing, policy: RingPolicy, now: EpochSeconds): readonly Step[] {
  return [
    ...ring.keys.flatMap((key) => planKey(ring, key, policy, now)),
    ...ringAlgorithms(policy).flatMap((alg) => planAlgorithm(ring, alg, policy, now)),
  ];
}

function planKey(ring: KeyRing, key: SigningKeyRecord, policy: RingPolicy, now: EpochSeconds): Step[] {
  const end = endsAt(ring, key);
  if (end !== null && end <= now) return [{ step: 'remove', kid: key.kid }];
  const superseded = supersededAt(ring, key);
  const keptFor = retention(policy, key.purpose);
  // A key that has just been superseded may still sign, on a node that does not know yet or whose clock is behind.
  const maySign = key.revoked === null && (superseded === null || after(superseded, nodeDelay(policy)) > now);
  return maySign && key.keptFor < keptFor ? [{ step: 'extend', kid: key.kid, keptFor }] : [];
}

function planAlgorithm(ring: KeyRing, alg: JwsAlgorithm, policy: RingPolicy, now: EpochSeconds): Step[] {
  const active = activeKey(ring, alg, now);
  if (active === null) return [{ step: 'stage', alg, publishedAt: now, readyAt: now, signsFrom: now }];
  const due = after(active.signsFrom, policy.rotateEvery);
  const standby = standbyKey(ring, alg, now);
  if (standby === null) {
    const readyAt = after(now, settlingTime(policy, purposeOf(alg)));
    return [{ step: 'stage', alg, publishedAt: now, readyAt, signsFrom: latest(due, readyAt) }];
  }
  // Every node must hear of the earlier time before it comes, so that all of them still turn together.
  const signsFrom = latest(due, standby.readyAt, after(now, nodeDelay(policy)));
  return standby.signsFrom > signsFrom ? [{ step: 'reschedule', kid: standby.kid, signsFrom }] : [];
}

/**
 * Carries out every due step, with new keys taken from `generated`. When too few are at hand, `wanting` names an
 * algorithm for each one that is missing, and the caller generates them and begins again.
 */
export function settle(
  ring: KeyRing,
  policy: RingPolicy,
  generated: readonly GeneratedKey[],
  now: EpochSeconds,
): Settled {
  const unused = [...generated];
  const done: Step[] = [];
  let settled = ring;
  for (let steps = plan(ring, policy, now); steps.length > 0; steps = plan(settled, policy, now)) {
    const wanting: JwsAlgorithm[] = [];
    for (const step of steps) {
      if (step.step === 'stage') {
        const index = unused.findIndex(({ alg }) => alg === step.alg);
        const [key] = index < 0 ? [] : unused.splice(index, 1);
        if (key === undefined) wanting.push(step.alg);
        else settled = stage(settled, policy, step, key);
      } else {
        settled = apply(settled, step);
      }
    }
    if (wanting.length > 0) return { outcome: 'wanting', wanting };
    done.push(...steps);
  }
  return { outcome: 'settled', ring: settled, done, unused };
}

function stage(ring: KeyRing, policy: RingPolicy, step: Stage, generated: GeneratedKey): KeyRing {
  return { ...ring, keys: [...ring.keys, newRecord(generated, policy, step)] };
}

function apply(ring: KeyRing, step: Exclude<Step, Stage>): KeyRing {
  if (step.step === 'remove') return { ...ring, keys: ring.keys.filter(({ kid }) => kid !== step.kid) };
  const key = keyOf(ring, step.kid);
  if (step.step === 'reschedule') return withKey(ring, { ...key, signsFrom: step.signsFrom });
  return withKey(ring, { ...key, keptFor: step.keptFor });
}

export type Settled =
  | {
      readonly outcome: 'settled';
      readonly ring: KeyRing;
      readonly done: readonly Step[];
      readonly unused: readonly GeneratedKey[];
    }
  | { readonly outcome: 'wanting'; readonly wanting: readonly JwsAlgorithm[] };

/**
 * Lets the standby of an algorithm sign as soon as everyone has it: at once when it has been published for long
 * enough, else at the second that is told. Refresh keys turn on all nodes at the same second, a little later, because
 * any node must be able to make again what another has signed. The ring must be settled.
 */
export function rotateNow(ring: KeyRing, policy: RingPolicy, alg: JwsAlgorithm, now: EpochSeconds): Rotated {
  const active = activeKey(ring, alg, now);
  const standby = standbyKey(ring, alg, now);
  if (active === null || standby === null) throw new RangeError(`the ring has no ${alg} standby`);
  const together = standby.purpose === 'refresh' ? after(now, nodeDelay(policy)) : now;
  const earliest = latest(standby.readyAt, active.signsFrom, together);
  const signsFrom = epochSeconds(Math.min(standby.signsFrom, earliest));
  const rotated = signsFrom === standby.signsFrom ? ring : withKey(ring, { ...standby, signsFrom });
  return { ring: rotated, kid: standby.kid, signsFrom };
}

export interface Rotated {
  readonly ring: KeyRing;
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/**
 * Takes a key out of use at once: it leaves the JWK Set, verifies nothing any more, and its private part is
 * forgotten. If it was the active one, the standby signs from this moment. The ring must be settled.
 */
export function revoke(
  ring: KeyRing,
  policy: RingPolicy,
  revocation: { readonly kid: string; readonly reason: string },
  now: EpochSeconds,
): Revoked {
  const key = ring.keys.find(({ kid }) => kid === revocation.kid);
  const state = key && stateOf(ring, key, now);
  if (key === undefined || state === 'removed') return { outcome: 'no-such-key' };
  if (state === 'revoked') return { outcome: 'already-revoked' };
  const successor = signsSomewhere(ring, key, policy, now) ? keyAfter(ring, key, now) : null;
  const revoked = withKey(ring, {
    ...withoutPrivatePart(key),
    revoked: { at: now, reason: revocation.reason },
  });
  if (successor === null) return { outcome: 'revoked', ring: revoked, successor };
  const signsFrom = latest(key.signsFrom, now);
  const readyAt = epochSeconds(Math.min(successor.readyAt, signsFrom));
  return {
    outcome: 'revoked',
    ring: withKey(revoked, { ...successor, signsFrom, readyAt }),
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

/** The standby that stands next after a key, if there is one. */
function keyAfter(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): SigningKeyRecord | null {
  const later = ring.keys.slice(ring.keys.findIndex(({ kid }) => kid === key.kid) + 1);
  return later.find((next) => next.alg === key.alg && stateOf(ring, next, now) === 'next') ?? null;
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

function keyOf(ring: KeyRing, kid: string): SigningKeyRecord {
  const key = ring.keys.find((candidate) => candidate.kid === kid);
  if (key === undefined) throw new RangeError(`the ring has no key ${kid}`);
  return key;
}

const latest = (...times: EpochSeconds[]): EpochSeconds => epochSeconds(Math.max(...times));
