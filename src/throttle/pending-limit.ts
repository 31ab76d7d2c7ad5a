import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

export type PendingAdmission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly retryAfter: Seconds };

/**
 * How often a person can be asked to approve something. Whoever asks again and again hopes that they say yes to have
 * it end, so what waits for one person is bounded, and so is how often one client asks one person.
 */
export class PendingLimit {
  readonly #records: Pick<Records, 'find' | 'findByAlias' | 'put' | 'remove' | 'hit'>;
  readonly #clock: Clock;
  readonly #limits: { waiting: number; asked: number; window: Seconds };

  constructor(options: {
    records: Pick<Records, 'find' | 'findByAlias' | 'put' | 'remove' | 'hit'>;
    clock: Clock;
    waitingPerAccount: number;
    askedPerClient: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#limits = {
      waiting: options.waitingPerAccount,
      asked: options.askedPerClient,
      window: options.window,
    };
  }

  /** Takes one of the places that the person has, until then or until it is given back, however many try at once. */
  async admit(request: {
    id: string;
    subject: string;
    clientId: string;
    until: EpochSeconds;
  }): Promise<PendingAdmission> {
    const { id, subject, clientId, until } = request;
    const counter = `asked:${JSON.stringify([subject, clientId])}`;
    const { count, resetsAt } = await this.#records.hit(counter, this.#limits.window);
    if (count > this.#limits.asked) return this.#refused(resetsAt);
    for (let place = 0; place < this.#limits.waiting; place += 1) {
      const { outcome } = await this.#records.put({
        kind: 'pending-place',
        id: placeId(subject, place),
        value: null,
        expiresAt: until,
        aliases: [id],
        onlyIf: 'absent',
      });
      if (outcome === 'stored') return { admitted: true };
    }
    return this.#refused(await this.#firstFreeAt(subject));
  }

  /** Gives the place of a request back. */
  async release(id: string): Promise<void> {
    const place = await this.#records.findByAlias('pending-place', id);
    if (place !== null) await this.#records.remove('pending-place', place.id);
  }

  async #firstFreeAt(subject: string): Promise<EpochSeconds> {
    const now = this.#clock.now();
    const places = Array.from({ length: this.#limits.waiting }, (_, place) => placeId(subject, place));
    const taken = await Promise.all(places.map((id) => this.#records.find('pending-place', id)));
    return Math.min(...taken.map((place) => place?.expiresAt ?? now)) as EpochSeconds;
  }

  #refused(until: EpochSeconds): PendingAdmission {
    return { admitted: false, retryAfter: seconds(Math.max(1, between(this.#clock.now(), until))) };
  }
}

const placeId = (subject: string, place: number) => JSON.stringify([subject, place]);
