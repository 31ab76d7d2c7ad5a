import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { isMetricsQuestion, LAST_WORD, type MetricsAnswer } from '#src/workers/metrics-message.ts';
import { ALIVE, LEAVE, readSeat, SEAT_VARIABLE, type SeatMessage } from '#src/workers/seat-message.ts';
import type { SeatNumber, StartFailure } from '#src/workers/worker-process.ts';

/** The place of this process among the workers; `null` if nobody supervises it. */
export function takeSeat(env: Readonly<Record<string, string | undefined>>): Seat | null {
  const place = readSeat(env[SEAT_VARIABLE]);
  return place === null || cluster.worker === undefined ? null : new Seat(cluster.worker, place);
}

/** A worker's end of the line to its supervisor. As long as it is held, the process does not end by itself. */
export class Seat implements SeatNumber, AsyncDisposable {
  readonly number: number;
  readonly of: number;
  readonly #worker: Worker;
  readonly #leaving = new AbortController();
  readonly #abandoned = new AbortController();
  #lastWord = async () => {};

  constructor(worker: Worker, { number, of }: SeatNumber) {
    this.number = number;
    this.of = of;
    this.#worker = worker;
    // Without a supervisor Node would end the process on the spot, in the middle of requests.
    worker.exitedAfterDisconnect = true;
    worker.once('disconnect', () => this.#abandoned.abort());
    worker.on('message', (message) => {
      if (message === LEAVE) this.#leaving.abort();
      if (message === ALIVE) void this.#tell(ALIVE);
    });
  }

  /** Aborted when another worker has taken this one's place. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Aborted when the supervisor is gone. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** Tells the supervisor what has been measured, whenever it asks, and once more when the seat is given up. */
  tellMetrics(read: () => Promise<string>): void {
    const tell = async (question: number) => {
      const text = await read().catch(() => null);
      await this.#tell({ kind: 'metrics', question, text });
    };
    this.#lastWord = () => tell(LAST_WORD);
    this.#worker.on('message', (message: unknown) => {
      if (!isMetricsQuestion(message)) return;
      void tell(message.question);
    });
  }

  /** Tells that this worker serves. */
  async ready(found: { readonly created: boolean }): Promise<void> {
    await this.#tell({ kind: 'ready', ...found });
  }

  /** Tells why this worker does not serve. */
  async failed(failure: StartFailure): Promise<void> {
    await this.#tell({ kind: 'failed', failure });
  }

  /** Lets the process end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#worker.isConnected()) return;
    await this.#lastWord();
    if (!this.#worker.isConnected()) return;
    const disconnected = once(this.#worker, 'disconnect');
    this.#worker.disconnect();
    await disconnected;
  }

  #tell(message: SeatMessage | MetricsAnswer | typeof ALIVE): Promise<void> {
    // Whether or not anybody is there to hear it.
    return new Promise((resolve) => {
      if (this.#worker.isConnected()) this.#worker.send(message, undefined, undefined, () => resolve());
      else resolve();
    });
  }
}
