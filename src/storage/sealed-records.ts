import type { Clock } from '#src/clock.ts';
import { StorageFault } from '#src/fault.ts';
import type {
  ConsumeOutcome,
  CounterState,
  LogEntry,
  LogName,
  LogNote,
  LogPage,
  PutOutcome,
  RecordKind,
  RecordPage,
  Records,
  RecordWrite,
  StoredRecord,
  SweepOutcome,
} from '#src/records.ts';
import { MissingKeyFault, type Sealer } from '#src/sealing/sealer.ts';
import type {
  BackendLogEntry,
  BackendNote,
  BackendPage,
  BackendRecord,
  Digest,
  UnchangedRecord,
} from '#src/storage/backend.ts';
import { Extensions } from '#src/storage/extensions.ts';
import { HeldBodies, type HeldBody } from '#src/storage/held-bodies.ts';
import { NameDigests } from '#src/storage/name-digests.ts';
import {
  type OperationObserver,
  observedBackend,
  type RecordBackend,
} from '#src/storage/observed-backend.ts';
import { pageCursor, readPageCursor } from '#src/storage/page-cursor.ts';
import {
  type OpenedBody,
  readLogBody,
  readRecordBody,
  writeLogBody,
  writeRecordBody,
} from '#src/storage/record-body.ts';
import { addedMembers } from '#src/storage/record-forms.ts';
import type { RootSecret } from '#src/storage/root-secret.ts';
import { logContext, recordContext } from '#src/storage/sealed-bodies.ts';
import type { StoreKeys } from '#src/storage/store-keys.ts';
import { assertCount, assertWhole } from '#src/storage/whole-numbers.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/**
 * The storage contract over any backend, so that a stolen copy of the database tells next to nothing: identifiers,
 * aliases, groups, owners, revocation entries and counters reach the backend as keyed digests, identifiers and values as sealed
 * bodies bound to their kind and key. What a copy does tell: how many records of which kind there are, how long they
 * are, when they expire and were consumed, which share a group, and which of a
 * kind share an owner.
 */
export class SealedRecords implements Records {
  #backend: RecordBackend;
  readonly #keys: StoreKeys;
  readonly #sealer: Sealer;
  readonly #clock: Clock;
  readonly #names: NameDigests;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #held: HeldBodies;
  readonly #extensions = new Extensions();

  constructor(parts: { backend: RecordBackend; keys: StoreKeys; root: RootSecret; clock: Clock }) {
    this.#backend = parts.backend;
    this.#keys = parts.keys;
    this.#held = new HeldBodies(parts.keys.held);
    this.#sealer = parts.keys.sealer;
    this.#clock = parts.clock;
    this.#names = new NameDigests(parts.root.derive('storage: index'));
  }

  /** How many bodies are held in mind as they were opened. */
  get opened(): number {
    return this.#held.size;
  }

  /** Has somebody told of each operation of the backend from now on; until then nothing is measured. */
  observe(onDone: OperationObserver): void {
    this.#backend = observedBackend(this.#backend, onDone);
  }

  async find<T>(kind: RecordKind, id: string): Promise<StoredRecord<T> | null> {
    const now = this.#clock.now();
    const key = this.#name(kind, 'record', id);
    if (OFTEN_READ.has(kind)) {
      return this.#findOften<T>(kind, key, (held) =>
        held === null
          ? this.#backend.find(kind, key, now)
          : this.#backend.findAgain(kind, key, held.version, now),
      );
    }
    const record = await this.#backend.find(kind, key, now);
    return record === null ? null : this.#keyed(() => this.#open<T>(kind, record));
  }

  async findByAlias<T>(kind: RecordKind, alias: string): Promise<StoredRecord<T> | null> {
    const now = this.#clock.now();
    const digest = this.#name(kind, 'alias', alias);
    if (OFTEN_READ.has(kind)) {
      return this.#findOften<T>(kind, digest, (held) =>
        held === null
          ? this.#backend.findByAlias(digest, now)
          : this.#backend.findByAliasAgain(digest, held.version, now),
      );
    }
    const record = await this.#backend.findByAlias(digest, now);
    return record === null ? null : this.#keyed(() => this.#open<T>(kind, record));
  }

  /** Reads a record of which is held what it said before, and opens it again only if it says something else. */
  async #findOften<T>(
    kind: RecordKind,
    digest: Digest,
    read: (held: HeldBody | null) => Promise<BackendRecord | UnchangedRecord | null>,
  ): Promise<StoredRecord<T> | null> {
    const before = this.#held.recall(kind, digest);
    const record = await read(before);
    if (record === null) return null;
    if (record.body !== null) return this.#keyed(() => this.#openOften<T>(kind, record, digest));
    const { version, expiresAt, consumedAt } = record;
    return { ...saidBy<T>(before), version, expiresAt, consumedAt };
  }

  /** Throws `Refusal('record_too_large')` for a value of more than `RECORD_BYTES_MAX`. */
  async put<T>(record: RecordWrite<T>): Promise<PutOutcome> {
    const { kind, id, expiresAt, group, owner, onlyIf, note } = record;
    if (expiresAt !== null) {
      assertWhole('expiresAt', expiresAt);
    }
    const key = this.#name(kind, 'record', id);
    const aliases = new Map((record.aliases ?? []).map((alias) => [alias, this.#name(kind, 'alias', alias)]));
    const value = this.#extensions.concern(record) ? await this.#completed(record, key) : record.value;
    const plain = writeRecordBody(kind, { id, value });
    const write = {
      kind,
      key,
      expiresAt,
      group: group === undefined ? null : this.#names.recurring('group', group),
      owner: owner === undefined ? null : this.#name(kind, 'owner', owner),
      aliases: [...aliases.values()],
      onlyIf: onlyIf ?? null,
    };
    const result = await this.#sealed(async () => {
      const body = this.#sealer.seal(recordContext(kind, key), plain);
      const now = this.#clock.now();
      const put = await this.#backend.put({ ...write, body, note: this.#sealedNote(note) }, now);
      // Whoever has written it is often the next to read it.
      if (put.outcome === 'stored' && OFTEN_READ.has(kind))
        this.#held.hold(kind, key, { version: put.version, body, ...readRecordBody(kind, plain) });
      return put;
    });
    if (result.outcome === 'stored') this.#tell(note);
    if (result.outcome !== 'alias-taken') {
      return result;
    }
    const [taken = ''] = [...aliases].find(([, digest]) => digest.equals(result.alias)) ?? [];
    return { outcome: 'alias-taken', alias: taken };
  }

  async consume(kind: RecordKind, id: string): Promise<ConsumeOutcome> {
    return this.#backend.consume(kind, this.#name(kind, 'record', id), this.#clock.now());
  }

  async remove(kind: RecordKind, id: string, notedIn?: LogName): Promise<boolean> {
    const key = this.#name(kind, 'record', id);
    const removed = await this.#backend.remove(kind, key, this.#log(notedIn), this.#clock.now());
    this.#tell(notedIn);
    return removed;
  }

  async endGroup(
    group: string,
    rememberUntil: EpochSeconds,
    notedIn?: LogName & { readonly kind: RecordKind },
  ): Promise<void> {
    assertWhole('rememberUntil', rememberUntil);
    const log = this.#log(notedIn);
    const noted = log === null || notedIn === undefined ? null : { ...log, kind: notedIn.kind };
    await this.#backend.endGroup(this.#names.once('group', group), rememberUntil, noted, this.#clock.now());
    this.#tell(notedIn);
  }

  /** In the order of the records' digests: stable, and telling nothing. Throws `Refusal('page_unknown')`. */
  async list<T>(kind: RecordKind, page: { after?: string; limit: number }): Promise<RecordPage<T>> {
    return this.#page(kind, page, (wanted) => this.#backend.list(kind, wanted, this.#clock.now()));
  }

  async listOwned<T>(
    kind: RecordKind,
    owner: string,
    page: { after?: string; limit: number },
  ): Promise<RecordPage<T>> {
    const digest = this.#name(kind, 'owner', owner);
    return this.#page(kind, page, (wanted) => this.#backend.listOwned(digest, wanted, this.#clock.now()));
  }

  async #page<T>(
    kind: RecordKind,
    page: { after?: string; limit: number },
    read: (wanted: BackendPage) => Promise<readonly BackendRecord[]>,
  ): Promise<RecordPage<T>> {
    assertCount('limit', page.limit);
    const after = page.after === undefined ? null : readPageCursor(page.after);
    // One more than asked for tells whether there is another page.
    const found = await read({ after, limit: page.limit + 1 });
    const records = found.slice(0, page.limit);
    return {
      records: await this.#keyed(() => records.map((record) => this.#open<T>(kind, record))),
      next: found.length > page.limit ? pageCursor(records) : null,
    };
  }

  async revoke(entries: readonly string[], until: EpochSeconds, note?: LogNote): Promise<void> {
    assertWhole('until', until);
    const digests = this.#revocations(entries);
    await this.#sealed(() => this.#backend.revoke(digests, until, this.#sealedNote(note)));
    this.#tell(note);
  }

  async anyRevoked(entries: readonly string[]): Promise<boolean> {
    return this.#backend.anyRevoked(this.#revocations(entries), this.#clock.now());
  }

  /** Throws `Refusal('record_too_large')` for an entry of more than `RECORD_BYTES_MAX`. */
  async append(note: LogNote): Promise<void> {
    await this.#sealed(() => this.#backend.append(this.#sealedNote(note) as BackendNote));
    this.#tell(note);
  }

  async readLog<T>(name: string, { after, limit }: { after: number; limit: number }): Promise<LogPage<T>> {
    assertCount('limit', limit);
    const log = this.#names.once('log', name);
    const page = await this.#backend.readLog(log, { after, limit }, this.#clock.now());
    const open = () => page.entries.map((entry) => this.#openEntry<T>(log, entry));
    return { ...page, entries: await this.#keyed(open) };
  }

  onAdded(log: string, added: () => void): Disposable {
    const listeners = this.#listeners.get(log) ?? new Set();
    this.#listeners.set(log, listeners.add(added));
    return { [Symbol.dispose]: () => void listeners.delete(added) };
  }

  async hit(counter: string, window: Seconds): Promise<CounterState> {
    assertCount('window', window);
    return this.#backend.hit(this.#names.once('counter', counter), window, this.#clock.now());
  }

  async counted(counter: string): Promise<CounterState | null> {
    return this.#backend.counted(this.#names.once('counter', counter), this.#clock.now());
  }

  async resetCounter(counter: string): Promise<void> {
    return this.#backend.resetCounter(this.#names.once('counter', counter));
  }

  async sweep(limit: number): Promise<SweepOutcome> {
    assertCount('limit', limit);
    return this.#backend.sweep(limit, this.#clock.now());
  }

  settled(): Promise<void> {
    return this.#backend.settled();
  }

  async ping(): Promise<void> {
    return this.#backend.ping();
  }

  /** Seals and writes, once more if another key-encryption key has become current meanwhile. */
  async #sealed<O extends { readonly outcome: string }>(
    write: () => Promise<O>,
  ): Promise<Exclude<O, { readonly outcome: 'seal-outdated' }>> {
    for (let attempt = 0; attempt < SEALING_ATTEMPTS_MAX; attempt += 1) {
      const result = await write();
      if (result.outcome !== 'seal-outdated') return result as Exclude<O, { outcome: 'seal-outdated' }>;
      await this.#keys.refresh();
    }
    throw new StorageFault('the key-encryption key of the store changes faster than this process can follow');
  }

  /** Opens something, once more if it is under a key-encryption key that has come to this process meanwhile. */
  async #keyed<T>(open: () => T): Promise<T> {
    try {
      return open();
    } catch (fault) {
      if (!(fault instanceof MissingKeyFault)) throw fault;
      await this.#keys.lookForKeys();
      return open();
    }
  }

  #tell(note: LogName | undefined): void {
    if (note !== undefined) for (const added of this.#listeners.get(note.log) ?? []) added();
  }

  #log(name: LogName | undefined) {
    if (name === undefined) return null;
    assertWhole('until', name.until);
    return { log: this.#names.once('log', name.log), until: name.until };
  }

  #sealedNote(note: LogNote | undefined): BackendNote | null {
    const log = this.#log(note);
    if (log === null || note === undefined) return null;
    const body = this.#sealer.seal(logContext(log.log), writeLogBody(note.entry));
    return { ...log, body };
  }

  #openEntry<T>(log: Digest, { position, until, removed, body }: BackendLogEntry): LogEntry<T> {
    if (removed === null) {
      const entry = readLogBody(this.#sealer.open(logContext(log), body)) as T;
      return { position, until, entry, removed: null };
    }
    const kind = removed.kind as RecordKind;
    return { position, until, entry: null, removed: { kind, ...this.#unseal(kind, removed.key, body) } };
  }

  #revocations(entries: readonly string[]): Digest[] {
    return entries.map((entry) => this.#names.recurring('revocation', entry));
  }

  #open<T>(kind: RecordKind, record: BackendRecord): StoredRecord<T> {
    const { key, body, version, expiresAt, consumedAt } = record;
    if (OFTEN_READ.has(kind)) return this.#openOften(kind, record, key);
    const { id, value } = this.#unseal(kind, key, body);
    return { id, value: value as T, version, expiresAt, consumedAt };
  }

  /** What the same bytes were opened to before, they open to again: nothing can be out of date. */
  #openOften<T>(kind: RecordKind, record: BackendRecord, foundBy: Digest): StoredRecord<T> {
    const { key, body, version, expiresAt, consumedAt } = record;
    const before = this.#held.recall(kind, foundBy);
    const same = before?.body.equals(body) === true ? before : this.#unseal(kind, key, body);
    const { id, value } = this.#held.hold(kind, foundBy, { ...same, version, body });
    return { id, value: value as T, version, expiresAt, consumedAt };
  }

  /** The digest of a name that has a kind in it. */
  #name(kind: RecordKind, label: 'record' | 'alias' | 'owner', name: string): Digest {
    return OFTEN_READ.has(kind)
      ? this.#names.recurring(label, kind, name)
      : this.#names.once(label, kind, name);
  }

  #unseal(kind: RecordKind, key: Digest, body: Buffer): OpenedBody {
    const opened = readRecordBody(kind, this.#sealer.open(recordContext(kind, key), body));
    this.#extensions.meet(kind, opened.value);
    return opened;
  }

  /** What is written in the place of a record that was read, with all that a newer program has added to that one. */
  async #completed({ kind, value, onlyIf }: RecordWrite<unknown>, key: Digest): Promise<unknown> {
    const replaced = await this.#backend.find(kind, key, this.#clock.now());
    // Where it is another one by now, the write is about to be refused.
    if (replaced === null || onlyIf === 'absent' || replaced.version !== onlyIf?.version) return value;
    const opened = await this.#keyed(() => this.#unseal(kind, key, replaced.body));
    return { ...addedMembers(kind, opened.value), ...(value as object) };
  }
}

function saidBy<T>(held: HeldBody | null): { id: string; value: T } {
  if (held === null) throw new Error('a body is left out only for who holds it');
  return { id: held.id, value: held.value as T };
}

/** Records that many requests read and few write. Whoever gets one shares it, so it cannot be changed. */
const OFTEN_READ: ReadonlySet<RecordKind> = new Set([
  'account',
  'authorization',
  'client',
  'resource-server',
]);

/** Each lost attempt means that a key-encryption key has become current, which happens a few times a year. */
const SEALING_ATTEMPTS_MAX = 5;
