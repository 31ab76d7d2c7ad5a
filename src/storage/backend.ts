import type { FillingStep, StoreEntry, StoreSequences } from '#src/storage/store-entry.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/**
 * What a database must be able to do to hold Keyturn's records: the storage contract of `records.ts` in bytes. A
 * backend never sees an identifier or a value. Keys, aliases, groups, revocation entries and counters reach it as
 * keyed digests, bodies as sealed bytes; only the kind is in clear, because records are listed by it.
 *
 * The first `SEAL_BYTES` of a body are its seal: what one key has sealed begins with the same seal. Once a put has set the
 * seal of the store, every write that brings a body with another one is answered `seal-outdated` and changes nothing,
 * so that from then on nothing comes to be under any other key, whoever writes and whatever they know.
 *
 * Each operation is one atomic step, acknowledged only when it is durable. A record with `expiresAt <= now` counts as
 * absent everywhere. Whatever goes wrong is thrown as `StorageFault`.
 *
 * Kept so small that each operation is one transaction in SQL and one script over one hash slot in Redis.
 */
export interface Backend extends AsyncDisposable {
  find(kind: string, key: Digest, now: EpochSeconds): Promise<BackendRecord | null>;

  /** The digest of an alias has its kind in it, so it needs no second argument. */
  findByAlias(alias: Digest, now: EpochSeconds): Promise<BackendRecord | null>;

  /**
   * As `find`, for whoever holds what the record said at version `held`. If it is at that version still, the body may be
   * left out.
   */
  findAgain(
    kind: string,
    key: Digest,
    held: number,
    now: EpochSeconds,
  ): Promise<BackendRecord | UnchangedRecord | null>;

  findByAliasAgain(
    alias: Digest,
    held: number,
    now: EpochSeconds,
  ): Promise<BackendRecord | UnchangedRecord | null>;

  /** Looks at the group first, then at `onlyIf`, then at the aliases, and writes only if all three allow it. */
  put(write: BackendWrite, now: EpochSeconds): Promise<BackendPutOutcome>;

  consume(kind: string, key: Digest, now: EpochSeconds): Promise<'consumed' | 'already-consumed' | 'absent'>;

  /** True if a record that still lived was removed. */
  remove(kind: string, key: Digest, notedIn: BackendLog | null, now: EpochSeconds): Promise<boolean>;

  /**
   * A group that was ended before stays ended until the later of the two times. What is removed and lived, of the kind
   * that `notedIn` names, is added to its log.
   */
  endGroup(
    group: Digest,
    rememberUntil: EpochSeconds,
    notedIn: (BackendLog & { readonly kind: string }) | null,
    now: EpochSeconds,
  ): Promise<void>;

  /** Up to `limit` living records of a kind whose keys come after `after`, in the byte order of their keys. */
  list(kind: string, page: BackendPage, now: EpochSeconds): Promise<readonly BackendRecord[]>;

  /** As `list`, of the records with this owner. The digest of an owner has the kind in it. */
  listOwned(owner: Digest, page: BackendPage, now: EpochSeconds): Promise<readonly BackendRecord[]>;

  /** An entry that was revoked before stays revoked until the later of the two times. */
  revoke(
    entries: readonly Digest[],
    until: EpochSeconds,
    note: BackendNote | null,
  ): Promise<BackendNoteOutcome>;

  anyRevoked(entries: readonly Digest[], now: EpochSeconds): Promise<boolean>;

  append(note: BackendNote): Promise<BackendNoteOutcome>;

  /** Up to `limit` living entries behind `after`, and where to read on. Both are one look at the log. */
  readLog(log: Digest, page: { after: number; limit: number }, now: EpochSeconds): Promise<BackendLogPage>;

  /** Counts in the window that is open, or opens a new one from `now` to `now + window`. */
  hit(counter: Digest, window: Seconds, now: EpochSeconds): Promise<BackendCounter>;

  counted(counter: Digest, now: EpochSeconds): Promise<BackendCounter | null>;

  resetCounter(counter: Digest): Promise<void>;

  /** Drops what has expired, looking at no more than `limit` rows of each table. `done` ends a round over them all. */
  sweep(limit: number, now: EpochSeconds): Promise<{ readonly removed: number; readonly done: boolean }>;

  /**
   * How much there is, with what has expired and is not cleared out yet; `null` while that is not known. It takes no
   * longer in a large store. It may be as old as a round of `sweep`, where this process sweeps.
   */
  census(kinds: readonly string[]): Promise<BackendCensus | null>;

  /**
   * Goes through all bodies, of records first and of logs then, looking at no more than `limit`: how many of which kind
   * are under which seal, and those themselves that are under another than `except`, if one is named. A walk from the
   * first stretch to the last meets every body that was there when it began and still is, also if it has got from a
   * record into a log meanwhile. It need not leave out what has expired.
   */
  walk(page: BackendWalk): Promise<BackendStretch>;

  /**
   * Puts other bytes in the place of each body, and changes nothing else: no version, expiry, group, owner, alias or
   * use. What was written or removed since it was read stays as it is. Answers how many took effect.
   */
  replaceBodies(bodies: readonly BackendBody[]): Promise<number | 'seal-outdated'>;

  /**
   * Everything that is stored, page by page in the order of `nameOf`, expired or not; all but the record that says that
   * the store is unfinished. What is there from the first page to the last is met, as it was at some moment between.
   */
  entries(): AsyncIterable<readonly StoreEntry[]>;

  sequences(): Promise<StoreSequences>;

  /** Fills a store that is unfinished. False, and nothing is changed, if the claim does not hold. */
  fill(step: FillingStep): Promise<boolean>;

  /** What the database's own clock says; `null` if it has none but that of this process. */
  clock(): Promise<EpochSeconds | null>;

  /** Returns once all that could be read until now is as safe as what was acknowledged. */
  settled(): Promise<void>;

  /** Proves that the database can be read and written, by doing both. */
  ping(): Promise<void>;

  /** What can be said of how the database is set up. */
  examine(): Promise<readonly StoreFinding[]>;
}

export interface BackendCensus {
  /** By kind; one that is not there has none. */
  readonly records: ReadonlyMap<string, number>;
  readonly entries: Readonly<Record<'counter' | 'ended_group' | 'log_entry' | 'revocation', number>>;
}

/** `DIGEST_BYTES` opaque bytes. */
export type Digest = Buffer;

export const DIGEST_BYTES = 32;

/** A record that says what it said at that version. */
export type UnchangedRecord = Omit<BackendRecord, 'key' | 'body'> & { readonly body: null };

export interface BackendRecord {
  readonly key: Digest;
  readonly body: Buffer;
  readonly version: number;
  readonly expiresAt: EpochSeconds | null;
  readonly consumedAt: EpochSeconds | null;
}

export interface BackendWrite {
  readonly kind: string;
  readonly key: Digest;
  readonly body: Buffer;
  readonly expiresAt: EpochSeconds | null;
  readonly group: Digest | null;
  readonly owner: Digest | null;
  readonly aliases: readonly Digest[];
  readonly onlyIf: 'absent' | { readonly version: number } | null;
  readonly note: BackendNote | null;
  /** True where the seal of this body becomes that of the store. */
  readonly setsSeal?: boolean;
}

/** Which log something is added to, and when it is dropped again. */
export interface BackendLog {
  readonly log: Digest;
  readonly until: EpochSeconds;
}

export interface BackendNote extends BackendLog {
  readonly body: Buffer;
}

export interface BackendLogEntry {
  /** A whole number above those of all entries before it, of this log at least. */
  readonly position: number;
  readonly until: EpochSeconds;
  /** Whose body it is, if it is a record that was removed. */
  readonly removed: { readonly kind: string; readonly key: Digest } | null;
  readonly body: Buffer;
}

/** `next` is where no entry will ever be added before: the last one of a page, or the end if there is no further one. */
export interface BackendLogPage {
  readonly entries: readonly BackendLogEntry[];
  readonly next: number;
  readonly atEnd: boolean;
}

/**
 * Versions come from one sequence of the whole store, so that the version of a record that was removed and made anew
 * is a new one too, and nobody who still holds the old one can replace it.
 */
export type BackendPutOutcome =
  | { readonly outcome: 'stored'; readonly version: number }
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'alias-taken'; readonly alias: Digest }
  | { readonly outcome: 'group-ended' }
  | { readonly outcome: 'seal-outdated' };

export type BackendNoteOutcome = { readonly outcome: 'stored' } | { readonly outcome: 'seal-outdated' };

export interface BackendPage {
  readonly after: Digest | null;
  readonly limit: number;
}

export interface BackendCounter {
  readonly count: number;
  readonly resetsAt: EpochSeconds;
}

export interface BackendWalk {
  /** `next` of the stretch before; `null` begins. */
  readonly after: string | null;
  readonly limit: number;
  readonly except: Buffer | null;
}

export interface BackendStretch {
  readonly counts: readonly BackendBodyCount[];
  readonly bodies: readonly BackendBody[];
  /** Where to go on; `null` when this was the last. */
  readonly next: string | null;
}

export interface BackendBodyCount {
  /** Of the record; `LOG_KIND` for an entry of a log. */
  readonly kind: string;
  readonly seal: Buffer;
  readonly count: number;
}

/** Counts as the kind of everything that stands in logs. No record is of that kind. */
export const LOG_KIND = 'log';

export type BackendBody = { readonly body: Buffer } & (
  | { readonly in: 'record'; readonly kind: string; readonly key: Digest; readonly version: number }
  | {
      readonly in: 'log';
      readonly log: Digest;
      readonly position: number;
      readonly removed: BackendLogEntry['removed'];
    }
);
