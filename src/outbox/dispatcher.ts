import type { Clock } from '#src/clock.ts';
import {
  attempted,
  type Delivery,
  type DeliveryPolicy,
  isExhausted,
  tooLateAt,
} from '#src/outbox/delivery.ts';
import type { Outbox } from '#src/outbox/outbox.ts';
import { type Turn, Turns, type TurnsPolicy } from '#src/outbox/turns.ts';
import type { Records, StoredRecord } from '#src/records.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/**
 * Tells a recipient something; what it throws is a failed attempt, which may be followed by others. It must come to an
 * end by itself before `DeliveryPolicy.retryAfter` is over. `unwanted`: nobody is there any more who wants to know.
 */
export type Send = (content: never) => Promise<'delivered' | 'unwanted'>;

/** What came of an attempt. */
export interface Attempt {
  readonly outcome: 'delivered' | 'unwanted' | 'failed' | 'given-up';
  readonly topic: string;
  readonly recipient: string;
  readonly attempts: number;
  /** Why it failed. */
  readonly reason?: string;
  /** After `failed`: not to be tried before. */
  readonly dueAt?: EpochSeconds;
}

export interface DispatcherOptions extends DeliveryPolicy, TurnsPolicy {
  readonly outbox: Pick<Outbox, 'onPosted'>;
  readonly records: Pick<Records, 'find' | 'list' | 'put' | 'remove'>;
  readonly clock: Clock;
  /** How often is looked for what other processes have posted, and for what is due again. */
  readonly pollEvery: Seconds;
  /** By topic. What has another topic is left to other nodes. */
  readonly senders: Readonly<Record<string, Send>>;
  readonly onAttempt: (attempt: Attempt) => void;
  readonly onFault: (error: unknown) => void;
}

/** How many deliveries one step looks at, so that many that wait never hold up requests. */
const STEP_RECORDS = 100;
const PAUSE_BETWEEN_STEPS_MS = 100;

/** How many deliveries, and of one recipient, are held in mind while they wait; the store has the others too. */
const WAITING_MAX = 10_000;
const WAITING_OF_RECIPIENT_MAX = 100;

/**
 * Delivers what is in the outbox, each delivery at least once. Of any number of nodes one makes an attempt: whoever
 * wins the compare-and-set that counts it. What waits for its turn is looked at whenever a place becomes free, what has
 * not been tried yet first.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #options: DispatcherOptions;
  readonly #turns: Turns;
  /** By identifier. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** What is due and has no place yet, by identifier, and how much of it by recipient. */
  readonly #waiting = new Map<string, Delivery>();
  readonly #waitingOf = new Map<string, number>();
  #crowded = false;
  #subscription: Disposable | null = null;
  #after: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#turns = new Turns(options);
  }

  /** How many deliveries are due and wait for a place; no more than `WAITING_MAX` are held in mind. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** What can be told here. */
  get topics(): readonly string[] {
    return Object.keys(this.#options.senders);
  }

  /** How many attempts are under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Delivers in the background until disposed. Keeps no process alive. */
  start(): void {
    this.#subscription = this.#options.outbox.onPosted((id) => void this.#considerById(id));
    this.#plan(0);
  }

  /** Begins no further attempt, and waits for those that are under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#subscription?.[Symbol.dispose]();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#step;
    await Promise.all(this.#underWay.values());
  }

  /**
   * Looks at some of what is stored, where the last step ended, and begins what is due and has a place. Answers how
   * soon to look again, in milliseconds.
   */
  async step(): Promise<number> {
    const { records, pollEvery } = this.#options;
    const after = this.#after;
    const page = await records.list<Delivery>('delivery', {
      limit: STEP_RECORDS,
      ...(after === null ? undefined : { after }),
    });
    this.#crowded = false;
    for (const record of page.records) this.#consider(record);
    this.#beginWaiting();
    this.#after = page.next;
    return page.next === null && !this.#crowded ? pollEvery * 1000 : PAUSE_BETWEEN_STEPS_MS;
  }

  /** Settles when no attempt is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
  }

  #plan(pauseMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#step = this.#stepAndPlan();
    }, pauseMs).unref();
  }

  async #stepAndPlan(): Promise<void> {
    let pauseMs = this.#options.pollEvery * 1000;
    try {
      pauseMs = await this.step();
    } catch (error) {
      this.#options.onFault(error);
    }
    this.#plan(pauseMs);
  }

  async #considerById(id: string): Promise<void> {
    try {
      const record = await this.#options.records.find<Delivery>('delivery', id);
      if (record === null) return;
      this.#consider(record);
      this.#beginWaiting();
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #isDue({ topic, dueAt }: Delivery): boolean {
    return this.#options.senders[topic] !== undefined && dueAt <= this.#options.clock.now();
  }

  /** Puts what is due with what waits for its turn, if there is room; else it is found again by a later step. */
  #consider({ id, value }: StoredRecord<Delivery>): void {
    if (!this.#isDue(value) || this.#underWay.has(id) || this.#waiting.has(id)) return;
    const { recipient } = value;
    const ofRecipient = this.#waitingOf.get(recipient) ?? 0;
    if (this.#waiting.size >= WAITING_MAX || ofRecipient >= WAITING_OF_RECIPIENT_MAX) {
      this.#crowded = true;
      return;
    }
    this.#waiting.set(id, value);
    this.#waitingOf.set(recipient, ofRecipient + 1);
  }

  /** Begins all that there is a place for. */
  #beginWaiting(): void {
    for (const doubtful of [false, true]) {
      for (const [id, delivery] of this.#waiting) {
        if (this.#stopped || this.#turns.full) return;
        if (this.#turns.isDoubtful(delivery) !== doubtful) continue;
        const turn = this.#turns.take(delivery);
        if (turn !== null) this.#begin(id, delivery, turn);
      }
    }
  }

  #begin(id: string, { recipient }: Delivery, turn: Turn): void {
    this.#waiting.delete(id);
    const left = (this.#waitingOf.get(recipient) ?? 1) - 1;
    if (left === 0) this.#waitingOf.delete(recipient);
    else this.#waitingOf.set(recipient, left);
    const attempt = this.#attempt(id).catch((error) => {
      this.#options.onFault(error);
      return null;
    });
    this.#underWay.set(
      id,
      attempt.then((reached) => {
        this.#underWay.delete(id);
        turn.end(reached);
        this.#beginWaiting();
      }),
    );
  }

  /** Makes an attempt, if it is still to be made. Answers whether the recipient was reached; `null` if nobody was called. */
  async #attempt(id: string): Promise<boolean | null> {
    const { clock, records, onAttempt, senders, ...policy } = this.#options;
    // It may have waited, and been tried by another node meanwhile.
    const record = await records.find<Delivery>('delivery', id);
    if (record === null || !this.#isDue(record.value)) return null;
    const delivery = attempted(record.value, clock.now(), policy);
    const { outcome: claim } = await records.put<Delivery>({
      kind: 'delivery',
      id,
      value: delivery,
      expiresAt: tooLateAt(delivery, policy),
      onlyIf: { version: record.version },
    });
    if (claim !== 'stored') return null;
    const { topic, recipient, attempts, dueAt } = delivery;
    const said = { topic, recipient, attempts };
    let outcome: 'delivered' | 'unwanted';
    try {
      outcome = await (senders[topic] as Send)(delivery.content as never);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const last = isExhausted(delivery, policy);
      if (last) await records.remove('delivery', id);
      onAttempt(
        last ? { ...said, outcome: 'given-up', reason } : { ...said, outcome: 'failed', reason, dueAt },
      );
      return false;
    }
    await records.remove('delivery', id);
    onAttempt({ ...said, outcome });
    return outcome === 'delivered' ? true : null;
  }
}
