import type { SeatNumber, StartOutcome } from '#src/workers/worker-process.ts';

/** What a worker tells its supervisor first, and once. */
export type SeatMessage = StartOutcome;

/** What a supervisor tells its worker: see `WorkerProcess.leave`. */
export const LEAVE = 'leave';

/** What a supervisor asks its worker, to see whether it lives, and what that answers. */
export const ALIVE = 'alive';

/** By which a worker is told its place, beside the settings. */
export const SEAT_VARIABLE = 'WORKER_SEAT';

/** `2/4` */
export function writeSeat({ number, of }: SeatNumber): string {
  return `${number}/${of}`;
}

/** What `writeSeat` wrote; `null` for anything else. */
export function readSeat(text: string | undefined): SeatNumber | null {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(text ?? '') ?? [];
  return number === undefined || of === undefined ? null : { number: Number(number), of: Number(of) };
}
