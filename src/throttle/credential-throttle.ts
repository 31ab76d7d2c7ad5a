import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { between, type Seconds, seconds } from '#src/units.ts';

export type Admission =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly retryAfter: Seconds };

/**
 * Slows down whoever tries credentials of machines from one address. They are random and cannot be guessed, so this only
 * keeps the trying cheap. Failures are counted and not attempts, so that whoever has the right ones is never held up by
 * their own number.
 */
export class CredentialThrottle {
  readonly #records: Pick<Records, 'hit' | 'counted'>;
  readonly #clock: Clock;
  readonly #failuresMax: number;
  readonly #window: Seconds;

  constructor(options: {
    records: Pick<Records, 'hit' | 'counted'>;
    clock: Clock;
    failuresMax: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#failuresMax = options.failuresMax;
    this.#window = options.window;
  }

  /** Whether the address may try. Costs one small read. */
  async admit(address: string): Promise<Admission> {
    const failures = await this.#records.counted(counterOf(address));
    if (failures === null || failures.count < this.#failuresMax) return { allowed: true };
    return {
      allowed: false,
      retryAfter: seconds(Math.max(1, between(this.#clock.now(), failures.resetsAt))),
    };
  }

  async recordFailure(address: string): Promise<void> {
    await this.#records.hit(counterOf(address), this.#window);
  }
}

const counterOf = (address: string) => `credential-failures:${addressPrefix(address)}`;
