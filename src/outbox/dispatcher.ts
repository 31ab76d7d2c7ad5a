import type { Clock } from '#src/clock.ts';
import {
  attempted,
  type Delivery,
  type DeliveryPolicy,
  isExhausted,
  tooLateAt,
} from '#src/outbox/delivery.ts';
import type { Outbox } from '#src/outbox/outbox.ts';
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

export interface DispatcherOptions extends DeliveryPolicy {
  readonly outbox: Pick<Outbox, 'onPosted'>;
  readonly records: Pick<Records, 'find' | 'list' | 'put' | 'remove'>;
  readonly clock: Clock;
  /** How many attempts one node makes at the same time. */
  readonly parallel: number;
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

/** How many deliveries to one recipient are held in mind while another is under way; the store has the others too. */
const WAITING_MAX = 1000;

/**
 * Delivers what is in the outbox, each delivery at least once. Of any number of nodes one makes an attempt: whoever
 * wins the compare-and-set that counts it.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #options: DispatcherOptions;
  /** By recipient. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Identifiers of what is due, and waits for another attempt at the same recipient. */
  readonly #waiting = new Map<string, Set<string>>();
  #crowded = false;
  #subscription: Disposable | null = null;
  #after: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Delivers in the background until disposed. Keeps no process alive. */
  start(): void {
    this.#subscription = this.#options.outbox.onPosted((id) => void this.#beginById(id));
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
   * Looks at some of what is stored, where the last step ended, and begins what is due and has room. Answers how soon
   * to look again, in milliseconds.
   */
  async step(): Promise<number> {
    const { records, pollEvery } = this.#options;
    const after = this.#after;
    const page = await records.list<Delivery>('delivery', {
      limit: STEP_RECORDS,
      ...(after === null ? undefined : { after }),
    });
    this.#crowded = false;
    for (const record of page.records) this.#begin(record);
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

  async #beginById(id: string): Promise<void> {
    try {
      const record = await this.#options.records.find<Delivery>('delivery', id);
      if (record !== null) this.#begin(record);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #begin(record: StoredRecord<Delivery>): void {
    const { clock, parallel, senders } = this.#options;
    const { recipient, topic, dueAt } = record.value;
    const send = senders[topic];
    if (this.#stopped || send === undefined || dueAt > clock.now()) return;
    if (this.#underWay.has(recipient)) {
      this.#waitForTurn(recipient, record.id);
      return;
    }
    if (this.#underWay.size >= parallel) {
      this.#crowded = true;
      return;
    }
    const attempt = this.#attempt(record, send)
      .catch(this.#options.onFault)
      .finally(() => {
        this.#underWay.delete(recipient);
        this.#takeTurn(recipient);
      });
    this.#underWay.set(recipient, attempt);
  }

  #waitForTurn(recipient: string, id: string): void {
    const waiting = this.#waiting.get(recipient) ?? new Set();
    if (waiting.size < WAITING_MAX) this.#waiting.set(recipient, waiting.add(id));
  }

  #takeTurn(recipient: string): void {
    const waiting = this.#waiting.get(recipient) ?? new Set();
    const [id] = waiting;
    if (id === undefined) {
      this.#waiting.delete(recipient);
      return;
    }
    waiting.delete(id);
    void this.#beginById(id);
  }

  async #attempt({ id, value, version }: StoredRecord<Delivery>, send: Send): Promise<void> {
    const policy = this.#options;
    const { clock, records, onAttempt } = this.#options;
    const delivery = attempted(value, clock.now(), policy);
    const { outcome: claim } = await records.put<Delivery>({
      kind: 'delivery',
      id,
      value: delivery,
      expiresAt: tooLateAt(delivery, policy),
      onlyIf: { version },
    });
    if (claim !== 'stored') return;
    const { topic, recipient, attempts, dueAt } = delivery;
    const said = { topic, recipient, attempts };
    try {
      const outcome = await send(delivery.content as never);
      await records.remove('delivery', id);
      onAttempt({ ...said, outcome });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!isExhausted(delivery, policy)) return onAttempt({ ...said, outcome: 'failed', reason, dueAt });
      await records.remove('delivery', id);
      onAttempt({ ...said, outcome: 'given-up', reason });
    }
  }
}
