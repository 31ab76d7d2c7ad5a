import { Refusal } from '#src/fault.ts';
import type { Seconds } from '#src/units.ts';

export interface WaitingLineOptions {
  /** How many tasks run at once. */
  readonly concurrency: number;
  /** How many more may wait. */
  readonly queueMax: number;
  /** How long one may wait before it is turned away. */
  readonly waitMax: Seconds;
}

/**
 * Runs costly tasks, a few at a time and in the order they came. Turning somebody away costs nothing, so that
 * a crowd is told at once to come back later instead of being kept waiting past the patience of every
 * browser.
 */
export class WaitingLine {
  readonly #options: WaitingLineOptions;
  /** In order of arrival: a Set keeps it, and lets the one who gives up leave from the middle. */
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(options: WaitingLineOptions) {
    this.#options = options;
  }

  /** @throws Refusal `overloaded`, and whatever the task throws. */
  async whenFree<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.concurrency) this.#running += 1;
    else await this.#turn();
    try {
      return await task();
    } finally {
      this.#passOn();
    }
  }

  /** Resolves when a place has been passed on to the caller, who then counts among the running. */
  #turn(): Promise<void> {
    if (this.#waiting.size >= this.#options.queueMax) return Promise.reject(overloaded('the line is full'));
    return new Promise((resolve, reject) => {
      const enter = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(enter);
        reject(overloaded('waited too long'));
      }, this.#options.waitMax * 1000);
      this.#waiting.add(enter);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

function overloaded(why: string): Refusal {
  return new Refusal('overloaded', 'The server is busy. Please try again in a moment.', { why });
}
