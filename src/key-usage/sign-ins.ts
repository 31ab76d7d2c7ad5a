import { everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { REFRESH_ALGORITHM } from '#src/signing/algorithm.ts';
import { type KeyRing, keyOf, turnsOf } from '#src/signing/key-ring.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import { familyExpiresAt, type RefreshLifetimes } from '#src/tokens/refresh-token.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** The sign-ins whose refresh token, the current one of its family, was signed by a key. */
export interface SignIns {
  readonly families: number;
  /** The subjects of the accounts. */
  readonly people: ReadonlySet<string>;
  /** When the last of the tokens expires. */
  readonly lastExpiresAt: EpochSeconds;
}

/** Sign-ins by the refresh key that signed, and whether all that are in the store have been looked at. */
export interface CountedSignIns {
  readonly byKid: ReadonlyMap<string, SignIns>;
  readonly complete: boolean;
}

/**
 * Counts the sign-ins that can be refreshed. Each is a record, which says what no count of signatures could: whether the
 * authorization still stands, and that a token which was refreshed counts no more. No more than `max` are looked at.
 */
export async function countSignIns(
  records: Pick<Records, 'list'>,
  ring: KeyRing,
  { lifetimes, now, max }: { lifetimes: RefreshLifetimes; now: EpochSeconds; max: number },
): Promise<CountedSignIns> {
  const tallies = new Map<string, Tally>();
  let looked = 0;
  let complete = true;
  for await (const { family, subject } of everyValue<Authorization>(records, 'authorization')) {
    if (looked === max) {
      complete = false;
      break;
    }
    looked += 1;
    const kid = family === null ? null : kidAt(ring, family.advancedAt);
    if (family === null || kid === null) continue;
    const expiresAt = familyExpiresAt(family, lifetimes);
    if (expiresAt <= now) continue;
    const tally = tallies.get(kid) ?? { families: 0, people: new Set(), lastExpiresAt: expiresAt };
    tallies.set(kid, tally);
    tally.families += 1;
    tally.people.add(subject);
    tally.lastExpiresAt = epochSeconds(Math.max(tally.lastExpiresAt, expiresAt));
  }
  return { byKid: tallies, complete };
}

interface Tally {
  families: number;
  readonly people: Set<string>;
  lastExpiresAt: EpochSeconds;
}

/** The refresh key whose turn it was at `time`, though it may have been revoked since. */
function kidAt(ring: KeyRing, time: EpochSeconds): string | null {
  const turns = turnsOf(ring, REFRESH_ALGORITHM);
  // In the second in which a key was revoked it had signed, most likely, what was signed then.
  const before = turns.findLast(({ from }) => from < time)?.kid ?? null;
  if (before !== null && keyOf(ring, before)?.revoked?.at === time) return before;
  // The clock of the node that signed may have been behind.
  return (turns.findLast(({ from }) => from <= time) ?? turns[0])?.kid ?? null;
}
