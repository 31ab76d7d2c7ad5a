import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { BackendCensus } from '#src/storage/backend.ts';
import { censusAtOnce, RunningCensus } from '#src/storage/sqlite/census.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * Walks the tables in the order of their primary keys and drops what has expired, a stretch at a time. It remembers
 * where it stopped, so that each row is looked at once a round; a row written behind it waits for the next round.
 */
export class Sweep {
  readonly #walks: readonly Walk[];
  readonly #censusAtOnce: () => BackendCensus | null;
  #counts = false;
  #atBeginning = true;
  /** Of the round that is under way, if it is counted since its beginning. */
  #running: RunningCensus | null = null;
  #census: BackendCensus | null = null;

  constructor(database: DatabaseSync) {
    this.#censusAtOnce = censusAtOnce(database);
    this.#walks = [
      new Walk(database, { table: 'record', primaryKey: 'id', beforeFirst: 0 }),
      new Walk(database, { table: 'ended_group', primaryKey: 'group_key', beforeFirst: NO_BYTES }),
      new Walk(database, { table: 'revocation', primaryKey: 'entry', beforeFirst: NO_BYTES }),
      new Walk(database, { table: 'log_entry', primaryKey: 'position', beforeFirst: 0 }),
      new Walk(database, { table: 'counter', primaryKey: 'counter', beforeFirst: NO_BYTES }),
    ];
  }

  /**
   * How much there is: counted now where that is little, otherwise what the last round has left. Rounds count from the
   * first on that begins after this is asked.
   */
  census(): BackendCensus | null {
    this.#counts = true;
    return this.#censusAtOnce() ?? this.#census;
  }

  /** Takes the next stretch of at most `limit` rows of each table that this round is not through with. */
  step(limit: number, now: EpochSeconds): { readonly removed: number; readonly done: boolean } {
    if (this.#atBeginning && this.#counts) this.#running = new RunningCensus();
    this.#atBeginning = false;
    let removed = 0;
    for (const walk of this.#walks) {
      removed += walk.step(limit, now, this.#running);
    }
    const done = this.#walks.every((walk) => walk.atEnd);
    if (done) {
      for (const walk of this.#walks) {
        walk.startOver();
      }
      this.#atBeginning = true;
      this.#census = this.#running;
    }
    return { removed, done };
  }
}

const NO_BYTES = Buffer.alloc(0);

interface SweptTable {
  readonly table: string;
  readonly primaryKey: string;
  /** A value that sorts before every primary key. */
  readonly beforeFirst: SQLInputValue;
}

class Walk {
  readonly #table: string;
  readonly #beforeFirst: SQLInputValue;
  readonly #endOfStretch: StatementSync;
  readonly #dropExpired: StatementSync;
  /** Of records only. */
  readonly #countKinds: StatementSync | null;
  #at: SQLInputValue;
  atEnd = false;

  constructor(database: DatabaseSync, { table, primaryKey, beforeFirst }: SweptTable) {
    this.#table = table;
    this.#beforeFirst = beforeFirst;
    this.#at = beforeFirst;
    this.#endOfStretch = database.prepare(`
      SELECT max(${primaryKey}) AS last, count(*) AS looked_at
      FROM (SELECT ${primaryKey} FROM ${table} WHERE ${primaryKey} > :at ORDER BY ${primaryKey} LIMIT :limit)`);
    this.#dropExpired = database.prepare(`
      DELETE FROM ${table}
      WHERE ${primaryKey} > :at AND ${primaryKey} <= :last AND expires_at_s <= :now`);
    const kinds = 'SELECT kind, count(*) AS count FROM record WHERE id > :at AND id <= :last GROUP BY kind';
    this.#countKinds = table === 'record' ? database.prepare(kinds) : null;
  }

  step(limit: number, now: EpochSeconds, census: RunningCensus | null): number {
    if (this.atEnd) {
      return 0;
    }
    const at = this.#at;
    const stretch = this.#endOfStretch.get({ at, limit });
    const last = stretch?.last ?? null;
    this.atEnd = Number(stretch?.looked_at) < limit;
    if (last === null) {
      return 0;
    }
    this.#at = last;
    const removed = Number(this.#dropExpired.run({ at, last, now }).changes);
    if (census !== null) this.#count(census, { at, last, left: Number(stretch?.looked_at) - removed });
    return removed;
  }

  #count(
    census: RunningCensus,
    { at, last, left }: { readonly at: SQLInputValue; readonly last: SQLInputValue; readonly left: number },
  ): void {
    if (this.#countKinds === null) census.addEntries(this.#table, left);
    else
      for (const { kind, count } of this.#countKinds.all({ at, last }))
        census.addRecords(String(kind), Number(count));
  }

  startOver(): void {
    this.#at = this.#beforeFirst;
    this.atEnd = false;
  }
}
