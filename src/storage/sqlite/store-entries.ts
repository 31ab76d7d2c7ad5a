import { DatabaseSync } from 'node:sqlite';
import { asBuffer } from '#src/storage/sqlite/as-buffer.ts';
import { storageFault } from '#src/storage/sqlite/errors.ts';
import type { StoreEntry, StoreSequences } from '#src/storage/store-entry.ts';
import { UNFINISHED_KIND } from '#src/storage/unfinished.ts';
import type { EpochSeconds } from '#src/units.ts';

const PAGE_ENTRIES = 256;
const PAGE_BYTES = 1024 * 1024;

/** Nobody keeps a reader waiting for longer than it takes to close a database. */
const BUSY_TIMEOUT_MS = 1000;

/**
 * Everything in a database file as of one moment, that of the first page: by one read transaction on a connection of its
 * own, beside which others write as ever.
 */
export async function* entriesOf(file: string): AsyncGenerator<readonly StoreEntry[]> {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    database.exec('BEGIN');
  } catch (error) {
    throw storageFault(error);
  }
  try {
    let page: StoreEntry[] = [];
    let bytes = 0;
    for (const entry of everyEntry(database)) {
      page.push(entry);
      bytes += 'body' in entry ? entry.body.length : 0;
      if (page.length < PAGE_ENTRIES && bytes < PAGE_BYTES) continue;
      yield page;
      page = [];
      bytes = 0;
    }
    if (page.length > 0) yield page;
  } catch (error) {
    throw storageFault(error);
  } finally {
    database.close();
  }
}

function* everyEntry(database: DatabaseSync): Generator<StoreEntry> {
  const kinds = database.prepare("SELECT DISTINCT kind FROM record ORDER BY kind || ':'").all();
  for (const kind of kinds.map((row) => String(row.kind))) {
    if (kind !== UNFINISHED_KIND) yield* recordsOf(database, kind);
  }
  for (const row of database.prepare('SELECT * FROM log_entry ORDER BY log, position').iterate()) {
    yield logEntry(row as unknown as LogRow);
  }
  for (const { table, digest, entryOf } of TIMED) {
    const rows = database.prepare(
      `SELECT ${digest} AS digest, * FROM ${table} ORDER BY expires_at_s, ${digest}`,
    );
    for (const row of rows.iterate()) {
      const { digest: key, expires_at_s: until, count = 0 } = row as unknown as TimedRow;
      yield entryOf(asBuffer(key), until, count);
    }
  }
}

function* recordsOf(database: DatabaseSync, kind: string): Generator<StoreEntry> {
  const aliasesOf = database.prepare('SELECT alias FROM alias WHERE record = :id ORDER BY alias');
  const records = database.prepare('SELECT * FROM record WHERE kind = :kind ORDER BY key').iterate({ kind });
  for (const row of records as Iterable<unknown> as Iterable<RecordRow>) {
    const aliases = aliasesOf.all({ id: row.id });
    yield {
      sort: 'record',
      kind,
      key: asBuffer(row.key),
      version: row.version,
      expiresAt: row.expires_at_s,
      consumedAt: row.consumed_at_s,
      group: bufferOrNull(row.group_key),
      owner: bufferOrNull(row.owner_key),
      aliases: aliases.map(({ alias }) => asBuffer(alias as Uint8Array)),
      body: asBuffer(row.body),
    };
  }
}

/** What has a table with a digest and a time. */
const TIMED: readonly {
  readonly table: string;
  readonly digest: string;
  readonly entryOf: (digest: Buffer, until: EpochSeconds, count: number) => StoreEntry;
}[] = [
  {
    table: 'ended_group',
    digest: 'group_key',
    entryOf: (group, until) => ({ sort: 'ended-group', group, until }),
  },
  { table: 'revocation', digest: 'entry', entryOf: (entry, until) => ({ sort: 'revocation', entry, until }) },
  {
    table: 'counter',
    digest: 'counter',
    entryOf: (counter, until, count) => ({ sort: 'counter', counter, count, until }),
  },
];

interface TimedRow {
  readonly digest: Uint8Array;
  readonly expires_at_s: EpochSeconds;
  readonly count?: number;
}

export type StoreFiller = ReturnType<typeof storeFiller>;

/** Puts and drops entries as they are. Each call is to be made within a transaction. */
export function storeFiller(database: DatabaseSync) {
  const statements = prepareStatements(database);

  function putRecord({ sort: _, aliases, ...columns }: Extract<StoreEntry, { sort: 'record' }>): void {
    const record = Number(statements.putRecord.get(columns)?.id);
    statements.dropAliases.run({ record });
    for (const alias of aliases) statements.putAlias.run({ alias, record });
    statements.raiseVersion.run({ version: columns.version });
  }

  return {
    sequences(): StoreSequences {
      const row = statements.sequences.get() as { last: number; seal: Uint8Array | null; position: number };
      return { version: row.last, position: row.position, seal: bufferOrNull(row.seal) };
    },

    put(entry: StoreEntry): void {
      switch (entry.sort) {
        case 'record':
          putRecord(entry);
          return;
        case 'log-entry': {
          const { log, position, until, removed, body } = entry;
          const { kind = null, key = null } = removed ?? {};
          statements.putLogEntry.run({ log, position, until, kind, key, body });
          return;
        }
        case 'ended-group':
          statements.putEndedGroup.run({ group: entry.group, until: entry.until });
          return;
        case 'revocation':
          statements.putRevocation.run({ entry: entry.entry, until: entry.until });
          return;
        case 'counter':
          statements.putCounter.run({ counter: entry.counter, count: entry.count, until: entry.until });
      }
    },

    drop(entry: StoreEntry): void {
      switch (entry.sort) {
        case 'record':
          statements.dropRecord.run({ kind: entry.kind, key: entry.key });
          return;
        case 'log-entry':
          statements.dropLogEntry.run({ log: entry.log, position: entry.position });
          return;
        case 'ended-group':
          statements.dropEndedGroup.run({ group: entry.group, until: entry.until });
          return;
        case 'revocation':
          statements.dropRevocation.run({ entry: entry.entry, until: entry.until });
          return;
        case 'counter':
          statements.dropCounter.run({ counter: entry.counter, until: entry.until });
      }
    },

    /** Goes on from these, and in no case from less than has been given out here. */
    finish({ version, position, seal }: StoreSequences): void {
      statements.raiseVersion.run({ version });
      statements.setSeal.run({ seal });
      if (statements.raisePosition.run({ position }).changes === 0) statements.setPosition.run({ position });
    },
  };
}

function prepareStatements(database: DatabaseSync) {
  return {
    sequences: database.prepare(`
      SELECT last, seal, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log_entry'), 0) AS position
      FROM record_version`),
    raiseVersion: database.prepare('UPDATE record_version SET last = max(last, :version)'),
    setSeal: database.prepare('UPDATE record_version SET seal = :seal'),
    raisePosition: database.prepare(
      `UPDATE sqlite_sequence SET seq = max(seq, :position) WHERE name = 'log_entry'`,
    ),
    setPosition: database.prepare(`INSERT INTO sqlite_sequence (name, seq) VALUES ('log_entry', :position)`),

    putRecord: database.prepare(`
      INSERT INTO record (kind, key, version, expires_at_s, consumed_at_s, group_key, owner_key, body)
      VALUES (:kind, :key, :version, :expiresAt, :consumedAt, :group, :owner, :body)
      ON CONFLICT (kind, key) DO UPDATE SET
        version = excluded.version, expires_at_s = excluded.expires_at_s, consumed_at_s = excluded.consumed_at_s,
        group_key = excluded.group_key, owner_key = excluded.owner_key, body = excluded.body
      RETURNING id`),
    dropRecord: database.prepare('DELETE FROM record WHERE kind = :kind AND key = :key'),

    dropAliases: database.prepare('DELETE FROM alias WHERE record = :record'),
    putAlias: database.prepare(`
      INSERT INTO alias (alias, record) VALUES (:alias, :record)
      ON CONFLICT (alias) DO UPDATE SET record = excluded.record`),

    putLogEntry: database.prepare(`
      INSERT INTO log_entry (position, log, expires_at_s, kind, key, body)
      VALUES (:position, :log, :until, :kind, :key, :body)
      ON CONFLICT (position) DO UPDATE SET
        log = excluded.log, expires_at_s = excluded.expires_at_s, kind = excluded.kind, key = excluded.key,
        body = excluded.body`),
    dropLogEntry: database.prepare('DELETE FROM log_entry WHERE log = :log AND position = :position'),

    putEndedGroup: database.prepare(`
      INSERT INTO ended_group (group_key, expires_at_s) VALUES (:group, :until)
      ON CONFLICT (group_key) DO UPDATE SET expires_at_s = excluded.expires_at_s`),
    // Only as they are: what was put anew with another time is another entry.
    dropEndedGroup: database.prepare(
      'DELETE FROM ended_group WHERE group_key = :group AND expires_at_s = :until',
    ),

    putRevocation: database.prepare(`
      INSERT INTO revocation (entry, expires_at_s) VALUES (:entry, :until)
      ON CONFLICT (entry) DO UPDATE SET expires_at_s = excluded.expires_at_s`),
    dropRevocation: database.prepare('DELETE FROM revocation WHERE entry = :entry AND expires_at_s = :until'),

    putCounter: database.prepare(`
      INSERT INTO counter (counter, count, expires_at_s) VALUES (:counter, :count, :until)
      ON CONFLICT (counter) DO UPDATE SET count = excluded.count, expires_at_s = excluded.expires_at_s`),
    dropCounter: database.prepare('DELETE FROM counter WHERE counter = :counter AND expires_at_s = :until'),
  };
}

interface RecordRow {
  readonly id: number;
  readonly key: Uint8Array;
  readonly version: number;
  readonly expires_at_s: EpochSeconds | null;
  readonly consumed_at_s: EpochSeconds | null;
  readonly group_key: Uint8Array | null;
  readonly owner_key: Uint8Array | null;
  readonly body: Uint8Array;
}

interface LogRow {
  readonly log: Uint8Array;
  readonly position: number;
  readonly expires_at_s: EpochSeconds;
  readonly kind: string | null;
  readonly key: Uint8Array | null;
  readonly body: Uint8Array;
}

function logEntry({ log, position, expires_at_s: until, kind, key, body }: LogRow): StoreEntry {
  const removed = kind === null || key === null ? null : { kind, key: asBuffer(key) };
  return { sort: 'log-entry', log: asBuffer(log), position, until, removed, body: asBuffer(body) };
}

const bufferOrNull = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : asBuffer(bytes));
