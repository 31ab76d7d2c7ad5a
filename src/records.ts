import type { EpochSeconds, Seconds } from '#src/units.ts';

/**
 * The storage contract. Everything that Keyturn remembers is a record: a JSON value of some kind under an identifier.
 * Domains see only this page; `storage/` implements it, once per backend, and one contract test holds every backend
 * to the twelve promises below.
 *
 *  1. `consume` is atomic: of any number of parallel calls exactly one answers `consumed`.
 *  2. Nothing expired is ever found, at the exact second of its expiry either.
 *  3. When `endGroup` has returned, nothing of that group can be found, and nothing can be put into it any more.
 *  4. An alias leads to its record, and an owner to all of theirs, from the moment a `put` is acknowledged until the
 *     record is replaced without it, removed or expired. Within a kind an alias leads to one record only.
 *  5. A `put` that names a stale version changes nothing.
 *  6. Counters are atomic.
 *  7. Unknown fields, Unicode, and values up to `RECORD_BYTES_MAX` come back as they went in.
 *  8. `sweep` does a bounded amount of work per call.
 *  9. What was acknowledged survives `kill -9`.
 * 10. A fault throws `StorageFault`; absence is `null`.
 * 11. The entries of a log are read by everyone in the order in which they were added, and nothing is ever added before
 *     a position that has been read. What is added along with a write is there if and only if the write took effect.
 * 12. What a newer program has written is not lost by this one: a record that is replaced by its version keeps members
 *     that this program does not know, and what it would read wrongly throws `StorageFault` and stays as it is.
 */
export interface Records {
  /** The record under this identifier, or `null` if there is none that still lives. */
  find<T>(kind: RecordKind, id: string): Promise<StoredRecord<T> | null>;

  /** The record that an alias leads to, or `null`. */
  findByAlias<T>(kind: RecordKind, alias: string): Promise<StoredRecord<T> | null>;

  /** Writes a record whole: value, aliases, group and expiry replace what was there, and it is no longer consumed. */
  put<T>(record: RecordWrite<T>): Promise<PutOutcome>;

  /** Marks a record as used. Its value stays, so that a second use can be told from a guess. */
  consume(kind: RecordKind, id: string): Promise<ConsumeOutcome>;

  /** Removes a record and its aliases, and adds it to a log as it was. True if there was one that still lived. */
  remove(kind: RecordKind, id: string, notedIn?: LogName): Promise<boolean>;

  /**
   * Removes every record of a group, and refuses new ones until `rememberUntil`, by when everything that could
   * still be about to join the group must have expired on its own. Those of one kind are added to a log as they were.
   */
  endGroup(
    group: string,
    rememberUntil: EpochSeconds,
    notedIn?: LogName & { readonly kind: RecordKind },
  ): Promise<void>;

  /** The living records of a kind in a stable order, a page at a time. */
  list<T>(kind: RecordKind, page: { after?: string; limit: number }): Promise<RecordPage<T>>;

  /** The living records of a kind that belong to this owner, as `list` does. */
  listOwned<T>(
    kind: RecordKind,
    owner: string,
    page: { after?: string; limit: number },
  ): Promise<RecordPage<T>>;

  /** Adds entries to the revocation set, and `note` to a log. An entry leaves the set on its own at `until`. */
  revoke(entries: readonly string[], until: EpochSeconds, note?: LogNote): Promise<void>;

  /** True if at least one of the entries is in the revocation set. */
  anyRevoked(entries: readonly string[]): Promise<boolean>;

  /** Adds an entry to a log. */
  append(note: LogNote): Promise<void>;

  /** The entries of a log behind a position, oldest first. 0 is before the first. */
  readLog<T>(log: string, page: { readonly after: number; readonly limit: number }): Promise<LogPage<T>>;

  /** Calls `added` soon after this process has added something to the log. Of what others add it need not tell. */
  onAdded(log: string, added: () => void): Disposable;

  /** Counts one event in a fixed window that begins with its first event. */
  hit(counter: string, window: Seconds): Promise<CounterState>;

  /** What a counter stands at, without counting; `null` if its window has not begun, or is over. */
  counted(counter: string): Promise<CounterState | null>;

  /** Forgets a counter. */
  resetCounter(counter: string): Promise<void>;

  /** Drops expired records, entries, counters and what logs hold, looking at no more than `limit` of each. */
  sweep(limit: number): Promise<SweepOutcome>;

  /**
   * Returns once all that could be read until now would outlive what acknowledged writes outlive. What is found done may
   * be a write that nobody was told of, so whoever says that something is done without writing waits for this.
   */
  settled(): Promise<void>;

  /** Throws `StorageFault` unless the store can be read and written. */
  ping(): Promise<void>;
}

/** Every kind of record there is. A kind is part of a record's key, so two kinds never meet. */
export const RECORD_KINDS = [
  'account',
  'algorithm-use',
  'authorization',
  'authorization-code',
  'backchannel-request',
  'client',
  'concern',
  'consent',
  'delivery',
  'device-code',
  'former-key',
  'interaction',
  'jwks-reader',
  'key-ring',
  'key-usage',
  'metadata-document',
  'moved',
  'node',
  'opaque-access-token',
  'opaque-client-credentials',
  'pending-place',
  'protocol',
  'registration-token',
  'replay',
  'resealing',
  'resource-server',
  'sector',
  'session',
  'trusted-issuer',
] as const;

export type RecordKind = (typeof RECORD_KINDS)[number];

/** The largest value a store must take, counted as UTF-8 JSON. Larger ones are refused with `Refusal('record_too_large')`. */
export const RECORD_BYTES_MAX = 256 * 1024;

export interface RecordWrite<T> {
  readonly kind: RecordKind;
  readonly id: string;
  readonly value: T;
  /** When it ends on its own; `null` for never. */
  readonly expiresAt: EpochSeconds | null;
  /** What it ends together with: an authorization, a session. */
  readonly group?: string;
  /** Whose it is, so that all that someone has can be listed: a subject. */
  readonly owner?: string;
  /** Other names of the record, unique within its kind. */
  readonly aliases?: readonly string[];
  /** What must hold for the write to happen: nothing lives there, or exactly this version does. Default: write anyway. */
  readonly onlyIf?: 'absent' | { readonly version: number };
  /** What is added to a log if it is stored. */
  readonly note?: LogNote;
  /** True where nothing is to be left of the record that is replaced, not even what a newer program has added to it. */
  readonly forgets?: boolean;
}

/** A log, and until when what is added to it matters. It is dropped then. */
export interface LogName {
  readonly log: string;
  readonly until: EpochSeconds;
}

/** An entry to be added to a log. */
export interface LogNote<T = unknown> extends LogName {
  /** A JSON value; limited like that of a record. */
  readonly entry: T;
}

/** An entry of a log: what was noted, or a record that was removed, as it was. */
export type LogEntry<T> = { readonly position: number; readonly until: EpochSeconds } & (
  | { readonly entry: T; readonly removed: null }
  | { readonly entry: null; readonly removed: RemovedRecord }
);

export interface RemovedRecord {
  readonly kind: RecordKind;
  readonly id: string;
  readonly value: unknown;
}

export interface LogPage<T> {
  readonly entries: readonly LogEntry<T>[];
  /**
   * Pass as `after` to read on, whether or not there were entries. Smaller than the `after` that was passed if the store
   * never gave that out, as after going back to a backup.
   */
  readonly next: number;
  /** True when nothing further had been added. */
  readonly atEnd: boolean;
}

export interface StoredRecord<T> {
  readonly id: string;
  readonly value: T;
  /** Grows with every `put`. */
  readonly version: number;
  readonly expiresAt: EpochSeconds | null;
  readonly consumedAt: EpochSeconds | null;
}

export interface RecordPage<T> {
  readonly records: readonly StoredRecord<T>[];
  /** Pass as `after` for the next page; `null` when this was the last. */
  readonly next: string | null;
}

/**
 * `stale`: `onlyIf` did not hold. `alias-taken`: another living record of the kind has that alias.
 * `group-ended`: the group has been ended, so the record was not written.
 */
export type PutOutcome =
  | { readonly outcome: 'stored'; readonly version: number }
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'alias-taken'; readonly alias: string }
  | { readonly outcome: 'group-ended' };

export type ConsumeOutcome = 'consumed' | 'already-consumed' | 'absent';

export interface CounterState {
  readonly count: number;
  readonly resetsAt: EpochSeconds;
}

export interface SweepOutcome {
  readonly removed: number;
  /** True when the whole store has been looked at since the last time this was true. */
  readonly done: boolean;
}
