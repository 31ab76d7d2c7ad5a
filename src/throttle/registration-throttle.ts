import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { between, type Seconds } from '#src/units.ts';

/** Bounds how often one address may try to register a client, in a fixed window. */
export class RegistrationThrottle {
  readonly #records: Pick<Records, 'hit'>;
  readonly #clock: Clock;
  readonly #perAddress: number;
  readonly #window: Seconds;

  constructor(options: {
    records: Pick<Records, 'hit'>;
    clock: Clock;
    perAddress: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#perAddress = options.perAddress;
    this.#window = options.window;
  }

  /** Counts a try. @throws Refusal `registration_throttled`, with `retryAfter` in seconds in its detail. */
  async admit(address: string): Promise<void> {
    const { count, resetsAt } = await this.#records.hit(
      `registration:${addressPrefix(address)}`,
      this.#window,
    );
    if (count <= this.#perAddress) return;
    const retryAfter = Math.max(1, between(this.#clock.now(), resetsAt));
    throw new Refusal('registration_throttled', 'too many registrations from this address', { retryAfter });
  }
}
