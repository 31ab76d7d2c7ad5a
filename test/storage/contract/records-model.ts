import type { Clock } from '#src/clock.ts';
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
  RemovedRecord,
  StoredRecord,
  SweepOutcome,
} from '#src/records.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** The storage contract at its shortest: what a store must answer, with no thought of durability, size or speed. */
export class RecordsModel implements Records {
  readonly #clock: Clock;
  readonly #records = new Map<string, ModelRecord>();
  readonly #endedGroups = new Map<string, EpochSeconds>();
  readonly #revoked = new Map<string, EpochSeconds>();
  readonly #logs: (LogEntry<unknown> & { readonly log: string })[] = [];
  readonly #counters = new Map<string, CounterState>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async find<T>(kind: RecordKind, id: string): Promise<StoredRecord<T> | null> {
    return this.#answer(this.#living().find((record) => record.kind === kind && record.id === id));
  }

  async findByAlias<T>(kind: RecordKind, alias: string): Promise<StoredRecord<T> | null> {
    return this.#answer(this.#holder(kind, alias));
  }

  async put<T>(write: RecordWrite<T>): Promise<PutOutcome> {
    const { kind, id, group, aliases = [], onlyIf } = write;
    if (group !== undefined && this.#lives(this.#endedGroups.get(group))) {
      return { outcome: 'group-ended' };
    }
    const present = (await this.find(kind, id))?.version ?? 'absent';
    if (onlyIf !== undefined && present !== (onlyIf === 'absent' ? onlyIf : onlyIf.version)) {
      return { outcome: 'stale' };
    }
    const alias = aliases.find((wanted) => (this.#holder(kind, wanted)?.id ?? id) !== id);
    if (alias !== undefined) {
      return { outcome: 'alias-taken', alias };
    }
    this.#version += 1;
    this.#records.set(`${kind} ${id}`, { ...write, version: this.#version, consumedAt: null });
    if (write.note !== undefined) await this.append(write.note);
    return { outcome: 'stored', version: this.#version };
  }

  async consume(kind: RecordKind, id: string): Promise<ConsumeOutcome> {
    const record = this.#living().find((other) => other.kind === kind && other.id === id);
    if (record === undefined) {
      return 'absent';
    }
    if (record.consumedAt !== null) {
      return 'already-consumed';
    }
    this.#records.set(`${kind} ${id}`, { ...record, consumedAt: this.#clock.now() });
    return 'consumed';
  }

  async remove(kind: RecordKind, id: string, notedIn?: LogName): Promise<boolean> {
    const found = await this.find(kind, id);
    if (found !== null && notedIn !== undefined) this.#noteRemoved(notedIn, { kind, ...found });
    this.#records.delete(`${kind} ${id}`);
    return found !== null;
  }

  async endGroup(
    group: string,
    rememberUntil: EpochSeconds,
    notedIn?: LogName & { readonly kind: RecordKind },
  ): Promise<void> {
    later(this.#endedGroups, group, rememberUntil);
    const noted = this.#living().filter((record) => record.group === group && record.kind === notedIn?.kind);
    for (const record of noted) if (notedIn !== undefined) this.#noteRemoved(notedIn, record);
    for (const [key, record] of this.#records) {
      if (record.group === group) {
        this.#records.delete(key);
      }
    }
  }

  async list<T>(kind: RecordKind, page: { after?: string; limit: number }): Promise<RecordPage<T>> {
    return this.#page(
      this.#living().filter((record) => record.kind === kind),
      page,
    );
  }

  async listOwned<T>(
    kind: RecordKind,
    owner: string,
    page: { after?: string; limit: number },
  ): Promise<RecordPage<T>> {
    return this.#page(
      this.#living().filter((record) => record.kind === kind && record.owner === owner),
      page,
    );
  }

  #page<T>(of: ModelRecord[], page: { after?: string; limit: number }): RecordPage<T> {
    const rest = of.filter((record) => record.id > (page.after ?? ''));
    const sorted = rest.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const records = sorted.slice(0, page.limit);
    return {
      records: records.map((record) => this.#stored<T>(record)),
      next: sorted.length > page.limit ? (records.at(-1)?.id ?? null) : null,
    };
  }

  async revoke(entries: readonly string[], until: EpochSeconds, note?: LogNote): Promise<void> {
    if (note !== undefined) await this.append(note);
    for (const entry of entries) {
      later(this.#revoked, entry, until);
    }
  }

  async anyRevoked(entries: readonly string[]): Promise<boolean> {
    return entries.some((entry) => this.#lives(this.#revoked.get(entry)));
  }

  async append({ log, until, entry }: LogNote): Promise<void> {
    this.#logs.push({ log, position: this.#logs.length + 1, until, entry, removed: null });
  }

  async readLog<T>(log: string, { after, limit }: { after: number; limit: number }): Promise<LogPage<T>> {
    const behind = this.#logs.filter(
      (entry) => entry.log === log && entry.position > after && this.#lives(entry.until),
    );
    const entries = behind.slice(0, limit).map(({ log: _, ...entry }) => entry as LogEntry<T>);
    const atEnd = entries.length < limit;
    return { entries, next: atEnd ? this.#logs.length : (entries.at(-1)?.position ?? 0), atEnd };
  }

  onAdded(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  async counted(counter: string): Promise<CounterState | null> {
    const state = this.#counters.get(counter);
    return state !== undefined && this.#lives(state.resetsAt) ? state : null;
  }

  async hit(counter: string, window: Seconds): Promise<CounterState> {
    const open = this.#counters.get(counter);
    const state =
      open !== undefined && this.#lives(open.resetsAt)
        ? { ...open, count: open.count + 1 }
        : { count: 1, resetsAt: after(this.#clock.now(), window) };
    this.#counters.set(counter, state);
    return state;
  }

  async resetCounter(counter: string): Promise<void> {
    this.#counters.delete(counter);
  }

  async sweep(): Promise<SweepOutcome> {
    return { removed: 0, done: true };
  }

  async settled(): Promise<void> {}

  async ping(): Promise<void> {}

  #noteRemoved({ log, until }: LogName, { kind, id, value }: RemovedRecord): void {
    const removed = { kind, id, value };
    this.#logs.push({ log, position: this.#logs.length + 1, until, entry: null, removed });
  }

  #living(): ModelRecord[] {
    return [...this.#records.values()].filter(
      ({ expiresAt }) => expiresAt === null || this.#lives(expiresAt),
    );
  }

  #holder(kind: RecordKind, alias: string): ModelRecord | undefined {
    return this.#living().find((record) => record.kind === kind && record.aliases?.includes(alias));
  }

  #lives(until: EpochSeconds | undefined): boolean {
    return until !== undefined && this.#clock.now() < until;
  }

  #answer<T>(record: ModelRecord | undefined): StoredRecord<T> | null {
    return record === undefined ? null : this.#stored(record);
  }

  #stored<T>({ id, value, version, expiresAt, consumedAt }: ModelRecord): StoredRecord<T> {
    return { id, value: value as T, version, expiresAt, consumedAt };
  }
}

type ModelRecord = RecordWrite<unknown> & {
  readonly version: number;
  readonly consumedAt: EpochSeconds | null;
};

function later(times: Map<string, EpochSeconds>, name: string, time: EpochSeconds): void {
  const known = times.get(name);
  times.set(name, known !== undefined && known > time ? known : time);
}
