import type { Delivery } from '#src/outbox/delivery.ts';

/** How many attempts one node makes at the same time, and how many of those may be of one kind. */
export interface TurnsPolicy {
  readonly parallel: number;
  readonly parallelPerOrigin: number;
  /** Of `parallel`, in percent: for what is not likely to go well. */
  readonly retriesPercent: number;
  /** Of `parallel`, in percent: for clients that came uninvited. */
  readonly uninvitedPercent: number;
}

/** What has to be known of a delivery to find its place. */
export type Waiting = Pick<Delivery, 'recipient' | 'destination' | 'attempts'>;

/** The place of an attempt that is under way. */
export interface Turn {
  /** Gives the place back. `reached`: whether the server that was called answered as it should. */
  end(reached: boolean | null): void;
}

/** How many origins are remembered that could not be reached. */
const UNREACHED_MAX = 10_000;

/**
 * Whose turn it is. Servers that do not answer keep a place for as long as they are waited for, so no origin has more
 * than a few, nor has what has failed before, nor clients that came uninvited: there is always a place left for the
 * others. A recipient is told one thing after the other.
 */
export class Turns {
  readonly #limits: { readonly retries: number; readonly uninvited: number } & TurnsPolicy;
  readonly #recipients = new Set<string>();
  readonly #byOrigin = new Map<string, number>();
  readonly #unreached = new Set<string>();
  #retries = 0;
  #uninvited = 0;

  constructor(policy: TurnsPolicy) {
    const share = (percent: number) => Math.max(1, Math.floor((policy.parallel * percent) / 100));
    this.#limits = {
      ...policy,
      retries: share(policy.retriesPercent),
      uninvited: share(policy.uninvitedPercent),
    };
  }

  /** True if nobody at all has a place left. */
  get full(): boolean {
    return this.#recipients.size >= this.#limits.parallel;
  }

  /** True if it has failed before, or the last call to its origin has, whoever was told what. */
  isDoubtful({ attempts, destination }: Waiting): boolean {
    return attempts > 0 || this.#unreached.has(destination.origin);
  }

  /** A place for an attempt; `null` while there is none for this one. */
  take(waiting: Waiting): Turn | null {
    const { recipient, destination } = waiting;
    const { origin, uninvited } = destination;
    const doubtful = this.isDoubtful(waiting);
    const limits = this.#limits;
    const atOrigin = this.#byOrigin.get(origin) ?? 0;
    if (this.full || this.#recipients.has(recipient) || atOrigin >= limits.parallelPerOrigin) return null;
    if (doubtful && this.#retries >= limits.retries) return null;
    if (uninvited && this.#uninvited >= limits.uninvited) return null;
    this.#recipients.add(recipient);
    this.#byOrigin.set(origin, atOrigin + 1);
    this.#retries += Number(doubtful);
    this.#uninvited += Number(uninvited);
    return {
      end: (reached) => {
        this.#recipients.delete(recipient);
        this.#leave(origin);
        this.#retries -= Number(doubtful);
        this.#uninvited -= Number(uninvited);
        if (reached !== null) this.#note(origin, reached);
      },
    };
  }

  #leave(origin: string): void {
    const left = (this.#byOrigin.get(origin) ?? 1) - 1;
    if (left === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, left);
  }

  #note(origin: string, reached: boolean): void {
    this.#unreached.delete(origin);
    if (reached) return;
    this.#unreached.add(origin);
    if (this.#unreached.size <= UNREACHED_MAX) return;
    const [oldest] = this.#unreached;
    this.#unreached.delete(oldest as string);
  }
}
