import type { DatabaseSync } from 'node:sqlite';
import type { BackendCensus } from '#src/storage/backend.ts';

/** So many rows are counted within a few milliseconds. */
const COUNTED_AT_ONCE_MAX = 10_000;

/** How much lies in a database that is small enough to be counted at once; `null` for a larger one. */
export function censusAtOnce(database: DatabaseSync): () => BackendCensus | null {
  const ofRecords = database.prepare(
    'SELECT kind, count(*) AS count FROM (SELECT kind FROM record LIMIT :max) GROUP BY kind',
  );
  const counts = (table: string) =>
    database.prepare(`SELECT count(*) AS count FROM (SELECT 1 FROM ${table} LIMIT :max)`);
  const others = {
    counter: counts('counter'),
    ended_group: counts('ended_group'),
    log_entry: counts('log_entry'),
    revocation: counts('revocation'),
  };
  const max = COUNTED_AT_ONCE_MAX;
  return () => {
    const records = new Map(ofRecords.all({ max }).map(({ kind, count }) => [String(kind), Number(count)]));
    const entries = Object.fromEntries(
      Object.entries(others).map(([table, statement]) => [table, Number(statement.get({ max })?.count)]),
    );
    const all = [[...records.values()].reduce((sum, count) => sum + count, 0), ...Object.values(entries)];
    if (all.some((count) => count >= max)) return null;
    return { records, entries: entries as BackendCensus['entries'] };
  };
}

/** What is counted while all tables are gone through, stretch by stretch. */
export class RunningCensus {
  readonly records = new Map<string, number>();
  readonly entries: Record<keyof BackendCensus['entries'], number> = {
    counter: 0,
    ended_group: 0,
    log_entry: 0,
    revocation: 0,
  };

  addRecords(kind: string, count: number): void {
    this.records.set(kind, (this.records.get(kind) ?? 0) + count);
  }

  addEntries(table: string, count: number): void {
    this.entries[table as keyof BackendCensus['entries']] += count;
  }
}
