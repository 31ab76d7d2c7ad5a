import type { Clock } from '#src/clock.ts';
import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { Block } from '#src/status-lists/block.ts';
import { type Assigned, blockCounterOf } from '#src/status-lists/journal.ts';
import {
  endOf,
  type ListNames,
  listFor,
  STATUS_LISTS_PATH,
  type StatusReference,
} from '#src/status-lists/status-list.ts';
import { between, type EpochSeconds, hours, seconds } from '#src/units.ts';

/** How often what was handed out is written down, in milliseconds. A revocation shows in a list only after that. */
const WRITE_EVERY_MS = 500;

export interface AssignerPorts {
  readonly issuer: string;
  readonly records: Pick<Records, 'append' | 'hit'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly names: ListNames;
  /** Told of what went wrong in the background; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** The list that tokens of one algorithm and one stretch of expiry are put into, and the blocks of it taken here. */
interface OpenList {
  readonly name: string;
  readonly uri: string;
  readonly endsAt: EpochSeconds;
  block: Block | null;
  /** Blocks that are spent and not yet all written down. */
  readonly ending: Set<Block>;
  opening: Promise<void> | null;
}

/**
 * Gives tokens their place in a status list. That costs no write in the course of a request, but for the first after a
 * silence or in a new block; who has which place is written down twice a second.
 */
export class StatusAssigner implements AsyncDisposable {
  readonly #ports: AssignerPorts;
  readonly #lists = new Map<string, OpenList>();
  #timer: NodeJS.Timeout | null = null;
  #maintaining: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(ports: AssignerPorts) {
    this.#ports = ports;
  }

  /** A place for a token that is signed with `alg` and expires then. At once if it can be. @throws StorageFault */
  assign(
    alg: SigningAlgorithm,
    expiresAt: EpochSeconds,
    assigned: (index: number) => Assigned,
  ): StatusReference | Promise<StatusReference> {
    const list = this.#list(alg, expiresAt);
    return this.#assignAtOnce(list, assigned) ?? this.#assignOnceOpen(list, assigned);
  }

  /** Writes down all that is out, so that nothing needs to be told invalid for want of knowing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#maintaining;
    const now = this.#ports.clock.now();
    const blocks = [...this.#lists.values()].flatMap(({ block, ending }) => [block ?? [], ...ending].flat());
    await Promise.all(blocks.map((block) => block.rest(now).catch(this.#ports.onFault)));
  }

  #assignAtOnce(list: OpenList, assigned: (index: number) => Assigned): StatusReference | null {
    const { block, uri } = list;
    const now = this.#ports.clock.now();
    if (block === null || !block.canAssign(now)) return null;
    const idx = block.assign(now, assigned);
    this.#maintainSoon();
    return { idx, uri };
  }

  async #assignOnceOpen(list: OpenList, assigned: (index: number) => Assigned): Promise<StatusReference> {
    for (;;) {
      list.opening ??= this.#open(list).finally(() => {
        list.opening = null;
      });
      await list.opening;
      const reference = this.#assignAtOnce(list, assigned);
      if (reference !== null) return reference;
    }
  }

  async #open(list: OpenList): Promise<void> {
    const { records, clock } = this.#ports;
    const now = clock.now();
    let { block } = list;
    if (block === null || block.isSpent) {
      if (block !== null) list.ending.add(block);
      // It counts for longer than anyone's clock takes the list to last.
      const window = seconds(between(now, list.endsAt) + hours(1));
      const { count } = await records.hit(blockCounterOf(list.name), window);
      block = new Block(this.#ports, list, count - 1);
      list.block = block;
    }
    await block.open(now);
    this.#maintainSoon();
  }

  #list(alg: SigningAlgorithm, expiresAt: EpochSeconds): OpenList {
    const key = listFor(alg, expiresAt);
    const id = `${alg} ${key.stretch}`;
    const known = this.#lists.get(id);
    if (known !== undefined) return known;
    const name = this.#ports.names.nameOf(key);
    const uri = `${this.#ports.issuer}${STATUS_LISTS_PATH}/${name}`;
    const list = { name, uri, endsAt: endOf(key), block: null, ending: new Set<Block>(), opening: null };
    this.#lists.set(id, list);
    return list;
  }

  #maintainSoon(): void {
    if (this.#timer !== null || this.#disposed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#maintaining = this.#maintain();
    }, WRITE_EVERY_MS).unref();
  }

  async #maintain(): Promise<void> {
    const { clock, onFault } = this.#ports;
    for (const [id, list] of this.#lists) {
      const { block, ending } = list;
      for (const each of [...ending, ...(block === null ? [] : [block])]) {
        await each.maintain(clock.now()).catch(onFault);
        if (each.isQuiet && each !== block) ending.delete(each);
      }
      const isOver = list.endsAt <= clock.now() && list.opening === null;
      if (isOver && ending.size === 0 && (block === null || block.isQuiet)) this.#lists.delete(id);
    }
    const lists = [...this.#lists.values()];
    if (lists.some(({ block, ending }) => ending.size > 0 || block?.isQuiet === false)) this.#maintainSoon();
  }
}
