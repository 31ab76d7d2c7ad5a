import type { Chart } from '#src/cli/timeline/chart.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

export interface Tick {
  readonly at: EpochSeconds;
  readonly label: string;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  ...[MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR],
  ...[DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3650 * DAY],
] as const;

/** At most so many points of the time line, at round times, with what is written there. */
export function ticksOf(
  { from, until, axis }: Pick<Chart, 'from' | 'until' | 'axis'>,
  most: number,
): readonly Tick[] {
  const step = STEPS.find((each) => (until - from) / each <= most) ?? STEPS[STEPS.length - 1] ?? DAY;
  const origin = axis === 'elapsed' ? from : 0;
  const ticks: Tick[] = [];
  for (let at = origin + Math.ceil((from - origin) / step) * step; at <= until; at += step) {
    const time = epochSeconds(at);
    ticks.push({ at: time, label: axis === 'elapsed' ? elapsed(at - from) : date(time, step) });
  }
  return ticks;
}

/** A length of time as a clock shows it: `1:30`. */
export function elapsed(length: number): string {
  const minutes = Math.floor(length / MINUTE);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

function date(at: EpochSeconds, step: number): string {
  const iso = new Date(at * 1000).toISOString();
  const isMidnight = at % DAY === 0;
  return step >= DAY || isMidnight ? iso.slice(0, 'YYYY-MM-DD'.length) : iso.slice(11, 16);
}
