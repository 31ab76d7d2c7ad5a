import { minutes, type Seconds } from '#src/units.ts';

/** A worker that has served for so long was not made to crash by its start. */
const STEADY_AFTER = minutes(1);

const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 30_000;

/** How often the workers of a place have ended in a row, counting one that has served for `served` and ended now. */
export function crashesInRow(before: number, served: Seconds): number {
  return served >= STEADY_AFTER ? 1 : before + 1;
}

/** How long to wait before the next one begins, in milliseconds: not at all once, then twice as long each time. */
export function restartPauseMs(inRow: number): number {
  return inRow <= 1 ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (inRow - 2));
}
