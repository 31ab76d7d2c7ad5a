import type { Clock } from '#src/clock.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

interface Task {
  readonly at: EpochSeconds;
  readonly run: () => Promise<void>;
}

/**
 * Time as the drill has it: it stands still while something is done, and then goes on to whatever is due next. What is
 * due in the same second is done in the order in which it was entered.
 */
export class Timetable {
  readonly start: EpochSeconds;
  #now: EpochSeconds;
  #tasks: readonly Task[] = [];

  constructor(start: EpochSeconds) {
    this.start = start;
    this.#now = start;
  }

  get now(): EpochSeconds {
    return this.#now;
  }

  /** A clock that is ahead of the time by so much. */
  clock(ahead: Seconds): Clock {
    return { now: () => after(this.#now, ahead) };
  }

  at(time: EpochSeconds, run: () => Promise<void>): void {
    const place = this.#tasks.findIndex(({ at }) => at > time);
    this.#tasks = this.#tasks.toSpliced(place < 0 ? this.#tasks.length : place, 0, { at: time, run });
  }

  /** Does something again and again, each time after a pause that is asked for anew. */
  every(pause: () => Seconds, run: () => Promise<void>): void {
    this.at(after(this.#now, pause()), async () => {
      await run();
      this.every(pause, run);
    });
  }

  /** Lets time pass until `end`, and does what is due up to then. Throws what a task throws, or the signal's reason. */
  async run(end: EpochSeconds, signal: AbortSignal): Promise<void> {
    for (let [task] = this.#tasks; task !== undefined && task.at <= end; [task] = this.#tasks) {
      signal.throwIfAborted();
      this.#tasks = this.#tasks.slice(1);
      this.#now = task.at;
      await task.run();
    }
    this.#now = end;
  }
}
