import type { Clock } from '#src/clock.ts';
import { StorageFault } from '#src/fault.ts';
import { type Delivery, type DeliveryPolicy, tooLateAt } from '#src/outbox/delivery.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';

/** What is to be told to the servers of others, in the store. Any process may post; servers deliver. */
export class Outbox {
  readonly #records: Pick<Records, 'put'>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #policy: DeliveryPolicy;
  readonly #listeners = new Set<(id: string) => void>();

  constructor(options: {
    records: Pick<Records, 'put'>;
    clock: Clock;
    random: Random;
    policy: DeliveryPolicy;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#policy = options.policy;
  }

  /** Once this returns, the delivery will be tried, whatever becomes of this process. @throws StorageFault */
  async post(message: Pick<Delivery, 'topic' | 'recipient' | 'destination' | 'content'>): Promise<void> {
    const now = this.#clock.now();
    const delivery: Delivery = { ...message, postedAt: now, attempts: 0, dueAt: now };
    const id = newIdentifier(this.#random);
    const expiresAt = tooLateAt(delivery, this.#policy);
    const { outcome } = await this.#records.put<Delivery>({
      kind: 'delivery',
      id,
      value: delivery,
      expiresAt,
      onlyIf: 'absent',
    });
    if (outcome !== 'stored') throw new StorageFault(`a delivery could not be stored: ${outcome}`);
    for (const listener of this.#listeners) listener(id);
  }

  /** Tells of what this process posts, at once. What others post has to be looked for. */
  onPosted(listener: (id: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
