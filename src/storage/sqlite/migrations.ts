import type { DatabaseSync } from 'node:sqlite';
import { SetupFault } from '#src/fault.ts';

/**
 * Brings a database to the schema of this program, in one transaction, whoever else opens it at the same time.
 * Throws `SetupFault` for a database that a newer Keyturn, or another program, has written.
 */
export function migrate(database: DatabaseSync, path: string): void {
  if (versionOf(database, path) === MIGRATIONS.length) {
    return;
  }
  database.exec('BEGIN IMMEDIATE');
  try {
    // Read once more under the lock: another process may have been faster.
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index >= versionOf(database, path)) {
        take(database, migration);
        database.exec(`PRAGMA user_version = ${index + 1}`);
      }
    }
    database.exec('COMMIT');
  } catch (fault) {
    if (database.isTransaction) {
      database.exec('ROLLBACK');
    }
    throw fault;
  }
}

/** 'KTRN': how SQLite, and `file`, tell a Keyturn store from any other database. */
const APPLICATION_ID = 0x4b54524e;

interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** The schema, step by step. `PRAGMA user_version` counts the steps taken; one that was released is never edited. */
const MIGRATIONS: readonly Migration[] = [
  {
    name: 'records, aliases, ended groups, revocations and counters',
    sql: `
      PRAGMA application_id = ${APPLICATION_ID};

      -- A rowid table, unlike the others: bodies are large for a b-tree ordered by random keys, and with the rows in
      -- order of arrival an insert costs half as much. There is no index on expiry, since it would be written with
      -- every record and is wanted only by the sweep, which walks the rows by id.
      CREATE TABLE record (
        id            INTEGER PRIMARY KEY,
        kind          TEXT    NOT NULL,
        key           BLOB    NOT NULL,
        version       INTEGER NOT NULL,
        expires_at_s  INTEGER,
        consumed_at_s INTEGER,
        group_key     BLOB,
        body          BLOB    NOT NULL,
        UNIQUE (kind, key)
      ) STRICT;
      CREATE INDEX record_by_group ON record (group_key) WHERE group_key IS NOT NULL;

      CREATE TABLE alias (
        alias  BLOB    PRIMARY KEY,
        record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX alias_by_record ON alias (record);

      CREATE TABLE record_version (last INTEGER NOT NULL) STRICT;
      INSERT INTO record_version (last) VALUES (0);

      CREATE TABLE ended_group (
        group_key    BLOB    PRIMARY KEY,
        expires_at_s INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE revocation (
        entry        BLOB    PRIMARY KEY,
        expires_at_s INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE counter (
        counter      BLOB    PRIMARY KEY,
        count        INTEGER NOT NULL,
        expires_at_s INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: 'owners of records',
    sql: `
      ALTER TABLE record ADD COLUMN owner_key BLOB;
      CREATE INDEX record_by_owner ON record (owner_key, key) WHERE owner_key IS NOT NULL;
    `,
  },
  {
    name: 'logs',
    sql: `
      -- A position is never given out twice, not even after the last entry has been swept (AUTOINCREMENT), and since
      -- there is one writer at a time, positions are in the order of the commits. Kind and key are those of a record
      -- that was removed, whose body it is.
      CREATE TABLE log_entry (
        position     INTEGER PRIMARY KEY AUTOINCREMENT,
        log          BLOB    NOT NULL,
        expires_at_s INTEGER NOT NULL,
        kind         TEXT,
        key          BLOB,
        body         BLOB    NOT NULL
      ) STRICT;
      CREATE INDEX log_entry_by_log ON log_entry (log, position);
    `,
  },
  {
    name: 'the seal of the store',
    sql: `
      -- Beside the last version, since whatever stores a body looks there anyway.
      ALTER TABLE record_version ADD COLUMN seal BLOB;
    `,
  },
];

function take(database: DatabaseSync, { name, sql }: Migration): void {
  try {
    database.exec(sql);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new Error(`the migration "${name}" failed: ${reason}`, { cause });
  }
}

function versionOf(database: DatabaseSync, path: string): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  const application = Number(database.prepare('PRAGMA application_id').get()?.application_id);
  const empty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (!empty && application !== APPLICATION_ID) {
    throw new SetupFault(
      `${path} is a database of another program`,
      'name another file as the store, or move this one away',
    );
  }
  if (version > MIGRATIONS.length) {
    throw new SetupFault(
      `the store ${path} has schema ${version}; this program knows schemas up to ${MIGRATIONS.length}`,
      'run the newer version of Keyturn that wrote it, or restore a backup from before the upgrade',
    );
  }
  return version;
}
