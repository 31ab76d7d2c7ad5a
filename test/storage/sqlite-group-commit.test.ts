import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import { GroupCommit } from '#src/storage/sqlite/group-commit.ts';
import { LogSync } from '#src/storage/sqlite/log-sync.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A database with numbers in it, on a disk that takes what it is given when it is told to. */
async function makeNumbers() {
  const directory = await makeTemporaryDirectory();
  const database = new DatabaseSync(join(directory.path, 'numbers.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE number (value INTEGER PRIMARY KEY)');
  const syncs: { readonly numbers: readonly unknown[]; end(problem?: Error): void }[] = [];
  const begun: (() => void)[] = [];
  const numbers = () =>
    database
      .prepare('SELECT value FROM number ORDER BY value')
      .all()
      .map(({ value }) => value);
  const sync = () =>
    new Promise<void>((resolve, reject) => {
      const end = (problem?: Error) => (problem === undefined ? resolve() : reject(problem));
      syncs.push({ numbers: numbers(), end });
      begun.shift()?.();
    });
  const commit = new GroupCommit(database, sync);
  const settled: number[] = [];
  return {
    commit,
    settled,
    syncs,
    numbers,
    /** Resolves when the disk has been asked once more. */
    nextSync: () => new Promise<void>((resolve) => void begun.push(resolve)),
    add: async (value: number) => {
      await commit.write(() => database.prepare('INSERT INTO number VALUES (?)').run(value));
      settled.push(value);
    },
    [Symbol.asyncDispose]: async () => {
      database.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const turnOfTheEventLoop = () => new Promise((resolve) => setImmediate(resolve));

describe('writes to SQLite', () => {
  test('are acknowledged when the disk has them, and not before', async () => {
    await using made = await makeNumbers();
    const asked = made.nextSync();
    const written = made.add(1);
    await asked;
    await turnOfTheEventLoop();
    assert.deepEqual(made.numbers(), [1], 'it is committed');
    assert.deepEqual(made.settled, []);
    made.syncs[0]?.end();
    await written;
  });

  test('that come while the disk is busy wait for it, and then have one flush together', async () => {
    await using made = await makeNumbers();
    const first = made.nextSync();
    const writes = [made.add(1)];
    await first;
    writes.push(made.add(2), made.add(3));
    await turnOfTheEventLoop();
    assert.equal(made.syncs.length, 1);
    const second = made.nextSync();
    made.syncs[0]?.end();
    await second;
    assert.deepEqual(made.settled, [1]);
    assert.deepEqual(made.syncs[1]?.numbers, [1, 2, 3]);
    made.syncs[1]?.end();
    await Promise.all(writes);
    assert.equal(made.syncs.length, 2);
  });

  test('that fail take none of the others with them', async () => {
    await using made = await makeNumbers();
    const asked = made.nextSync();
    const outcomes = Promise.allSettled([made.add(1), made.add(1), made.add(2)]);
    await asked;
    made.syncs[0]?.end();
    const [first, second, third] = await outcomes;
    assert.deepEqual([first.status, second.status, third.status], ['fulfilled', 'rejected', 'fulfilled']);
    assert.deepEqual(made.numbers(), [1, 2]);
  });

  test('are settled once the disk has what could be read when that was asked for', async () => {
    await using made = await makeNumbers();
    const first = made.nextSync();
    void made.add(1);
    await first;
    let isSettled = false;
    const settling = made.commit.settled().then(() => {
      isSettled = true;
    });
    await turnOfTheEventLoop();
    assert.equal(isSettled, false);
    const second = made.nextSync();
    made.syncs[0]?.end();
    await second;
    made.syncs[1]?.end();
    await settling;
  });

  test('that the disk does not take are faults, and so is every write after that', async () => {
    await using made = await makeNumbers();
    const asked = made.nextSync();
    const one = made.add(1);
    await asked;
    const other = made.add(2);
    made.syncs[0]?.end(new Error('EIO: i/o error, fdatasync'));
    await assert.rejects(one, StorageFault);
    await assert.rejects(other, /the disk did not take what was written/);
    await assert.rejects(made.add(3), StorageFault);
    assert.deepEqual(made.numbers(), [1]);
    assert.equal(made.syncs.length, 1);
  });
});

describe('the write-ahead log of a database', () => {
  test('is what the disk takes, for as long as the database is open', async () => {
    await using directory = await makeTemporaryDirectory();
    const database = new DatabaseSync(join(directory.path, 'some.db'));
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE number (value INTEGER)');
    await using logSync = new LogSync(database);
    await logSync.sync();
    database.exec(
      'INSERT INTO number VALUES (1); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO number VALUES (2)',
    );
    await logSync.sync();
    database.close();
    await using missing = new LogSync(new DatabaseSync(join(directory.path, 'other.db')));
    await assert.rejects(missing.sync(), { code: 'ENOENT' }, 'without a log there is nothing to rely on');
  });
});
