import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { between, type Seconds } from '#src/units.ts';

/** Bounds how often one address may bring a client that nobody has registered, or its logo, in a fixed window. */
export class RegistrationThrottle {
  readonly #records: Pick<Records, 'hit'>;
  readonly #clock: Clock;
  readonly #what: string;
  readonly #perAddress: number;
  readonly #window: Seconds;

  constructor(options: {
    records: Pick<Records, 'hit'>;
    clock: Clock;
    /** What is counted apart from everything else. */
    what: 'registration' | 'metadata-document' | 'client-logo';
    perAddress: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#what = options.what;
    this.#perAddress = options.perAddress;
    this.#window = options.window;
  }

  /** Counts a try. @throws Refusal `registration_throttled`, with `retryAfter` in seconds in its detail. */
  async admit(address: string): Promise<void> {
    const { count, resetsAt } = await this.#records.hit(
      `${this.#what}:${addressPrefix(address)}`,
      this.#window,
    );
    if (count <= this.#perAddress) return;
    const retryAfter = Math.max(1, between(this.#clock.now(), resetsAt));
    throw new Refusal(
      'registration_throttled',
      'too many clients that nobody has registered come from this address',
      { retryAfter },
    );
  }
}
