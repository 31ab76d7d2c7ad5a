import type { DatabaseSync, StatementSync } from 'node:sqlite';

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement of the SQLite backend, but for the sweep's. `:now` is the present in epoch seconds. */
export function prepareStatements(database: DatabaseSync) {
  return {
    findRecord: database.prepare(`
      SELECT key, body, version, expires_at_s, consumed_at_s FROM record
      WHERE kind = :kind AND key = :key AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    findRecordByAlias: database.prepare(`
      SELECT key, body, version, expires_at_s, consumed_at_s FROM alias JOIN record ON record.id = alias.record
      WHERE alias.alias = :alias AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    // Read at every request: their values are given and taken by position, which costs less.
    findRecordAgain: asArrays(
      database.prepare(`
      SELECT CASE version WHEN ? THEN NULL ELSE body END, version, expires_at_s, consumed_at_s, key FROM record
      WHERE kind = ? AND key = ? AND (expires_at_s IS NULL OR expires_at_s > ?)`),
    ),

    findRecordByAliasAgain: asArrays(
      database.prepare(`
      SELECT CASE version WHEN ? THEN NULL ELSE body END, version, expires_at_s, consumed_at_s, key, kind
      FROM alias JOIN record ON record.id = alias.record
      WHERE alias.alias = ? AND (expires_at_s IS NULL OR expires_at_s > ?)`),
    ),

    listRecords: database.prepare(`
      SELECT key, body, version, expires_at_s, consumed_at_s FROM record
      WHERE kind = :kind AND key > :after AND (expires_at_s IS NULL OR expires_at_s > :now)
      ORDER BY key LIMIT :limit`),

    listOwnedRecords: database.prepare(`
      SELECT key, body, version, expires_at_s, consumed_at_s FROM record
      WHERE owner_key = :owner AND key > :after AND (expires_at_s IS NULL OR expires_at_s > :now)
      ORDER BY key LIMIT :limit`),

    livingVersion: database.prepare(`
      SELECT version FROM record
      WHERE kind = :kind AND key = :key AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    // No row where the store has another seal.
    nextVersion: database.prepare(`
      UPDATE record_version SET last = last + 1 WHERE seal IS NULL OR seal = :seal RETURNING last`),

    setSeal: database.prepare('UPDATE record_version SET seal = :seal'),

    sealIsSet: database.prepare('SELECT 1 FROM record_version WHERE seal IS NULL OR seal = :seal'),

    ping: database.prepare('UPDATE record_version SET last = last + 1'),

    // Also over an expired record that has not been swept yet.
    writeRecord: database.prepare(`
      INSERT INTO record (kind, key, version, expires_at_s, consumed_at_s, group_key, owner_key, body)
      VALUES (:kind, :key, :version, :expiresAt, NULL, :group, :owner, :body)
      ON CONFLICT (kind, key) DO UPDATE SET
        version = excluded.version, expires_at_s = excluded.expires_at_s, consumed_at_s = NULL,
        group_key = excluded.group_key, owner_key = excluded.owner_key, body = excluded.body
      RETURNING id`),

    consumeRecord: database.prepare(`
      UPDATE record SET consumed_at_s = :now
      WHERE kind = :kind AND key = :key AND consumed_at_s IS NULL
        AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    removeRecord: database.prepare(`
      DELETE FROM record WHERE kind = :kind AND key = :key RETURNING expires_at_s`),

    aliasHolder: database.prepare(`
      SELECT kind, key FROM alias JOIN record ON record.id = alias.record
      WHERE alias.alias = :alias AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    dropAliases: database.prepare('DELETE FROM alias WHERE record = :record'),

    // A conflict is with an expired record: what still lives was looked for before.
    writeAlias: database.prepare(`
      INSERT INTO alias (alias, record) VALUES (:alias, :record)
      ON CONFLICT (alias) DO UPDATE SET record = excluded.record`),

    groupHasEnded: database.prepare(`
      SELECT 1 FROM ended_group WHERE group_key = :group AND expires_at_s > :now`),

    rememberEndedGroup: database.prepare(`
      INSERT INTO ended_group (group_key, expires_at_s) VALUES (:group, :rememberUntil)
      ON CONFLICT (group_key) DO UPDATE SET expires_at_s = max(expires_at_s, excluded.expires_at_s)`),

    // Before it is removed.
    noteRemoved: database.prepare(`
      INSERT INTO log_entry (log, expires_at_s, kind, key, body)
      SELECT :log, :until, kind, key, body FROM record
      WHERE kind = :kind AND key = :key AND (expires_at_s IS NULL OR expires_at_s > :now)`),

    noteRemovedGroup: database.prepare(`
      INSERT INTO log_entry (log, expires_at_s, kind, key, body)
      SELECT :log, :until, kind, key, body FROM record
      WHERE group_key = :group AND kind = :kind AND (expires_at_s IS NULL OR expires_at_s > :now)
      ORDER BY id`),

    note: database.prepare('INSERT INTO log_entry (log, expires_at_s, body) VALUES (:log, :until, :body)'),

    endOfLogs: database.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'log_entry'`),

    readLog: database.prepare(`
      SELECT position, expires_at_s, kind, key, body FROM log_entry
      WHERE log = :log AND position > :after AND position <= :end AND expires_at_s > :now
      ORDER BY position LIMIT :limit`),

    removeGroup: database.prepare('DELETE FROM record WHERE group_key = :group'),

    revoke: database.prepare(`
      INSERT INTO revocation (entry, expires_at_s) VALUES (:entry, :until)
      ON CONFLICT (entry) DO UPDATE SET expires_at_s = max(expires_at_s, excluded.expires_at_s)`),

    isRevoked: asArrays(database.prepare('SELECT 1 FROM revocation WHERE entry = ? AND expires_at_s > ?')),

    hit: database.prepare(`
      INSERT INTO counter (counter, count, expires_at_s) VALUES (:counter, 1, :now + :window)
      ON CONFLICT (counter) DO UPDATE SET
        count = iif(expires_at_s > :now, count + 1, 1),
        expires_at_s = iif(expires_at_s > :now, expires_at_s, excluded.expires_at_s)
      RETURNING count, expires_at_s`),

    counted: database.prepare(
      'SELECT count, expires_at_s FROM counter WHERE counter = :counter AND expires_at_s > :now',
    ),
    resetCounter: database.prepare('DELETE FROM counter WHERE counter = :counter'),
  };
}

function asArrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true);
  return statement;
}
