import type { GeneratedKey, JwsAlgorithm, SigningAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  endsAt,
  type KeyRing,
  keyOf,
  newRecord,
  retiredAt,
  type SigningKeyRecord,
  signsFrom,
  standbyKey,
  withKey,
  withoutKey,
  withoutTurnsAfter,
  withTurn,
} from '#src/signing/key-ring.ts';
import {
  nodeDelay,
  purposeOf,
  type RingPolicy,
  reignOf,
  retention,
  ringAlgorithms,
  settlingTime,
} from '#src/signing/ring-policy.ts';
import { after, days, type EpochSeconds, epochSeconds, type Seconds, seconds } from '#src/units.ts';

/**
 * What is due. There is no step that promotes: when a standby is staged, the second from which it signs is written
 * into the ring, and every node turns at that second, even while the store is away.
 */
export type Step = Stage | Reschedule | Postpone | Extend | Remove;

/** Publish a new key: the standby of its algorithm or, where there is no key at all, one that signs at once. */
export interface Stage {
  readonly step: 'stage';
  readonly alg: JwsAlgorithm;
  readonly publishedAt: EpochSeconds;
  readonly readyAt: EpochSeconds;
  readonly signsFrom: EpochSeconds;
}

/** Bring a standby forward: keys are to rotate more often than when it was staged, or it need not wait any longer. */
export interface Reschedule {
  readonly step: 'reschedule';
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/** Let a standby wait, as some resource server has not fetched it. */
export interface Postpone {
  readonly step: 'postpone';
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

/** The kids of the standbys that must not begin to sign by the schedule yet. */
export type Held = ReadonlySet<string>;

const NONE_HELD: Held = new Set();

/**
 * The steps that are due at `now`, none when all is well. After they are carried out more may be due: plan again
 * until there are none. An algorithm that is no longer in the policy gets no new keys; its last one goes on.
 */
export function plan(
  ring: KeyRing,
  policy: RingPolicy,
  now: EpochSeconds,
  held: Held = NONE_HELD,
): readonly Step[] {
  return [
    ...ring.keys.flatMap((key) => planKey(ring, key, policy, now)),
    ...ringAlgorithms(policy).flatMap((alg) => planAlgorithm(ring, alg, policy, now, held)),
  ];
}

/** The standbys of which it matters now whether they are held: the turn of each comes soon, or has been put off. */
export function turnsSoon(ring: KeyRing, policy: RingPolicy, now: EpochSeconds): readonly DueKey[] {
  return policy.algorithms.flatMap((alg) => {
    const active = activeKey(ring, alg, now);
    const standby = standbyKey(ring, alg, now);
    if (active === null || standby === null) return [];
    const due = dueTime(ring, policy, active, standby);
    return due <= after(now, holdingTime(policy)) ? [{ alg, kid: standby.kid, due }] : [];
  });
}

/** A standby, and when the schedule has it sign if nothing holds it. */
export interface DueKey {
  readonly alg: SigningAlgorithm;
  readonly kid: string;
  readonly due: EpochSeconds;
}

function planKey(ring: KeyRing, key: SigningKeyRecord, policy: RingPolicy, now: EpochSeconds): Step[] {
  const end = endsAt(ring, key);
  if (end !== null && end <= now) return [{ step: 'remove', kid: key.kid }];
  if (key.rehearsalUntil !== null) return [];
  const retired = retiredAt(ring, key);
  const keptFor = retention(policy, key.purpose);
  // A key whose turn has just ended may still sign, on a node that does not know yet or whose clock is behind.
  const maySign = key.revoked === null && (retired === null || after(retired, nodeDelay(policy)) > now);
  return maySign && key.keptFor < keptFor ? [{ step: 'extend', kid: key.kid, keptFor }] : [];
}

function planAlgorithm(
  ring: KeyRing,
  alg: JwsAlgorithm,
  policy: RingPolicy,
  now: EpochSeconds,
  held: Held,
): Step[] {
  const active = activeKey(ring, alg, now);
  if (active === null) return [{ step: 'stage', alg, publishedAt: now, readyAt: now, signsFrom: now }];
  const standby = standbyKey(ring, alg, now);
  if (standby === null) {
    const readyAt = after(now, settlingTime(policy, purposeOf(alg)));
    const due = latest(endOfReign(ring, policy, active), readyAt);
    return [{ step: 'stage', alg, publishedAt: now, readyAt, signsFrom: due }];
  }
  const { kid } = standby;
  const begins = signsFrom(ring, standby) ?? now;
  // Every node must hear of another time before either of the two comes, so that all of them still turn together.
  const soonest = after(now, nodeDelay(policy));
  if (held.has(kid)) {
    const comes = begins > soonest && begins <= after(now, holdingTime(policy));
    return comes ? [{ step: 'postpone', kid, signsFrom: after(begins, putOffTime(policy)) }] : [];
  }
  const due = latest(dueTime(ring, policy, active, standby), soonest);
  return begins > due ? [{ step: 'reschedule', kid, signsFrom: due }] : [];
}

/** When the schedule has the standby sign: when the reign of the active key is over, and everyone has the other. */
export const dueTime = (
  ring: KeyRing,
  policy: RingPolicy,
  active: SigningKeyRecord,
  standby: SigningKeyRecord,
): EpochSeconds => latest(endOfReign(ring, policy, active), standby.readyAt);

const endOfReign = (ring: KeyRing, policy: RingPolicy, active: SigningKeyRecord): EpochSeconds =>
  after(signsFrom(ring, active) ?? active.publishedAt, reignOf(policy, active.kid));

/** How long before its turn a standby is held, and for how long: long enough for several polls of every node. */
const holdingTime = (policy: RingPolicy): Seconds => seconds(4 * nodeDelay(policy));

/** By how much a turn is put off. It is brought forward as soon as nothing holds it, so this only bounds the writes. */
const putOffTime = (policy: RingPolicy): Seconds =>
  seconds(Math.max(holdingTime(policy), Math.min(days(1), Math.floor(policy.rotateEvery / 10))));

/**
 * The first ring, with an active key and a standby for every algorithm: `generated` must hold two of each. Nobody
 * can have cached a JWK Set without these keys, so all of them are ready at once.
 */
export function firstRing(
  policy: RingPolicy,
  generated: readonly GeneratedKey[],
  now: EpochSeconds,
): KeyRing {
  let ring: KeyRing = { createdAt: now, keys: [], turns: [] };
  for (const alg of ringAlgorithms(policy)) {
    const [active, standby] = generated.filter((key) => key.alg === alg);
    if (active === undefined || standby === undefined) throw new RangeError(`two ${alg} keys are needed`);
    const times = { publishedAt: now, readyAt: now };
    ring = stage(ring, policy, active, { ...times, signsFrom: now });
    ring = stage(ring, policy, standby, { ...times, signsFrom: after(now, reignOf(policy, active.kid)) });
  }
  return ring;
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
  held: Held = NONE_HELD,
): Settled {
  const unused = [...generated];
  const done: Done[] = [];
  let settled = ring;
  for (
    let steps = plan(ring, policy, now, held);
    steps.length > 0;
    steps = plan(settled, policy, now, held)
  ) {
    const wanting: JwsAlgorithm[] = [];
    for (const step of steps) {
      if (step.step === 'stage') {
        const index = unused.findIndex(({ alg }) => alg === step.alg);
        const [key] = index < 0 ? [] : unused.splice(index, 1);
        if (key === undefined) {
          wanting.push(step.alg);
        } else {
          settled = stage(settled, policy, key, step);
          done.push({ ...step, kid: key.kid });
        }
      } else {
        const { alg } = known(settled, step.kid);
        settled = apply(settled, step, now);
        done.push({ ...step, alg });
      }
    }
    if (wanting.length > 0) return { outcome: 'wanting', wanting };
  }
  return { outcome: 'settled', ring: settled, done, unused };
}

export type Settled =
  | {
      readonly outcome: 'settled';
      readonly ring: KeyRing;
      readonly done: readonly Done[];
      readonly unused: readonly GeneratedKey[];
    }
  | { readonly outcome: 'wanting'; readonly wanting: readonly JwsAlgorithm[] };

/** A step that was carried out, and on which key. */
export type Done = Step & { readonly kid: string; readonly alg: JwsAlgorithm };

function stage(
  ring: KeyRing,
  policy: RingPolicy,
  generated: GeneratedKey,
  times: Pick<Stage, 'publishedAt' | 'readyAt' | 'signsFrom'>,
): KeyRing {
  const { alg, kid } = generated;
  const keys = [...ring.keys, newRecord(generated, policy, times)];
  return withTurn({ ...ring, keys }, { alg, kid, from: times.signsFrom });
}

function apply(ring: KeyRing, step: Exclude<Step, Stage>, now: EpochSeconds): KeyRing {
  if (step.step === 'remove') return withoutKey(ring, step.kid);
  const key = known(ring, step.kid);
  if (step.step === 'extend') return withKey(ring, { ...key, keptFor: step.keptFor });
  return withTurn(withoutTurnsAfter(ring, key.kid, now), {
    alg: key.alg,
    kid: key.kid,
    from: step.signsFrom,
  });
}

function known(ring: KeyRing, kid: string): SigningKeyRecord {
  const key = keyOf(ring, kid);
  if (key === null) throw new RangeError(`the ring has no key ${kid}`);
  return key;
}

const latest = (...times: EpochSeconds[]): EpochSeconds => epochSeconds(Math.max(...times));
