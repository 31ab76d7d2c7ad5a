import { type Seconds, seconds } from '#src/units.ts';

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;

/**
 * Reads a length of time as people write it: `90d`, `5m`, `1h30m`, `10s`, or a bare number of seconds.
 * Units go from long to short and each at most once; anything else is `null`, as is what a number cannot hold exactly.
 */
export function parseDuration(text: string): Seconds | null {
  if (/^\d+$/.test(text)) return exact(Number(text));
  const parts = DURATION.exec(text);
  if (parts === null || text === '') return null;
  let total = 0;
  for (const [index, [, size]] of UNITS.entries()) total += Number(parts[index + 1] ?? 0) * size;
  return exact(total);
}

/** Writes a length of time in the fewest units that `parseDuration` reads back to the same number: `1h30m`, `0s`. */
export function formatDuration(length: Seconds): string {
  let rest: number = length;
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}

const exact = (count: number): Seconds | null => (Number.isSafeInteger(count) ? seconds(count) : null);
