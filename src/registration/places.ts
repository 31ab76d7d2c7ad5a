import type { Client } from '#src/clients/client.ts';
import type { ClientRegistry } from '#src/clients/client-registry.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { after, between, type Seconds } from '#src/units.ts';

/** While places are plenty, one that is picked at random is mostly free; then it is time to look. */
const PICKS_MAX = 8;

/**
 * A bounded number of places for clients that come uninvited. A client holds its place while it is used, so what
 * nobody uses makes room by itself. Each place is held by one client at most, whatever happens at once.
 */
export class Places {
  readonly #clients: ClientRegistry;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #max: number;
  readonly #unusedFor: Seconds;

  constructor(options: {
    clients: ClientRegistry;
    clock: Clock;
    random: Random;
    max: number;
    unusedFor: Seconds;
  }) {
    this.#clients = options.clients;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#max = options.max;
    this.#unusedFor = options.unusedFor;
  }

  /** Stores a new client in a place of its own, and answers with it. @throws Refusal `registrations_full` */
  async take(client: Client): Promise<Client> {
    for (let pick = 0; pick < PICKS_MAX; pick += 1) {
      const placed = this.#placed(client, this.#random.bytes(4).readUInt32BE() % this.#max);
      if ((await this.#clients.put(placed)) === 'stored') return placed;
    }
    const held = await this.#held();
    for (let number = 0; number < this.#max; number += 1) {
      if (held.has(number)) continue;
      const placed = this.#placed(client, number);
      if ((await this.#clients.put(placed)) === 'stored') return placed;
    }
    throw new Refusal('registrations_full', 'there is no room for another client that registers itself');
  }

  /** Has a client that is used keep its place. Writes once in a while, not at every use. */
  async keep({ clientId, registeredBy }: Client): Promise<void> {
    if (registeredBy.by !== 'registration' || registeredBy.place === null) return;
    const left = between(this.#clock.now(), registeredBy.place.heldUntil);
    if (left > this.#unusedFor / 2) return;
    await this.#clients.hold(clientId, after(this.#clock.now(), this.#unusedFor));
  }

  #placed(client: Client, number: number): Client {
    if (client.registeredBy.by !== 'registration') throw new Error('only who comes uninvited takes a place');
    const place = { number, heldUntil: after(this.#clock.now(), this.#unusedFor) };
    return { ...client, registeredBy: { ...client.registeredBy, place } };
  }

  async #held(): Promise<ReadonlySet<number>> {
    const numbers = new Set<number>();
    for await (const { registeredBy } of this.#clients.list()) {
      if (registeredBy.by === 'registration' && registeredBy.place !== null)
        numbers.add(registeredBy.place.number);
    }
    return numbers;
  }
}
