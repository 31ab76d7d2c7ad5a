import { createHash } from 'node:crypto';
import type { Backend } from '#src/storage/backend.ts';
import { encodeEntry } from '#src/storage/entry-encoding.ts';
import { countedAs, nameOf, type StoreEntry } from '#src/storage/store-entry.ts';
import { claimLost } from '#src/storage/unfinished.ts';

/** What a store, or a backup, is read as: pages of entries in the order of their names. */
export type EntryPages = AsyncIterable<readonly StoreEntry[]>;

/** How far mirroring is. */
export interface MirrorProgress {
  readonly looked: number;
  readonly written: number;
  readonly dropped: number;
}

/** How many entries, and how many bytes of bodies, are written in one step. */
const STEP_ENTRIES = 200;
const STEP_BYTES = 1024 * 1024;

/**
 * Makes a claimed store hold the same as the source, by writing what differs and removing what is too much. What was
 * mirrored before is read and compared, but not written again: so it may be broken off anywhere and begun anew.
 * Throws `StorageFault`, also once the claim is lost.
 */
export async function mirror(
  source: EntryPages,
  target: Pick<Backend, 'entries' | 'fill'>,
  { claim, onStep }: { readonly claim: number; readonly onStep: (progress: MirrorProgress) => void },
): Promise<MirrorProgress> {
  const progress = { looked: 0, written: 0, dropped: 0 };
  let put: StoreEntry[] = [];
  let drop: StoreEntry[] = [];
  let [pairs, bytes] = [0, 0];
  const step = async () => {
    if (put.length + drop.length > 0 && !(await target.fill({ claim, put, drop, finish: null }))) {
      throw claimLost();
    }
    progress.written += put.length;
    progress.dropped += drop.length;
    [put, drop, pairs, bytes] = [[], [], 0, 0];
    onStep(progress);
  };
  for await (const { wanted, present } of paired(source, target.entries())) {
    pairs += 1;
    if (wanted !== null) {
      progress.looked += 1;
      if (present === null || !isSame(wanted, present)) put.push(wanted);
      bytes += 'body' in wanted ? wanted.body.length : 0;
    } else if (present !== null) {
      drop.push(present);
    }
    if (pairs === STEP_ENTRIES || bytes >= STEP_BYTES) await step();
  }
  await step();
  return progress;
}

/** What comparing two came to. */
export interface Comparison {
  /** How many entries are in one alone, or not the same in both. */
  readonly differences: number;
  /** What the first holds, by what it is counted as. */
  readonly counts: ReadonlyMap<string, number>;
  /** Of all that the first holds, in its order. */
  readonly sha256: string;
}

export async function compare(one: EntryPages, other: EntryPages): Promise<Comparison> {
  let differences = 0;
  const counts = new Map<string, number>();
  const hash = createHash('sha256');
  for await (const { wanted, present } of paired(one, other)) {
    if (wanted === null || present === null || !isSame(wanted, present)) differences += 1;
    if (wanted === null) continue;
    counts.set(countedAs(wanted), (counts.get(countedAs(wanted)) ?? 0) + 1);
    hash.update(encodeEntry(wanted));
  }
  return { differences, counts, sha256: hash.digest('hex') };
}

const isSame = (one: StoreEntry, other: StoreEntry) => encodeEntry(one).equals(encodeEntry(other));

/** An entry that the source has, and the one of the same name that the target has; one of them may be missing. */
interface Pair {
  readonly wanted: StoreEntry | null;
  readonly present: StoreEntry | null;
}

async function* paired(source: EntryPages, target: EntryPages): AsyncGenerator<Pair> {
  const [wanted, present] = [named(source), named(target)];
  try {
    let [a, b] = await Promise.all([wanted.next(), present.next()]);
    while (a.done !== true || b.done !== true) {
      const order = a.done === true ? 1 : b.done === true ? -1 : Buffer.compare(a.value.name, b.value.name);
      yield {
        wanted: order <= 0 && a.done !== true ? a.value.entry : null,
        present: order >= 0 && b.done !== true ? b.value.entry : null,
      };
      [a, b] = [order <= 0 ? await wanted.next() : a, order >= 0 ? await present.next() : b];
    }
  } finally {
    await Promise.all([wanted.return(null), present.return(null)]);
  }
}

async function* named(pages: EntryPages): AsyncGenerator<{ name: Buffer; entry: StoreEntry }> {
  for await (const page of pages) for (const entry of page) yield { name: nameOf(entry), entry };
}
