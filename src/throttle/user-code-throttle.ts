import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { after, between, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

export type UserCodeAdmission =
  | { readonly admitted: true; readonly attempt: UserCodeAttempt }
  | { readonly admitted: false; readonly retryAfter: Seconds };

export interface UserCodeAttempt {
  readonly address: string;
  readonly windowStart: EpochSeconds;
}

/**
 * Slows down guessing at user codes, which are short because people type them: RFC 8628 section 5.1. Whoever guesses
 * need not know whose code it is, so all that can be bounded is how many wrong codes come from one address, and how
 * many from all addresses together. The latter keeps a botnet from guessing without end, at the price that it can keep
 * everybody from entering a code for the rest of a window.
 *
 * An attempt counts as wrong from its beginning, and until its code turns out to be right: however many come at the same
 * moment, no more than the limit get to see whether theirs exists. For that the two counters of a window must begin
 * together, so windows are those of the clock and do not begin with their first attempt.
 */
export class UserCodeThrottle {
  readonly #records: Pick<Records, 'hit' | 'counted'>;
  readonly #clock: Clock;
  readonly #window: Seconds;
  readonly #limits: { perAddress: number; overall: number };

  constructor(options: {
    records: Pick<Records, 'hit' | 'counted'>;
    clock: Clock;
    wrongPerAddress: number;
    wrongOverall: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#window = options.window;
    this.#limits = { perAddress: options.wrongPerAddress, overall: options.wrongOverall };
  }

  /** Whether a code may be looked for. If it is found, say so by `recordRight`; a wrong one needs no word. */
  async admit(address: string): Promise<UserCodeAdmission> {
    const now = this.#clock.now();
    const windowStart = epochSeconds(now - (now % this.#window));
    const attempt = { address, windowStart };
    const { fromAddress, overall } = countersOf(attempt);
    // What one address is refused must not use up what everybody has.
    const admitted =
      (await this.#mayBeWrong(fromAddress, this.#limits.perAddress)) &&
      (await this.#mayBeWrong(overall, this.#limits.overall));
    if (admitted) return { admitted, attempt };
    return { admitted, retryAfter: between(now, after(windowStart, this.#window)) };
  }

  /** The code was there. */
  async recordRight(attempt: UserCodeAttempt): Promise<void> {
    const { fromAddress, overall } = countersOf(attempt);
    await Promise.all(
      [fromAddress, overall].map((counter) => this.#records.hit(right(counter), this.#window)),
    );
  }

  async #mayBeWrong(counter: string, limit: number): Promise<boolean> {
    const begun = await this.#records.hit(counter, this.#window);
    const foundRight = await this.#records.counted(right(counter));
    return begun.count - (foundRight?.count ?? 0) <= limit;
  }
}

function countersOf({ address, windowStart }: UserCodeAttempt) {
  return {
    fromAddress: `user-code:${windowStart}:${addressPrefix(address)}`,
    overall: `user-code:${windowStart}`,
  };
}

const right = (counter: string) => `${counter}:right`;
