import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { type Assigned, BLOCK_SIZE, type JournalEntry, journalOf } from '#src/status-lists/journal.ts';
import { after, between, type EpochSeconds, seconds } from '#src/units.ts';

/** For how long after an entry of the journal indices may be handed out that no entry tells of yet. */
const OUT_FOR = seconds(10);

/** How long before that is over none is handed out any more, so that the next entry is written in time. */
const STOPS_BEFORE = seconds(4);

/** How long a block waits for the next token before it is put to rest; less than the difference of the two. */
const RESTS_AFTER = seconds(5);

/** So that an entry stays well below what the store takes. */
const ENTRY_ASSIGNED_MAX = 400;

/** Which list a block is of. */
export interface BlockList {
  readonly name: string;
  readonly endsAt: EpochSeconds;
}

/**
 * A block of indices of one list that this process hands out, in an order that nobody can foresee. Who has which index
 * is written down later, for many tokens at once.
 */
export class Block {
  readonly #records: Pick<Records, 'append'>;
  readonly #list: BlockList;
  readonly #number: number;
  readonly #order: Uint16Array;
  #next = 0;
  #unwritten: Assigned[] = [];
  /** What the journal says of the block: see `JournalEntry`. */
  #outUntil: EpochSeconds | null = null;
  #resting = true;
  #lost = false;
  #lastUsed: EpochSeconds | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(ports: { records: Pick<Records, 'append'>; random: Random }, list: BlockList, number: number) {
    this.#records = ports.records;
    this.#list = list;
    this.#number = number;
    this.#order = shuffled(ports.random);
  }

  /** Whether an index can be handed out without writing anything first. */
  canAssign(now: EpochSeconds): boolean {
    if (this.#resting || this.isSpent || this.#outUntil === null) return false;
    return between(now, this.#outUntil) > STOPS_BEFORE;
  }

  /** True once it will never hand out another index. */
  get isSpent(): boolean {
    return this.#lost || this.#next === BLOCK_SIZE;
  }

  /** True when there is nothing to write until it is opened again. */
  get isQuiet(): boolean {
    return this.#resting && this.#outUntil === null && this.#unwritten.length === 0;
  }

  /** Hands out an index; `canAssign` must hold. */
  assign(now: EpochSeconds, assigned: (index: number) => Assigned): number {
    const index = this.#number * BLOCK_SIZE + (this.#order[this.#next] as number);
    this.#next += 1;
    this.#lastUsed = now;
    this.#unwritten.push(assigned(index));
    return index;
  }

  /** Writes down that indices may be out from now on, so that they can be. @throws StorageFault */
  open(now: EpochSeconds): Promise<void> {
    return this.#afterOthers(async () => {
      await this.#write({ outUntil: after(now, OUT_FOR), assigned: [] });
      this.#lastUsed = now;
      this.#resting = false;
    });
  }

  /** Writes down what was handed out, and when it has been quiet for a while, that nothing else is. @throws StorageFault */
  maintain(now: EpochSeconds): Promise<void> {
    const quiet = this.#lastUsed === null || between(this.#lastUsed, now) >= RESTS_AFTER;
    return quiet || this.isSpent ? this.rest(now) : this.#afterOthers(() => this.#writeAll(now));
  }

  /** Hands out nothing more until it is opened again, and writes down all that is out. @throws StorageFault */
  rest(now: EpochSeconds): Promise<void> {
    return this.#afterOthers(() => {
      this.#resting = true;
      return this.#writeAll(now);
    });
  }

  async #writeAll(now: EpochSeconds): Promise<void> {
    // Lists published since then have told of every index that was left as invalid, and are still being kept.
    if (this.#outUntil !== null && this.#outUntil <= now) this.#lost = true;
    while (this.#unwritten.length > 0 || (this.#resting && this.#outUntil !== null)) {
      const assigned = this.#unwritten.slice(0, ENTRY_ASSIGNED_MAX);
      const isAll = assigned.length === this.#unwritten.length;
      await this.#write({ outUntil: this.#resting && isAll ? null : after(now, OUT_FOR), assigned });
      this.#unwritten = this.#unwritten.slice(assigned.length);
    }
  }

  async #write(entry: Omit<JournalEntry, 'block'>): Promise<void> {
    const { name, endsAt } = this.#list;
    const written: JournalEntry = { block: this.#number, ...entry };
    await this.#records.append({ log: journalOf(name), entry: written, until: endsAt });
    this.#outUntil = entry.outUntil;
  }

  /** The journal tells of a block in the order in which it changed. */
  #afterOthers(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => {});
    return done;
  }
}

/** Every position of a block once: Fisher and Yates. */
function shuffled(random: Random): Uint16Array {
  const order = Uint16Array.from({ length: BLOCK_SIZE }, (_, position) => position);
  const bytes = random.bytes(BLOCK_SIZE * 4);
  for (let last = BLOCK_SIZE - 1; last > 0; last -= 1) {
    const chosen = bytes.readUInt32LE(last * 4) % (last + 1);
    [order[last], order[chosen]] = [order[chosen] as number, order[last] as number];
  }
  return order;
}
