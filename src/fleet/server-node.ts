import { after, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** What a server process says of itself, time and again while it lives. */
export interface ServerNode {
  /** Random, new with every start. */
  readonly id: string;
  /** The host and the port, and which worker it is of several, for people; not necessarily unique. */
  readonly name: string;
  /** Of the program. */
  readonly version: string;
  readonly startedAt: EpochSeconds;
  /** What its clock said when it wrote this. */
  readonly clock: EpochSeconds;
  /** Counts how often it has written, so that others see that it has. */
  readonly beat: number;
  /** The ids of the key-encryption keys that it has. */
  readonly keks: readonly string[];
  /** The version of the key ring that it goes by; servers of older programs do not tell. */
  readonly ring?: number;
  /** Whose clock it found to be too far from its own. */
  readonly apart: readonly ClockFinding[];
}

/** A clock that is further from ours than it may be. */
export interface ClockFinding {
  /** Whose: the id of a node, or the store's. */
  readonly of: string;
  /** For people. */
  readonly name: string;
  /** At least so far ahead of ours; negative if it is behind. */
  readonly by: Seconds;
}

/** What goes for the id of a node where it is the store's clock. */
export const STORE_CLOCK = 'store';

/**
 * How long a server counts as living after it was heard of last. Three beats may be late or lost, and the clock of whoever
 * looks may be ahead.
 */
export function heartbeatLifetime({ every, skewMax }: { every: Seconds; skewMax: Seconds }): Seconds {
  return seconds(3 * every + skewMax);
}

/**
 * How far another clock is from ours at least: positive if it is ahead, 0 if the two may agree. `theirs` was read
 * between `ours - age` and `ours` by our clock.
 */
export function clockDistance({
  theirs,
  ours,
  age,
}: {
  theirs: EpochSeconds;
  ours: EpochSeconds;
  age: Seconds;
}): Seconds {
  if (theirs > ours) return seconds(theirs - ours);
  const latest = after(theirs, age);
  return latest < ours ? seconds(latest - ours) : seconds(0);
}
