import type { Records } from '#src/records.ts';
import { type Assigned, BLOCK_SIZE, type JournalEntry, journalOf } from '#src/status-lists/journal.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** How many entries of a journal are read at a time, with room for requests between. */
const PAGE_ENTRIES = 50;

interface BlockState {
  outUntil: EpochSeconds | null;
  /** The indices that the journal tells of, counted within the block. */
  readonly told: Set<number>;
}

/** Who has which index of one list, as far as its journal tells. */
export class Assignments {
  readonly #records: Pick<Records, 'readLog'>;
  readonly #log: string;
  readonly #blocks = new Map<number, BlockState>();
  #living: Assigned[] = [];
  #position = 0;

  constructor(records: Pick<Records, 'readLog'>, list: string) {
    this.#records = records;
    this.#log = journalOf(list);
  }

  /** How many indices the list has; 0 if no token was ever put into it. */
  get size(): number {
    return this.#blocks.size === 0 ? 0 : (Math.max(...this.#blocks.keys()) + 1) * BLOCK_SIZE;
  }

  /** Grows whenever the journal does. */
  get position(): number {
    return this.#position;
  }

  /** Reads what has been written down since the last time. @throws StorageFault */
  async catchUp(): Promise<void> {
    for (;;) {
      const after = this.#position;
      const page = await this.#records.readLog<JournalEntry>(this.#log, { after, limit: PAGE_ENTRIES });
      if (page.next < after) this.#startOver();
      for (const { entry } of page.entries) if (entry !== null) this.#add(entry);
      if (page.entries.length > 0) this.#position = page.next;
      if (page.atEnd && page.next >= after) return;
    }
  }

  /** The tokens that the journal tells of and that have not expired. */
  living(now: EpochSeconds): readonly Assigned[] {
    this.#living = this.#living.filter(([, exp]) => exp > now);
    return this.#living;
  }

  /**
   * The indices that may be anybody's: of blocks whose process should have written down by `latest` what it had handed
   * out, and has not. It was killed, or its store is away.
   */
  *untold(latest: EpochSeconds): Generator<number> {
    for (const [number, { outUntil, told }] of this.#blocks) {
      if (outUntil === null || outUntil > latest) continue;
      for (let index = 0; index < BLOCK_SIZE; index += 1)
        if (!told.has(index)) yield number * BLOCK_SIZE + index;
    }
  }

  /** The next time after `latest` from which on `untold` has more to say; `null` if nothing is out. */
  nextUntold(latest: EpochSeconds): EpochSeconds | null {
    const times = [...this.#blocks.values()]
      .map(({ outUntil }) => outUntil)
      .filter((outUntil) => outUntil !== null && outUntil > latest);
    return times.length === 0 ? null : epochSeconds(Math.min(...(times as number[])));
  }

  #add({ block, outUntil, assigned }: JournalEntry): void {
    const state = this.#blocks.get(block) ?? { outUntil, told: new Set() };
    this.#blocks.set(block, state);
    state.outUntil = outUntil;
    for (const each of assigned) {
      state.told.add(each[0] % BLOCK_SIZE);
      this.#living.push(each);
    }
  }

  #startOver(): void {
    this.#blocks.clear();
    this.#living = [];
    this.#position = 0;
  }
}
