import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** Where the program learns the time. Passed in everywhere, so that a test can move it. */
export interface Clock {
  now(): EpochSeconds;
}

export const systemClock: Clock = {
  now: () => epochSeconds(Math.floor(Date.now() / 1000)),
};
