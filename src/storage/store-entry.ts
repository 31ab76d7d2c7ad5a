import type { EpochSeconds } from '#src/units.ts';

/** A digest of the storage contract; see `backend.ts`. */
type Digest = Buffer;

/**
 * Something that lies in a store, whole, as it lies there: what is copied from one store into another, and what a backup
 * is made of. It holds nothing in clear but kinds, numbers and times.
 */
export type StoreEntry = RecordEntry | LogEntry | EndedGroupEntry | RevocationEntry | CounterEntry;

export interface RecordEntry {
  readonly sort: 'record';
  readonly kind: string;
  readonly key: Digest;
  readonly version: number;
  readonly expiresAt: EpochSeconds | null;
  readonly consumedAt: EpochSeconds | null;
  readonly group: Digest | null;
  readonly owner: Digest | null;
  /** Those that lead to it, in the order of their bytes. One that has expired may have lost some to others. */
  readonly aliases: readonly Digest[];
  readonly body: Buffer;
}

export interface LogEntry {
  readonly sort: 'log-entry';
  readonly log: Digest;
  readonly position: number;
  readonly until: EpochSeconds;
  readonly removed: { readonly kind: string; readonly key: Digest } | null;
  readonly body: Buffer;
}

export interface EndedGroupEntry {
  readonly sort: 'ended-group';
  readonly group: Digest;
  readonly until: EpochSeconds;
}

export interface RevocationEntry {
  readonly sort: 'revocation';
  readonly entry: Digest;
  readonly until: EpochSeconds;
}

export interface CounterEntry {
  readonly sort: 'counter';
  readonly counter: Digest;
  readonly count: number;
  readonly until: EpochSeconds;
}

/** In the order in which a store gives them. */
const SORTS: readonly StoreEntry['sort'][] = ['record', 'log-entry', 'ended-group', 'revocation', 'counter'];

/**
 * What tells an entry from every other of its store, in bytes that sort as entries are ordered: records by kind, a colon and
 * key; entries of logs by log and position; everything else by when it is over, and then by its digest.
 */
export function nameOf(entry: StoreEntry): Buffer {
  return Buffer.concat([Buffer.of(SORTS.indexOf(entry.sort)), ...partsOf(entry)]);
}

function partsOf(entry: StoreEntry): Buffer[] {
  switch (entry.sort) {
    case 'record':
      return [Buffer.from(`${entry.kind}:`), entry.key];
    case 'log-entry':
      return [entry.log, sortable(entry.position)];
    case 'ended-group':
      return [sortable(entry.until), entry.group];
    case 'revocation':
      return [sortable(entry.until), entry.entry];
    case 'counter':
      return [sortable(entry.until), entry.counter];
  }
}

/** Bytes that sort as the numbers do, from 0. */
function sortable(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(number);
  return bytes;
}

/** What an entry is counted as: its kind if it is a record, else its sort. */
export const countedAs = (entry: StoreEntry): string => (entry.sort === 'record' ? entry.kind : entry.sort);

/** What a store gives out in order, and under which seal it takes bodies. */
export interface StoreSequences {
  /** The last version of a record. */
  readonly version: number;
  /** The last position in a log. */
  readonly position: number;
  /** `null` until a seal has been set. */
  readonly seal: Buffer | null;
}

/** A step of filling a store that says of itself that it is unfinished. */
export interface FillingStep {
  /** The version of the record that says so. Nothing happens once there is another one, or none. */
  readonly claim: number;
  /** Written as they are, in place of what lies there under the same name. */
  readonly put: readonly StoreEntry[];
  /** Removed, if they lie there. Before anything is put. */
  readonly drop: readonly StoreEntry[];
  /** With the last step: what the store goes on from. It is finished then, and the record that said otherwise gone. */
  readonly finish: StoreSequences | null;
}
