import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { Fallen } from '#src/revocations/fallen.ts';
import { REVOCATIONS, type RevocationNote } from '#src/revocations/note.ts';
import { readRevocation } from '#src/revocations/revocation.ts';

/** How many entries are read at a time, with room for requests between. */
const PAGE_ENTRIES = 500;

/**
 * Follows the log of revocations: what this process adds is known at once, what others add when the log is looked at,
 * which is done every so often while anybody listens, and whenever it is asked for.
 */
export class RevocationFeed implements AsyncDisposable {
  readonly fallen = new Fallen();
  readonly #records: Pick<Records, 'readLog' | 'onAdded'>;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #onFault: (error: unknown) => void;
  readonly #listeners = new Set<() => void>();
  readonly #added: Disposable;
  #position = 0;
  #reading: Promise<void> | null = null;
  #wanted = false;
  #looking = false;
  #timer: NodeJS.Timeout | null = null;
  #disposed = false;

  constructor(options: {
    records: Pick<Records, 'readLog' | 'onAdded'>;
    clock: Clock;
    pollMs: number;
    /** Told of what went wrong in the background; the next look catches up. */
    onFault: (error: unknown) => void;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#pollMs = options.pollMs;
    this.#onFault = options.onFault;
    this.#added = options.records.onAdded(REVOCATIONS, () => {
      if (this.#listeners.size > 0) this.#look();
    });
  }

  /** Resolves when everything that had been added before the call is in `fallen`. @throws StorageFault */
  async catchUp(): Promise<void> {
    // A reading that is under way may have looked before the call.
    if (this.#reading !== null) await this.#reading.catch(() => {});
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  /** Calls `advanced` whenever the log has grown, until disposed. */
  listen(advanced: () => void): Disposable {
    this.#listeners.add(advanced);
    this.#poll();
    return { [Symbol.dispose]: () => void this.#listeners.delete(advanced) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#added[Symbol.dispose]();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#reading?.catch(() => {});
  }

  #poll(): void {
    if (this.#timer !== null || this.#disposed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#listeners.size === 0) return;
      this.#look();
      this.#poll();
    }, this.#pollMs).unref();
  }

  /** One look at a time, and one more for whatever was added meanwhile. */
  #look(): void {
    this.#wanted = true;
    if (this.#looking || this.#disposed) return;
    this.#looking = true;
    void this.#lookWhileWanted().finally(() => {
      this.#looking = false;
    });
  }

  async #lookWhileWanted(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.catchUp().catch(this.#onFault);
    }
  }

  async #read(): Promise<void> {
    this.fallen.forget(this.#clock.now());
    for (;;) {
      const after = this.#position;
      const page = await this.#records.readLog<RevocationNote>(REVOCATIONS, { after, limit: PAGE_ENTRIES });
      if (page.next < after) this.fallen.clear();
      for (const entry of page.entries) this.fallen.add(readRevocation(entry));
      this.#position = page.next < after ? 0 : page.next;
      if (page.entries.length > 0) for (const advanced of this.#listeners) advanced();
      if (page.atEnd && page.next >= after) return;
    }
  }
}
