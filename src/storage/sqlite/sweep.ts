import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { EpochSeconds } from '#src/units.ts';

/**
 * Walks the tables in the order of their primary keys and drops what has expired, a stretch at a time. It remembers
 * where it stopped, so that each row is looked at once a round; a row written behind it waits for the next round.
 */
export class Sweep {
  readonly #walks: readonly Walk[];

  constructor(database: DatabaseSync) {
    this.#walks = [
      new Walk(database, { table: 'record', primaryKey: 'id', beforeFirst: 0 }),
      new Walk(database, { table: 'ended_group', primaryKey: 'group_key', beforeFirst: NO_BYTES }),
      new Walk(database, { table: 'revocation', primaryKey: 'entry', beforeFirst: NO_BYTES }),
      new Walk(database, { table: 'log_entry', primaryKey: 'position', beforeFirst: 0 }),
      new Walk(database, { table: 'counter', primaryKey: 'counter', beforeFirst: NO_BYTES }),
    ];
  }

  /** Takes the next stretch of at most `limit` rows of each table that this round is not through with. */
  step(limit: number, now: EpochSeconds): { readonly removed: number; readonly done: boolean } {
    let removed = 0;
    for (const walk of this.#walks) {
      removed += walk.step(limit, now);
    }
    const done = this.#walks.every((walk) => walk.atEnd);
    if (done) {
      for (const walk of this.#walks) {
        walk.startOver();
      }
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
  readonly #beforeFirst: SQLInputValue;
  readonly #endOfStretch: StatementSync;
  readonly #dropExpired: StatementSync;
  #at: SQLInputValue;
  atEnd = false;

  constructor(database: DatabaseSync, { table, primaryKey, beforeFirst }: SweptTable) {
    this.#beforeFirst = beforeFirst;
    this.#at = beforeFirst;
    this.#endOfStretch = database.prepare(`
      SELECT max(${primaryKey}) AS last, count(*) AS looked_at
      FROM (SELECT ${primaryKey} FROM ${table} WHERE ${primaryKey} > :at ORDER BY ${primaryKey} LIMIT :limit)`);
    this.#dropExpired = database.prepare(`
      DELETE FROM ${table}
      WHERE ${primaryKey} > :at AND ${primaryKey} <= :last AND expires_at_s <= :now`);
  }

  step(limit: number, now: EpochSeconds): number {
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
    return Number(this.#dropExpired.run({ at, last, now }).changes);
  }

  startOver(): void {
    this.#at = this.#beforeFirst;
    this.atEnd = false;
  }
}
