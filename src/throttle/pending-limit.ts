import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** What a client asks of a person. */
export interface AskedRequest {
  readonly id: string;
  readonly clientId: string;
  /** By what the client names the person, in one spelling. */
  readonly hint: string;
  /** Whom it names; something that is nobody's subject where there is no such person. */
  readonly subject: string;
  readonly until: EpochSeconds;
}

export type PendingAdmission =
  /** `reachesPerson`: false if its client, by whichever names, has asked the person too often to ask once more. */
  | { readonly admitted: true; readonly reachesPerson: boolean }
  | { readonly admitted: false; readonly retryAfter: Seconds };

/**
 * How often a person can be asked to approve something. Whoever asks again and again hopes that they say yes to have
 * it end, so it is bounded how often one client asks one person, and how much of it may wait.
 *
 * What a client is refused follows from its own requests and from what it called the person in them, and from nothing
 * else: so it is the same whether or not there is such a person, and no client finds out that two names, or a name
 * and an ID token, are one person's. That the person is asked no more often under several names is seen to where the
 * client does not see it: a request too many waits for nobody.
 */
export class PendingLimit {
  readonly #records: Pick<Records, 'find' | 'findByAlias' | 'put' | 'remove' | 'hit'>;
  readonly #clock: Clock;
  readonly #limits: { waiting: number; asked: number; window: Seconds };

  constructor(options: {
    records: Pick<Records, 'find' | 'findByAlias' | 'put' | 'remove' | 'hit'>;
    clock: Clock;
    /** How many requests of one client may wait for one person. */
    waiting: number;
    /** How many requests one client may make for one person in a window. */
    asked: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    const { waiting, asked, window } = options;
    this.#limits = { waiting, asked, window };
  }

  /** Takes one of the places of a client, until then or until it is given back, however many try at once. */
  async admit(request: AskedRequest): Promise<PendingAdmission> {
    const { clientId, subject } = request;
    const { asked, window } = this.#limits;
    const { count, resetsAt } = await this.#records.hit(`asked:${whatClientSees(request)}`, window);
    if (count > asked) return this.#refused(resetsAt);
    if (!(await this.#takePlace(request))) return this.#refused(await this.#firstFreeAt(request));
    const ofPerson = await this.#records.hit(`asked-person:${JSON.stringify([clientId, subject])}`, window);
    return { admitted: true, reachesPerson: ofPerson.count <= asked };
  }

  /** Gives the place of a request back. */
  async release(id: string): Promise<void> {
    const place = await this.#records.findByAlias('pending-place', id);
    if (place !== null) await this.#records.remove('pending-place', place.id);
  }

  async #takePlace(request: AskedRequest): Promise<boolean> {
    for (let place = 0; place < this.#limits.waiting; place += 1) {
      const { outcome } = await this.#records.put({
        kind: 'pending-place',
        id: placeId(request, place),
        value: null,
        expiresAt: request.until,
        aliases: [request.id],
        onlyIf: 'absent',
      });
      if (outcome === 'stored') return true;
    }
    return false;
  }

  async #firstFreeAt(request: AskedRequest): Promise<EpochSeconds> {
    const now = this.#clock.now();
    const places = Array.from({ length: this.#limits.waiting }, (_, place) => placeId(request, place));
    const taken = await Promise.all(places.map((id) => this.#records.find('pending-place', id)));
    return Math.min(...taken.map((place) => place?.expiresAt ?? now)) as EpochSeconds;
  }

  #refused(until: EpochSeconds): PendingAdmission {
    return { admitted: false, retryAfter: seconds(Math.max(1, between(this.#clock.now(), until))) };
  }
}

const whatClientSees = ({ clientId, hint }: AskedRequest) => JSON.stringify([clientId, hint]);

const placeId = ({ clientId, hint }: AskedRequest, place: number) => JSON.stringify([clientId, hint, place]);
