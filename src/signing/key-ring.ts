import type { JsonWebKey } from 'node:crypto';
import {
  type GeneratedKey,
  type JwsAlgorithm,
  publicMembers,
  REFRESH_ALGORITHM,
  type SigningAlgorithm,
} from '#src/signing/algorithm.ts';
import {
  type KeyPurpose,
  purposeOf,
  type RingPolicy,
  retention,
  ringAlgorithms,
} from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/**
 * The signing keys of a deployment, as plain data. Every time is in the data, so that all nodes see the same states
 * change at the same second by looking at the clock, with nothing to tell each other. Nothing here does I/O or asks
 * for the time.
 *
 * The keys of one algorithm stand in the order in which they sign. At any time one of them is active, at least one
 * later one is already published as a standby, and earlier ones stay until the last token they signed has expired.
 * So whoever caches the JWK Set already has the key that comes next, also when it has to come early.
 */
export interface KeyRing {
  readonly createdAt: EpochSeconds;
  readonly keys: readonly SigningKeyRecord[];
}

export interface SigningKeyRecord {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly purpose: KeyPurpose;
  /** When it entered the ring, and with a purpose of `jwks` the JWK Set. */
  readonly publishedAt: EpochSeconds;
  /** From when everyone has it: before this it signs only if there is no other way. */
  readonly readyAt: EpochSeconds;
  /** From when it signs, until the next one of its algorithm does. */
  readonly signsFrom: EpochSeconds;
  /** How long it is kept when it no longer signs. It only grows, so that shorter lifetimes never orphan a longer token. */
  readonly keptFor: Seconds;
  readonly revoked: Revocation | null;
  /** With the private part, until the key is revoked. */
  readonly jwk: JsonWebKey;
}

export interface Revocation {
  readonly at: EpochSeconds;
  readonly reason: string;
}

/**
 * `next`: published, does not sign yet. `active`: signs. `retired`: verifies what it signed. `removed`: all that it
 * signed has expired. `revoked`: gone, and so is every token that it signed.
 */
export type KeyState = 'next' | 'active' | 'retired' | 'removed' | 'revoked';

export function stateOf(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): KeyState {
  if (key.revoked !== null) return 'revoked';
  if (activeKey(ring, key.alg, now)?.kid === key.kid) return 'active';
  const superseded = supersededAt(ring, key);
  if (superseded === null || superseded > now) return 'next';
  return after(superseded, key.keptFor) <= now ? 'removed' : 'retired';
}

/** True for a key whose signatures count: `next`, `active` or `retired`. */
export function stillVerifies(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): boolean {
  const state = stateOf(ring, key, now);
  return state === 'next' || state === 'active' || state === 'retired';
}

/**
 * The key that signs at `now`; `null` only if every key of the algorithm is revoked or superseded. A node whose clock
 * is behind may read a ring in which every key begins later: it takes the first of them rather than none.
 */
export function activeKey(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord | null {
  const keys = ring.keys.filter((key) => {
    if (key.alg !== alg || key.revoked !== null) return false;
    const superseded = supersededAt(ring, key);
    return superseded === null || superseded > now;
  });
  return keys.findLast((key) => key.signsFrom <= now) ?? keys[0] ?? null;
}

/** The key that will sign next: the first `next` one of the algorithm. */
export function standbyKey(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord | null {
  return ring.keys.find((key) => key.alg === alg && stateOf(ring, key, now) === 'next') ?? null;
}

/**
 * When a later key began, or will begin, to sign in this one's place; `null` while there is none. A successor that
 * was revoked before it began does not count, one that was revoked afterwards does: what is retired stays retired.
 */
export function supersededAt(ring: KeyRing, key: SigningKeyRecord): EpochSeconds | null {
  const begins = ring.keys
    .slice(ring.keys.findIndex(({ kid }) => kid === key.kid) + 1)
    .filter((later) => later.alg === key.alg)
    .filter((later) => later.revoked === null || later.revoked.at >= later.signsFrom)
    .map((later) => later.signsFrom);
  return begins.length === 0 ? null : epochSeconds(Math.min(...begins));
}

/** When the last token that the key may have signed has expired; `null` while no end is in sight. */
export function endsAt(ring: KeyRing, key: SigningKeyRecord): EpochSeconds | null {
  const end = key.revoked?.at ?? supersededAt(ring, key);
  return end === null ? null : after(end, key.keptFor);
}

/** The next second after `now` at which the state of some key changes by the clock alone; `null` if none will. */
export function nextChange(ring: KeyRing, now: EpochSeconds): EpochSeconds | null {
  const times = ring.keys
    .flatMap((key) => [key.signsFrom, endsAt(ring, key)])
    .filter((time) => time !== null);
  const coming = times.filter((time) => time > now);
  return coming.length === 0 ? null : epochSeconds(Math.min(...coming));
}

/** The keys of the JWK Set, in the order of their publication. */
export function publishedKeys(ring: KeyRing, now: EpochSeconds): readonly PublishedKey[] {
  return ring.keys.filter(isPublishable).filter((key) => stillVerifies(ring, key, now));
}

export type PublishedKey = SigningKeyRecord & { readonly alg: SigningAlgorithm };

const isPublishable = (key: SigningKeyRecord): key is PublishedKey => key.alg !== REFRESH_ALGORITHM;

/**
 * The first ring, with an active key and a standby for every algorithm: `generated` must hold two of each. Nobody
 * can have cached a JWK Set without these keys, so all of them are ready at once.
 */
export function firstRing(
  policy: RingPolicy,
  generated: readonly GeneratedKey[],
  now: EpochSeconds,
): KeyRing {
  const keys = ringAlgorithms(policy).flatMap((alg) => {
    const [active, standby] = generated.filter((key) => key.alg === alg);
    if (active === undefined || standby === undefined) throw new RangeError(`two ${alg} keys are needed`);
    return [
      newRecord(active, policy, { publishedAt: now, readyAt: now, signsFrom: now }),
      newRecord(standby, policy, {
        publishedAt: now,
        readyAt: now,
        signsFrom: after(now, policy.rotateEvery),
      }),
    ];
  });
  return { createdAt: now, keys };
}

/** A generated key as a record of the ring. */
export function newRecord(
  generated: GeneratedKey,
  policy: RingPolicy,
  times: Pick<SigningKeyRecord, 'publishedAt' | 'readyAt' | 'signsFrom'>,
): SigningKeyRecord {
  const { kid, alg, jwk } = generated;
  const { publishedAt, readyAt, signsFrom } = times;
  const purpose = purposeOf(alg);
  const keptFor = retention(policy, purpose);
  return { kid, alg, purpose, publishedAt, readyAt, signsFrom, keptFor, revoked: null, jwk };
}

/** The key without what only its owner may know. */
export function withoutPrivatePart(key: SigningKeyRecord): SigningKeyRecord {
  return { ...key, jwk: isPublishable(key) ? publicMembers(key.jwk) : { kty: 'oct' } };
}

/** The ring with one key changed. */
export function withKey(ring: KeyRing, changed: SigningKeyRecord): KeyRing {
  return { ...ring, keys: ring.keys.map((key) => (key.kid === changed.kid ? changed : key)) };
}
