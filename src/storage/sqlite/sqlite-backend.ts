import type { DatabaseSync } from 'node:sqlite';
import { StorageFault } from '#src/fault.ts';
import { sealOf } from '#src/sealing/sealer.ts';
import type {
  Backend,
  BackendBody,
  BackendCensus,
  BackendCounter,
  BackendLog,
  BackendLogPage,
  BackendNote,
  BackendNoteOutcome,
  BackendPage,
  BackendPutOutcome,
  BackendRecord,
  BackendStretch,
  BackendWalk,
  BackendWrite,
  Digest,
} from '#src/storage/backend.ts';
import { asBuffer } from '#src/storage/sqlite/as-buffer.ts';
import { BodyWalk } from '#src/storage/sqlite/body-walk.ts';
import { openDatabase } from '#src/storage/sqlite/database.ts';
import { storageFault } from '#src/storage/sqlite/errors.ts';
import { examineSqlite } from '#src/storage/sqlite/examination.ts';
import { GroupCommit } from '#src/storage/sqlite/group-commit.ts';
import { LogSync } from '#src/storage/sqlite/log-sync.ts';
import { RowMemory } from '#src/storage/sqlite/row-memory.ts';
import {
  type AliasedRowAgain,
  type CounterRow,
  counterFrom,
  fromRow,
  type LogRow,
  logEntryFrom,
  type RecordRow,
  type RowAgain,
  recordAgain,
  recordFrom,
  unlessOver,
} from '#src/storage/sqlite/rows.ts';
import { prepareStatements, type Statements } from '#src/storage/sqlite/statements.ts';
import { entriesOf, type StoreFiller, storeFiller } from '#src/storage/sqlite/store-entries.ts';
import { Sweep } from '#src/storage/sqlite/sweep.ts';
import type { FillingStep, StoreEntry, StoreSequences } from '#src/storage/store-entry.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import { UNFINISHED_KEY, UNFINISHED_KIND } from '#src/storage/unfinished.ts';
import { type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/** Opens, and on first use makes, the embedded store. Throws `SetupFault` when the operator has to act. */
export async function openSqliteBackend(path: string): Promise<Backend> {
  return new SqliteBackend(await openDatabase(path));
}

/**
 * Records in one SQLite file, which several processes may use at once. Reads see what was last committed, by whomever;
 * each write looks and writes inside one transaction that holds the database's only write lock.
 */
class SqliteBackend implements Backend {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #logSync: LogSync;
  readonly #commit: GroupCommit;
  readonly #sweep: Sweep;
  readonly #bodies: BodyWalk;
  readonly #filler: StoreFiller;
  readonly #memory: RowMemory;
  #closing: Promise<void> | null = null;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#logSync = new LogSync(database);
    this.#commit = new GroupCommit(database, () => this.#logSync.sync());
    this.#sweep = new Sweep(database);
    this.#bodies = new BodyWalk(database);
    this.#filler = storeFiller(database);
    this.#memory = new RowMemory(database);
  }

  async find(kind: string, key: Digest, now: EpochSeconds): Promise<BackendRecord | null> {
    return this.#read(() => recordFrom(this.#statements.findRecord.get({ kind, key, now })));
  }

  async findByAlias(alias: Digest, now: EpochSeconds): Promise<BackendRecord | null> {
    return this.#read(() => recordFrom(this.#statements.findRecordByAlias.get({ alias, now })));
  }

  async findAgain(kind: string, key: Digest, held: number, now: EpochSeconds) {
    return this.#read(() => {
      const known = this.#memory.row(kind, key);
      if (known?.version === held) return unlessOver(known, now);
      const row = this.#statements.findRecordAgain.get(held, kind, key, now) as RowAgain | undefined;
      if (row === undefined) return null;
      const record = recordAgain(row);
      this.#memory.keepRow(kind, key, record);
      return record;
    });
  }

  async findByAliasAgain(alias: Digest, held: number, now: EpochSeconds) {
    return this.#read(() => {
      const known = this.#memory.rowByAlias(alias);
      if (known?.version === held) return unlessOver(known, now);
      const row = this.#statements.findRecordByAliasAgain.get(held, alias, now) as
        | AliasedRowAgain
        | undefined;
      if (row === undefined) return null;
      const record = recordAgain(row);
      const [, , , , keyBytes, kind] = row;
      const key = asBuffer(keyBytes);
      this.#memory.keepRow(kind, key, record);
      this.#memory.keepAlias(alias, kind, key, record.version);
      return record;
    });
  }

  async list(kind: string, { after, limit }: BackendPage, now: EpochSeconds): Promise<BackendRecord[]> {
    return this.#read(() =>
      this.#statements.listRecords
        .all({ kind, after: after ?? BEFORE_FIRST_KEY, limit, now })
        .map((row) => fromRow(row as unknown as RecordRow)),
    );
  }

  async listOwned(owner: Digest, { after, limit }: BackendPage, now: EpochSeconds): Promise<BackendRecord[]> {
    return this.#read(() =>
      this.#statements.listOwnedRecords
        .all({ owner, after: after ?? BEFORE_FIRST_KEY, limit, now })
        .map((row) => fromRow(row as unknown as RecordRow)),
    );
  }

  async anyRevoked(entries: readonly Digest[], now: EpochSeconds): Promise<boolean> {
    return this.#read(() =>
      entries.some((entry) => {
        if (this.#memory.isUnrevoked(entry)) return false;
        if (this.#statements.isRevoked.get(entry, now) !== undefined) return true;
        this.#memory.keepUnrevoked(entry);
        return false;
      }),
    );
  }

  async put(write: BackendWrite, now: EpochSeconds): Promise<BackendPutOutcome> {
    return this.#write(() => this.#refusal(write, now) ?? this.#store(write));
  }

  async consume(kind: string, key: Digest, now: EpochSeconds) {
    return this.#write(() => {
      this.#memory.forgetRow(kind, key);
      if (this.#statements.consumeRecord.run({ kind, key, now }).changes === 1) {
        return 'consumed';
      }
      return this.#livingVersion(kind, key, now) === null ? 'absent' : 'already-consumed';
    });
  }

  async remove(kind: string, key: Digest, notedIn: BackendLog | null, now: EpochSeconds): Promise<boolean> {
    return this.#write(() => {
      this.#memory.forgetRow(kind, key);
      if (notedIn !== null) this.#statements.noteRemoved.run({ ...notedIn, kind, key, now });
      const removed = this.#statements.removeRecord.get({ kind, key });
      const expiresAt = removed?.expires_at_s as number | null | undefined;
      return expiresAt !== undefined && (expiresAt === null || expiresAt > now);
    });
  }

  async endGroup(
    group: Digest,
    rememberUntil: EpochSeconds,
    notedIn: (BackendLog & { kind: string }) | null,
    now: EpochSeconds,
  ): Promise<void> {
    return this.#write(() => {
      this.#memory.forgetAll();
      this.#statements.rememberEndedGroup.run({ group, rememberUntil });
      if (notedIn !== null) this.#statements.noteRemovedGroup.run({ ...notedIn, group, now });
      this.#statements.removeGroup.run({ group });
    });
  }

  async revoke(
    entries: readonly Digest[],
    until: EpochSeconds,
    note: BackendNote | null,
  ): Promise<BackendNoteOutcome> {
    return this.#write(() => {
      if (note !== null && !this.#takes(note.body)) return SEAL_OUTDATED;
      for (const entry of entries) {
        this.#memory.forgetUnrevoked(entry);
        this.#statements.revoke.run({ entry, until });
      }
      this.#note(note);
      return STORED;
    });
  }

  async append(note: BackendNote): Promise<BackendNoteOutcome> {
    return this.#write(() => {
      if (!this.#takes(note.body)) return SEAL_OUTDATED;
      this.#note(note);
      return STORED;
    });
  }

  async readLog(
    log: Digest,
    { after, limit }: { after: number; limit: number },
    now: EpochSeconds,
  ): Promise<BackendLogPage> {
    return this.#read(() => {
      // The end first: another process may add between the two, and what lies behind the end is read the next time.
      const end = Number(this.#statements.endOfLogs.get()?.seq ?? 0);
      const rows = this.#statements.readLog.all({ log, after, end, limit, now });
      const entries = rows.map((row) => logEntryFrom(row as unknown as LogRow));
      const atEnd = entries.length < limit;
      return { entries, next: atEnd ? end : (entries.at(-1)?.position ?? end), atEnd };
    });
  }

  async hit(counter: Digest, window: Seconds, now: EpochSeconds): Promise<BackendCounter> {
    return this.#write(() => {
      const row = this.#statements.hit.get({ counter, window, now });
      return counterFrom(row as unknown as CounterRow);
    });
  }

  async counted(counter: Digest, now: EpochSeconds): Promise<BackendCounter | null> {
    return this.#read(() => {
      const row = this.#statements.counted.get({ counter, now });
      return row === undefined ? null : counterFrom(row as unknown as CounterRow);
    });
  }

  async resetCounter(counter: Digest): Promise<void> {
    return this.#write(() => {
      this.#statements.resetCounter.run({ counter });
    });
  }

  async sweep(limit: number, now: EpochSeconds): Promise<{ removed: number; done: boolean }> {
    return this.#write(() => this.#sweep.step(limit, now));
  }

  async census(): Promise<BackendCensus | null> {
    return this.#read(() => this.#sweep.census());
  }

  async walk(page: BackendWalk): Promise<BackendStretch> {
    return this.#read(() => this.#bodies.stretch(page));
  }

  async replaceBodies(bodies: readonly BackendBody[]): Promise<number | 'seal-outdated'> {
    return this.#write(() =>
      bodies.every(({ body }) => this.#takes(body)) ? this.#bodies.replace(bodies) : SEAL_OUTDATED.outcome,
    );
  }

  entries(): AsyncIterable<readonly StoreEntry[]> {
    return entriesOf(this.#database.location() ?? '');
  }

  async sequences(): Promise<StoreSequences> {
    return this.#read(() => this.#filler.sequences());
  }

  async fill({ claim, put, drop, finish }: FillingStep): Promise<boolean> {
    return this.#write(() => {
      this.#memory.forgetAll();
      // It never expires, whatever time it is.
      if (this.#livingVersion(UNFINISHED_KIND, UNFINISHED_KEY, epochSeconds(0)) !== claim) return false;
      for (const entry of drop) this.#filler.drop(entry);
      for (const entry of put) this.#filler.put(entry);
      if (finish === null) return true;
      this.#filler.finish(finish);
      this.#statements.removeRecord.get({ kind: UNFINISHED_KIND, key: UNFINISHED_KEY });
      return true;
    });
  }

  async clock(): Promise<null> {
    return null;
  }

  async settled(): Promise<void> {
    this.#assertOpen();
    await this.#commit.settled();
  }

  async ping(): Promise<void> {
    await this.#write(() => this.#statements.ping.run());
  }

  /** It is one file, set up by this program alone. */
  async examine(): Promise<readonly StoreFinding[]> {
    try {
      return await examineSqlite(this.#database);
    } catch (error) {
      throw storageFault(error);
    }
  }

  /** Lets the writes that were asked for finish, moves the write-ahead log into the database, and closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commit.drain();
    await this.#logSync[Symbol.asyncDispose]();
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      this.#database.close();
    } catch (error) {
      throw storageFault(error);
    }
  }

  /** Why the write may not happen, or `null` if it may. Within a transaction. */
  #refusal({ kind, key, group, aliases, onlyIf }: BackendWrite, now: EpochSeconds): BackendPutOutcome | null {
    if (group !== null && this.#statements.groupHasEnded.get({ group, now }) !== undefined) {
      return { outcome: 'group-ended' };
    }
    if (onlyIf !== null) {
      const wanted = onlyIf === 'absent' ? null : onlyIf.version;
      if (this.#livingVersion(kind, key, now) !== wanted) {
        return { outcome: 'stale' };
      }
    }
    for (const alias of aliases) {
      const holder = this.#statements.aliasHolder.get({ alias, now });
      if (holder !== undefined && !(holder.kind === kind && key.equals(holder.key as Uint8Array))) {
        return { outcome: 'alias-taken', alias };
      }
    }
    return null;
  }

  /** True if the store has the seal of this body, or none yet. Within a transaction. */
  #takes(body: Buffer): boolean {
    return this.#statements.sealIsSet.get({ seal: sealOf(body) }) !== undefined;
  }

  #note(note: BackendNote | null): void {
    if (note === null) return;
    const { log, until, body } = note;
    this.#statements.note.run({ log, until, body });
  }

  #store(write: BackendWrite): BackendPutOutcome {
    const { kind, key, expiresAt, group, owner, body, aliases, note } = write;
    const seal = sealOf(body);
    if (note !== null && !sealOf(note.body).equals(seal)) return SEAL_OUTDATED;
    this.#memory.forgetRow(kind, key);
    if (write.setsSeal === true) this.#statements.setSeal.run({ seal });
    const next = this.#statements.nextVersion.get({ seal });
    if (next === undefined) return SEAL_OUTDATED;
    const version = Number(next.last);
    this.#note(note);
    const written = this.#statements.writeRecord.get({ kind, key, version, expiresAt, group, owner, body });
    const record = Number(written?.id);
    this.#statements.dropAliases.run({ record });
    for (const alias of aliases) {
      this.#statements.writeAlias.run({ alias, record });
    }
    return { outcome: 'stored', version };
  }

  #livingVersion(kind: string, key: Digest, now: EpochSeconds): number | null {
    const row = this.#statements.livingVersion.get({ kind, key, now });
    return row === undefined ? null : Number(row.version);
  }

  #read<T>(read: () => T): T {
    this.#assertOpen();
    try {
      return read();
    } catch (error) {
      throw storageFault(error);
    }
  }

  #write<T>(write: () => T): Promise<T> {
    this.#assertOpen();
    return this.#commit.write(write);
  }

  #assertOpen(): void {
    if (this.#closing !== null) {
      throw new StorageFault('the store is closed');
    }
  }
}

const STORED = { outcome: 'stored' } as const;
const SEAL_OUTDATED = { outcome: 'seal-outdated' } as const;

const BEFORE_FIRST_KEY = Buffer.alloc(0);
