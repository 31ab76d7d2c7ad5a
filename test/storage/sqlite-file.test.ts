import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { SetupFault, StorageFault } from '#src/fault.ts';
import { openSqliteBackend } from '#src/storage/sqlite/sqlite-backend.ts';
import { after, epochSeconds, seconds } from '#src/units.ts';
import { makeSqliteStore, type SqliteStoreUnderTest } from '#test/storage/sqlite-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const soon = epochSeconds(4_000_000_000);

describe('the database file', () => {
  test('is for its owner alone, and so are the files beside it and its directory', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const { records } = await store.connect();
    await records.revoke(['x'], soon);
    const modes = await modesIn(dirname(store.databaseFile));
    assert.deepEqual(modes, { 'keyturn.db': '600', 'keyturn.db-shm': '600', 'keyturn.db-wal': '600' });
    assert.equal(modeOf(await stat(dirname(store.databaseFile))), '700');
  });

  test('is one file again after the store has closed', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    await connection.records.revoke(['x'], soon);
    await connection[Symbol.asyncDispose]();
    await connection[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(dirname(store.databaseFile)), ['keyturn.db']);
  });

  test('holds no identifier, alias, value, group, revocation entry or counter in clear', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const { records } = await store.connect();
    const marks = ['identifier', 'alias', 'value', 'group', 'entry', 'counter'].map(
      (name) => `clear-${name}`,
    );
    const [id = '', alias = '', value = '', group = '', entry = '', counter = ''] = marks;
    for (let i = 0; i < 50; i += 1) {
      await records.put({
        kind: 'account',
        id: `${id}-${i}`,
        value: { email: `${value}-${i}`, long: value.repeat(500) },
        expiresAt: null,
        aliases: [`${alias}-${i}`],
        group,
      });
    }
    await records.consume('account', `${id}-1`);
    await records.remove('account', `${id}-2`);
    await records.revoke([entry], soon);
    await records.hit(counter, seconds(60));

    const searched = await contentsOf(store);
    assert.deepEqual([...searched.keys()], ['keyturn.db', 'keyturn.db-shm', 'keyturn.db-wal']);
    assert.ok(
      searched.get('keyturn.db-wal')?.includes('account'),
      'the kind is in clear, so the search can find',
    );
    for (const [file, bytes] of searched) {
      for (const mark of marks) {
        for (const encoding of ['utf8', 'utf16le', 'base64', 'hex'] as const) {
          const needle =
            encoding === 'base64' || encoding === 'hex' ? Buffer.from(mark).toString(encoding) : mark;
          const found = bytes.includes(Buffer.from(needle, encoding === 'utf16le' ? encoding : 'utf8'));
          assert.equal(found, false, `${mark} as ${encoding} in ${file}`);
        }
      }
    }
  });

  test('of an older schema is brought to this one, and keeps what it holds', async () => {
    await using directory = await makeTemporaryDirectory();
    const path = join(directory.path, 'older.db');
    const now = epochSeconds(1_784_024_130);
    const write = { kind: 'client', key: Buffer.alloc(32, 1), body: Buffer.from('body'), expiresAt: null };
    const alone = { group: null, owner: null, aliases: [], onlyIf: null, note: null };
    {
      await using backend = await openSqliteBackend(path);
      await backend.put({ ...write, ...alone }, now);
    }
    withDatabase(path, (database) => {
      database.exec('ALTER TABLE record_version DROP COLUMN seal');
      database.exec('DROP TABLE log_entry');
      database.exec('DROP INDEX record_by_owner');
      database.exec('ALTER TABLE record DROP COLUMN owner_key');
      database.exec('PRAGMA user_version = 1');
    });
    await using backend = await openSqliteBackend(path);
    assert.deepEqual((await backend.find(write.kind, write.key, now))?.body, write.body);
    const owner = Buffer.alloc(32, 2);
    await backend.put({ ...write, ...alone, owner }, now);
    assert.equal((await backend.listOwned(owner, { after: null, limit: 9 }, now)).length, 1);
  });

  test('of a newer schema, of another program, or that is no database, is refused and left as it is', async () => {
    await using directory = await makeTemporaryDirectory();
    const newer = join(directory.path, 'newer.db');
    await (await openSqliteBackend(newer))[Symbol.asyncDispose]();
    withDatabase(newer, (database) => database.exec('PRAGMA user_version = 9999'));
    await assert.rejects(openSqliteBackend(newer), isSetupFault(/schema 9999/));

    const foreign = join(directory.path, 'foreign.db');
    withDatabase(foreign, (database) => database.exec('CREATE TABLE songs (title TEXT)'));
    await assert.rejects(openSqliteBackend(foreign), isSetupFault(/another program/));
    withDatabase(foreign, (database) => {
      assert.equal(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n, 1);
    });

    const text = join(directory.path, 'text.db');
    await writeFile(text, 'this is a letter to a friend, and a long one. '.repeat(100));
    await assert.rejects(openSqliteBackend(text), isSetupFault(/not a database/));
  });

  test('that cannot be made is a fault of the setup with a hint', async () => {
    await using directory = await makeTemporaryDirectory();
    await writeFile(join(directory.path, 'file'), '');
    await assert.rejects(
      openSqliteBackend(join(directory.path, 'file', 'keyturn.db')),
      isSetupFault(/cannot be opened/),
    );
    await mkdir(join(directory.path, 'directory'));
    await assert.rejects(
      openSqliteBackend(join(directory.path, 'directory')),
      isSetupFault(/cannot be opened/),
    );
  });

  test('has a plain name even when SQLite gives that name another meaning', async () => {
    await using directory = await makeTemporaryDirectory();
    const path = join(directory.path, 'file:memory?mode=memory');
    await using backend = await openSqliteBackend(path);
    await backend.ping();
    assert.ok((await stat(path)).isFile());
  });
});

describe('the writes of one turn', () => {
  test('do not fail with the one among them that fails', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const { records } = await store.connect();
    withDatabase(store.databaseFile, (database) =>
      database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON alias BEGIN SELECT RAISE(ABORT, 'refused'); END`),
    );
    const writes = ['a', 'b', 'c'].map((id) =>
      records.put({ kind: 'client', id, value: id, expiresAt: null, aliases: id === 'b' ? ['alias'] : [] }),
    );
    const [a, b, c] = await Promise.allSettled(writes);
    assert.deepEqual([a?.status, b?.status, c?.status], ['fulfilled', 'rejected', 'fulfilled']);
    assert.ok(b?.status === 'rejected' && b.reason instanceof StorageFault);
    assert.equal((await records.find('client', 'a'))?.value, 'a');
    assert.equal(await records.find('client', 'b'), null, 'the record whose alias failed is not half there');
    assert.equal((await records.find('client', 'c'))?.value, 'c');
  });

  test('all fault, and none has happened, when they cannot be committed; later writes can be', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const { records } = await store.connect();
    // A deferred constraint is looked at by COMMIT and by nothing before it.
    withDatabase(store.databaseFile, (database) =>
      database.exec(`
        CREATE TABLE broken (missing INTEGER REFERENCES record (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER break AFTER INSERT ON counter BEGIN INSERT INTO broken VALUES (-1); END;`),
    );
    const outcomes = await Promise.allSettled([
      records.put({ kind: 'client', id: 'a', value: 'a', expiresAt: null }),
      records.hit('counter', seconds(60)),
      records.revoke(['entry'], soon),
    ]);
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StorageFault);
    }
    assert.equal(await records.find('client', 'a'), null);
    assert.equal(await records.anyRevoked(['entry']), false);
    await records.revoke(['entry'], soon);
    assert.equal(await records.anyRevoked(['entry']), true);
  });

  test('wait while another process writes, and reads do not', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const { records } = await store.connect();
    const other = new DatabaseSync(store.databaseFile);
    other.exec('BEGIN IMMEDIATE');
    const write = records.revoke(['entry'], soon);
    assert.equal(await records.anyRevoked(['entry']), false);
    other.exec('COMMIT');
    other.close();
    await write;
    assert.equal(await records.anyRevoked(['entry']), true);
  });
});

test('sweeping a database drops the rows that have expired, no more than told, and the aliases with them', async () => {
  const clock = new MovingClock();
  await using store = await makeSqliteStore(clock);
  const { records } = await store.connect();
  const expiresAt = after(clock.now(), seconds(1));
  for (let i = 0; i < 10; i += 1) {
    await records.put({ kind: 'session', id: `${i}`, value: i, expiresAt, aliases: [`${i}`] });
  }
  clock.move(seconds(1));
  const first = await records.sweep(5);
  assert.deepEqual(first, { removed: 3, done: false }, 'root secret and register were looked at too');
  assert.deepEqual(await records.sweep(5), { removed: 5, done: false });
  assert.deepEqual(await records.sweep(5), { removed: 2, done: true });
  withDatabase(store.databaseFile, (database) => {
    assert.equal(database.prepare('SELECT count(*) AS n FROM record').get()?.n, 2);
    assert.equal(database.prepare('SELECT count(*) AS n FROM alias').get()?.n, 0);
  });

  test('is counted by a round of clearing out where there is too much to be counted at once, and not before', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const { records, census } = await store.connect();
    assert.equal((await census())?.records.get('session') ?? 0, 0);
    withDatabase(store.databaseFile, (database) =>
      database.exec(`
        INSERT INTO record (kind, key, version, expires_at_s, body)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
        SELECT iif(i % 3, 'session', 'authorization'), CAST('key ' || i AS BLOB), i, iif(i % 2, 1, NULL), x'00' FROM n`),
    );
    const ofSessions = async () => (await census())?.records.get('session') ?? null;
    assert.equal(await ofSessions(), null);
    await records.sweep(5000);
    assert.equal(await ofSessions(), null, 'half a round is told for a whole one');
    while (!(await records.sweep(5000)).done);
    assert.equal(await ofSessions(), 10_000);
    withDatabase(store.databaseFile, (database) =>
      database.exec(`
        INSERT INTO record (kind, key, version, expires_at_s, body)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
        SELECT 'session', CAST('more ' || i AS BLOB), i, NULL, x'00' FROM n`),
    );
    assert.equal(await ofSessions(), 10_000, 'what the last round has left');
    while (!(await records.sweep(5000)).done);
    assert.equal(await ofSessions(), 40_000);
  });
});

function withDatabase(path: string, use: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  try {
    use(database);
  } finally {
    database.close();
  }
}

function isSetupFault(message: RegExp) {
  return (error: unknown) => error instanceof SetupFault && message.test(error.message) && error.hint !== '';
}

const modeOf = ({ mode }: { mode: number }): string => (mode & 0o777).toString(8);

async function modesIn(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).sort();
  const modes = names.map(async (name) => [name, modeOf(await stat(join(directory, name)))]);
  return Object.fromEntries(await Promise.all(modes));
}

async function contentsOf(store: SqliteStoreUnderTest): Promise<Map<string, Buffer>> {
  const directory = dirname(store.databaseFile);
  const names = (await readdir(directory)).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name))] as const)),
  );
}
