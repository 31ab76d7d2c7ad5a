import type { SeatNumber } from '#src/workers/worker-process.ts';

/** What one of several workers has of something that there is for the whole machine: all get some, none more than one more. */
export function shareOf(total: number, { number, of }: SeatNumber): number {
  const [least, left] = [Math.floor(total / of), total % of];
  return least + (number <= left ? 1 : 0);
}
