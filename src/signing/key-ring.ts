import type { JsonWebKey } from 'node:crypto';
import {
  type GeneratedKey,
  type JwsAlgorithm,
  publicMembers,
  REFRESH_ALGORITHM,
  type SigningAlgorithm,
} from '#src/signing/algorithm.ts';
import { type KeyPurpose, purposeOf, type RingPolicy, retention } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/**
 * The signing keys of a deployment, as plain data. Every time is in the data, so that all nodes see the same states
 * change at the same second by looking at the clock, with nothing to tell each other. Nothing here does I/O or asks
 * for the time.
 *
 * Of each algorithm one key signs at any time, whose turn it is. At least one further key is already published, with
 * a turn to come, and those whose turn is over stay until the last token that they signed has expired. So whoever
 * caches the JWK Set already has the key that comes next, also when it has to come early, and the one before, also
 * when it has to come back.
 */
export interface KeyRing {
  readonly createdAt: EpochSeconds;
  /** In the order of their publication. */
  readonly keys: readonly SigningKeyRecord[];
  /** In the order of time. Those of equal time stand in the order in which they were written: the last one counts. */
  readonly turns: readonly Turn[];
}

/** From when on a key signs, until the next turn of its algorithm. A key that is brought back has two. */
export interface Turn {
  readonly alg: JwsAlgorithm;
  /** `null` if nothing signs with the algorithm from then on. */
  readonly kid: string | null;
  readonly from: EpochSeconds;
  /** Why it may begin although caches may lack the key. */
  readonly breakGlass: string | null;
  /** It comes before the schedule would have it, as an administrator wanted. */
  readonly byHand?: true;
}

export interface SigningKeyRecord {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly purpose: KeyPurpose;
  /** When it entered the ring, and with a purpose of `jwks` the JWK Set. */
  readonly publishedAt: EpochSeconds;
  /** From when everyone has it: before this it signs only if the glass is broken. */
  readonly readyAt: EpochSeconds;
  /** How long it is kept when its turn is over. It only grows, so that shorter lifetimes never orphan a longer token. */
  readonly keptFor: Seconds;
  readonly revoked: Revocation | null;
  /** Until when it is published for a rehearsal; `null` for a key that is there to sign. */
  readonly rehearsalUntil: EpochSeconds | null;
  /** What an outside signer knows it by; `null` for a key whose private part is in the ring. */
  readonly outside: string | null;
  /** With the private part, unless that is outside, and until the key is revoked. */
  readonly jwk: JsonWebKey;
}

export interface Revocation {
  readonly at: EpochSeconds;
  readonly reason: string;
}

/**
 * `next`: published, does not sign yet. `active`: signs. `retired`: verifies what it signed. `removed`: all that it
 * signed has expired. `revoked`: gone, and so is every token that it signed. `rehearsal`: published to be tried out.
 */
export type KeyState = 'next' | 'active' | 'retired' | 'removed' | 'revoked' | 'rehearsal';

export function stateOf(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): KeyState {
  if (key.revoked !== null) return 'revoked';
  if (key.rehearsalUntil !== null) return key.rehearsalUntil > now ? 'rehearsal' : 'removed';
  if (activeKey(ring, key.alg, now)?.kid === key.kid) return 'active';
  const retired = retiredAt(ring, key);
  if (!hasBegun(ring, key, now)) return 'next';
  return retired === null || after(retired, key.keptFor) > now ? 'retired' : 'removed';
}

/** True for a key whose signatures count. */
export function stillVerifies(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): boolean {
  const state = stateOf(ring, key, now);
  return state !== 'removed' && state !== 'revoked';
}

/**
 * The key that signs at `now`; `null` only if none is left whose turn it could be. A node whose clock is behind may
 * read a ring in which every turn is yet to come, or the one at hand is that of a key that has been revoked since, or
 * of none: it takes the next one rather than none, and never one that is retired.
 */
export function activeKey(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord | null {
  const turns = turnsOf(ring, alg);
  const current = turns.findLastIndex(({ from }) => from <= now);
  for (const { kid } of turns.slice(Math.max(current, 0))) {
    const key = kid === null ? null : keyOf(ring, kid);
    if (key !== null && key.revoked === null) return key;
  }
  return null;
}

/** The `next` keys of an algorithm, in the order in which they will sign. */
export function nextKeys(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): readonly SigningKeyRecord[] {
  const kids = turnsOf(ring, alg).map(({ kid }) => kid);
  return ring.keys
    .filter((key) => key.alg === alg && stateOf(ring, key, now) === 'next')
    .toSorted((one, other) => kids.indexOf(one.kid) - kids.indexOf(other.kid));
}

/** The key that will sign next, unless someone decides otherwise. */
export function standbyKey(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord | null {
  return nextKeys(ring, alg, now)[0] ?? null;
}

/** The key that signed before the active one and could sign again: it has not been removed, nor revoked. */
export function previousKey(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord | null {
  const active = activeKey(ring, alg, now);
  if (active === null) return null;
  const begun = turnsOf(ring, alg).filter(({ from }) => from <= now);
  const reign = begun.findLastIndex(({ kid }) => kid === active.kid);
  const before = begun.slice(0, reign).map(({ kid }) => (kid === null ? null : keyOf(ring, kid)));
  return before.findLast((key) => key !== null && stateOf(ring, key, now) === 'retired') ?? null;
}

/** When the latest turn of a key began or will begin; `null` if it never has one. */
export function signsFrom(ring: KeyRing, key: SigningKeyRecord): EpochSeconds | null {
  return turnsOf(ring, key.alg).findLast(({ kid }) => kid === key.kid)?.from ?? null;
}

/** When the last turn of a key ended or will end; `null` while no other follows. */
export function retiredAt(ring: KeyRing, key: SigningKeyRecord): EpochSeconds | null {
  const turns = turnsOf(ring, key.alg);
  const last = turns.findLastIndex(({ kid }) => kid === key.kid);
  return last < 0 ? null : (turns[last + 1]?.from ?? null);
}

/** When the last token that the key may have signed has expired; `null` while no end is in sight. */
export function endsAt(ring: KeyRing, key: SigningKeyRecord): EpochSeconds | null {
  if (key.rehearsalUntil !== null) return key.rehearsalUntil;
  const end = key.revoked?.at ?? retiredAt(ring, key);
  return end === null ? null : after(end, key.keptFor);
}

/** The next second after `now` at which the state of some key changes by the clock alone; `null` if none will. */
export function nextChange(ring: KeyRing, now: EpochSeconds): EpochSeconds | null {
  const times = [...ring.turns.map(({ from }) => from), ...ring.keys.map((key) => endsAt(ring, key))];
  const coming = times.filter((time) => time !== null && time > now) as EpochSeconds[];
  return coming.length === 0 ? null : epochSeconds(Math.min(...coming));
}

/** The keys of the JWK Set, in the order of their publication. */
export function publishedKeys(ring: KeyRing, now: EpochSeconds): readonly PublishedKey[] {
  return ring.keys.filter(isPublishable).filter((key) => stillVerifies(ring, key, now));
}

export type PublishedKey = SigningKeyRecord & { readonly alg: SigningAlgorithm };

const isPublishable = (key: SigningKeyRecord): key is PublishedKey => key.alg !== REFRESH_ALGORITHM;

/** True if another key has begun to sign after `since`. The first one of all took nobody's place. */
export function hasTurnedSince(
  ring: KeyRing,
  alg: JwsAlgorithm,
  { since, now }: { readonly since: EpochSeconds; readonly now: EpochSeconds },
): boolean {
  const [, ...others] = turnsOf(ring, alg);
  return others.some(({ from }) => from > since && from <= now);
}

/** The turns of one algorithm, in the order of time. */
export function turnsOf(ring: KeyRing, alg: JwsAlgorithm): readonly Turn[] {
  return ring.turns.filter((turn) => turn.alg === alg);
}

export function keyOf(ring: KeyRing, kid: string): SigningKeyRecord | null {
  return ring.keys.find((key) => key.kid === kid) ?? null;
}

/** True if a turn of the key lies behind, even one that never came because the key was revoked. */
const hasBegun = (ring: KeyRing, { alg, kid }: SigningKeyRecord, now: EpochSeconds): boolean =>
  turnsOf(ring, alg).some((turn) => turn.kid === kid && turn.from <= now);

/** A generated key as a record of the ring. It has no turn yet. */
export function newRecord(
  generated: GeneratedKey,
  policy: RingPolicy,
  { publishedAt, readyAt }: Pick<SigningKeyRecord, 'publishedAt' | 'readyAt'>,
): SigningKeyRecord {
  const { kid, alg, jwk, outside } = generated;
  const purpose = purposeOf(alg);
  const keptFor = retention(policy, purpose);
  const ends = { keptFor, revoked: null, rehearsalUntil: null };
  return { kid, alg, purpose, publishedAt, readyAt, ...ends, outside, jwk };
}

/** The key without what only its owner may know. */
export function withoutPrivatePart(key: SigningKeyRecord): SigningKeyRecord {
  return { ...key, jwk: isPublishable(key) ? publicMembers(key.jwk) : { kty: 'oct' } };
}

/** The ring with one key changed. */
export function withKey(ring: KeyRing, changed: SigningKeyRecord): KeyRing {
  return { ...ring, keys: ring.keys.map((key) => (key.kid === changed.kid ? changed : key)) };
}

/** The ring without a key and its turns. */
export function withoutKey(ring: KeyRing, kid: string): KeyRing {
  return {
    ...ring,
    keys: ring.keys.filter((key) => key.kid !== kid),
    turns: ring.turns.filter((turn) => turn.kid !== kid),
  };
}

/** The ring with one more turn, which counts before any of the same second that was there. */
export function withTurn(ring: KeyRing, turn: Omit<Turn, 'breakGlass'> & Partial<Turn>): KeyRing {
  const index = ring.turns.findIndex(({ from }) => from > turn.from);
  const at = index < 0 ? ring.turns.length : index;
  return { ...ring, turns: ring.turns.toSpliced(at, 0, { breakGlass: null, ...turn }) };
}

/** The ring without the turns of a key that begin after `now`. */
export function withoutTurnsAfter(ring: KeyRing, kid: string, now: EpochSeconds): KeyRing {
  return { ...ring, turns: ring.turns.filter((turn) => turn.kid !== kid || turn.from <= now) };
}
