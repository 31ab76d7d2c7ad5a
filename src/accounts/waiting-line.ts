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

/** Told what becomes of the tasks; times are in milliseconds. */
export interface LineObserver {
  served(waitedMs: number, tookMs: number): void;
  turnedAway(why: 'full' | 'waited-too-long'): void;
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
  readonly #observers: LineObserver[] = [];

  constructor(options: WaitingLineOptions) {
    this.#options = options;
  }

  /** How many tasks wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** How many tasks are under way. */
  get running(): number {
    return this.#running;
  }

  /** Has somebody told from now on, beside those who are told already. Told within what the task was done for. */
  observe(observer: LineObserver): void {
    this.#observers.push(observer);
  }

  /** @throws Refusal `overloaded`, and whatever the task throws. */
  async whenFree<T>(task: () => Promise<T>): Promise<T> {
    const arrivedAt = performance.now();
    if (this.#running < this.#options.concurrency) this.#running += 1;
    else await this.#turn();
    const beganAt = performance.now();
    try {
      return await task();
    } finally {
      this.#passOn();
      for (const each of this.#observers) each.served(beganAt - arrivedAt, performance.now() - beganAt);
    }
  }

  /** Resolves when a place has been passed on to the caller, who then counts among the running. */
  #turn(): Promise<void> {
    if (this.#waiting.size >= this.#options.queueMax) {
      for (const each of this.#observers) each.turnedAway('full');
      return Promise.reject(overloaded('the line is full'));
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(enter);
        for (const each of this.#observers) each.turnedAway('waited-too-long');
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
