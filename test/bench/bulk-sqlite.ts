import { DatabaseSync } from 'node:sqlite';
import type { Records } from '#src/records.ts';
import { keyEncryptionKeyIdOf } from '#src/sealing/sealer.ts';
import type { Backend, BackendPutOutcome, BackendWrite } from '#src/storage/backend.ts';
import { openBackend, type StoreOptions } from '#src/storage/open-store.ts';
import { findRootRecord, openRootSecret } from '#src/storage/root-secret.ts';
import { SealedRecords } from '#src/storage/sealed-records.ts';
import { loadKeys, StoreKeys } from '#src/storage/store-keys.ts';
import { parseStoreLocation } from '#src/store-location.ts';

/** Puts records into a store that nobody else uses. */
export interface Bulk extends Disposable {
  /** Which can do no more than put what is not there yet. */
  readonly records: Records;
}

/** How much of the database is held in memory, so that its indexes are while they grow: 6 GB. */
const CACHE_KIB = 6 * 1024 * 1024;

/**
 * Puts records into the SQLite file of a store as the server would, sealed and under the same names, and without what
 * makes that lasting: neither a journal nor a flush, so that whatever goes wrong, the file is lost.
 */
export async function bulkSqlite(options: StoreOptions): Promise<Bulk> {
  const location = parseStoreLocation(options.location);
  if ('wrong' in location || location.engine !== 'sqlite') throw new Error('this is no SQLite file');
  const { keys, root } = await unlocked(options);
  // Nobody may go without a journal by default.
  const database = new DatabaseSync(location.path, { defensive: false });
  database.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -${CACHE_KIB};
    BEGIN EXCLUSIVE;
  `);
  const { put, finish } = writer(database);
  const records = new SealedRecords({
    backend: { put } as unknown as Backend,
    keys,
    root,
    clock: options.clock,
  });
  return {
    records,
    [Symbol.dispose]: () => {
      finish();
      database.exec('COMMIT; PRAGMA journal_mode = WAL');
      database.close();
    },
  };
}

/** What a store is sealed under. */
async function unlocked(options: StoreOptions) {
  await using backend = await openBackend(options);
  const record = await findRootRecord(backend, options.clock.now());
  if (record === null) throw new Error('there is no store yet');
  const keys = new StoreKeys({ ...options, backend }, await loadKeys(options));
  await keys.open(keyEncryptionKeyIdOf(record.body), { created: false });
  return { keys, root: openRootSecret(record, keys.sealer) };
}

/** Nothing is looked up before it is written: all that comes is new. */
function writer(database: DatabaseSync) {
  const record = database.prepare(`
    INSERT INTO record (kind, key, version, expires_at_s, consumed_at_s, group_key, owner_key, body)
    VALUES (?, ?, ?, ?, NULL, ?, ?, ?)`);
  const alias = database.prepare('INSERT INTO alias (alias, record) VALUES (?, ?)');
  let version = Number(database.prepare('SELECT last FROM record_version').get()?.last);
  const put = async (write: BackendWrite): Promise<BackendPutOutcome> => {
    const { kind, key, expiresAt, group, owner, aliases, body } = write;
    version += 1;
    const { lastInsertRowid } = record.run(kind, key, version, expiresAt, group, owner, body);
    for (const each of aliases) alias.run(each, lastInsertRowid);
    return { outcome: 'stored', version };
  };
  const last = database.prepare('UPDATE record_version SET last = ?');
  return { put, finish: () => last.run(version) };
}
