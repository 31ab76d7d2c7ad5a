import type { Clock } from '#src/clock.ts';
import { type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/** A clock that stands still until a test moves it. */
export class MovingClock implements Clock {
  #now: number;

  /** Starts at 2026-07-14T10:15:30Z unless told otherwise. */
  constructor(start: EpochSeconds = epochSeconds(1_784_024_130)) {
    this.#now = start;
  }

  now(): EpochSeconds {
    return epochSeconds(this.#now);
  }

  /** Moves on by `length`; a negative length moves it back, as a corrected clock does. */
  move(length: Seconds): void {
    this.#now += length;
  }
}
