import type { Seconds } from '#src/units.ts';
import type { WorkerProcess } from '#src/workers/worker-process.ts';

/** How many questions in a row a worker may leave unanswered. */
const UNANSWERED_MAX = 3;

/**
 * Asks a worker for a sign of life again and again, and tells once that it has given none for `silenceMax`: it was stopped, or
 * goes in circles. One that is only busy answers between two requests. What counts is questions, and not time, so
 * that nobody is suspected after the whole machine has been suspended.
 */
export class Watch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #unanswered = 0;

  constructor(worker: Pick<WorkerProcess, 'ask'>, silenceMax: Seconds, onSilent: () => void) {
    const ask = () => {
      if (this.#unanswered >= UNANSWERED_MAX) {
        this[Symbol.dispose]();
        onSilent();
        return;
      }
      this.#unanswered += 1;
      worker.ask(() => {
        this.#unanswered = 0;
      });
    };
    this.#timer = setInterval(ask, (silenceMax * 1000) / UNANSWERED_MAX).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
