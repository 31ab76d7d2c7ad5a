import assert from 'node:assert/strict';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { SetupFault, StorageFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import { newKeyEncryptionKey } from '#src/sealing/key-encryption-keys.ts';
import { Secret } from '#src/secret.ts';
import { openStore } from '#src/storage/open-store.ts';
import { days } from '#src/units.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';
import { startStoreProcess } from '#test/storage/store-process.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const clock = new MovingClock();
const random = systemRandom;

describe('opening a store', () => {
  test('makes it, and its key-encryption key, the first time and only then', async () => {
    await using store = await makeSqliteStore(clock);
    const first = await store.connect();
    assert.equal(first.created, true);
    const key = await readFile(join(store.keysDirectory, 'first.kek'), 'utf8');
    const derived = first.derive('cookies');
    assert.equal(derived.length, 32);
    await first[Symbol.asyncDispose]();

    const second = await store.connect();
    assert.equal(second.created, false);
    assert.deepEqual(second.derive('cookies'), derived);
    assert.deepEqual(await readdir(store.keysDirectory), ['first.kek']);
    assert.equal(await readFile(join(store.keysDirectory, 'first.kek'), 'utf8'), key);
  });

  test('by four processes at once for the first time ends with one key and one root secret', async () => {
    await using directory = await makeTemporaryDirectory();
    const processes = Array.from({ length: 4 }, () => startStoreProcess('derive', directory.path));
    const ended = await Promise.all(processes.map(({ ended }) => ended));
    assert.deepEqual(
      ended.map(({ code, stderr }) => ({ code, stderr })),
      ended.map(() => ({ code: 0, stderr: '' })),
    );
    const lines = ended.map(({ stdout }) => JSON.parse(stdout) as { created: boolean; derived: string });
    assert.equal(lines.filter(({ created }) => created).length, 1);
    assert.equal(new Set(lines.map(({ derived }) => derived)).size, 1);
    assert.deepEqual(await readdir(join(directory.path, 'keys')), ['first.kek']);
  });

  test('whose key is lost names the key, makes no new one, and works again once it is back', async () => {
    await using store = await makeSqliteStore(clock);
    const first = await store.connect();
    await first.records.put({ kind: 'client', id: 'web', value: 1, expiresAt: null });
    await first[Symbol.asyncDispose]();
    const keyFile = join(store.keysDirectory, 'first.kek');
    const id = (await readFile(keyFile, 'utf8')).split('_')[2] ?? assert.fail();
    await rename(keyFile, join(store.directory, 'mislaid'));

    await assert.rejects(store.connect(), names(id));
    assert.deepEqual(await readdir(store.keysDirectory), []);
    await rm(store.keysDirectory, { recursive: true });
    await assert.rejects(store.connect(), names(id));
    await assert.rejects(readdir(store.keysDirectory), { code: 'ENOENT' });

    const location = `sqlite:${store.databaseFile}`;
    const { keysDirectory } = store;
    const otherKek = newKeyEncryptionKey({ clock, random });
    await assert.rejects(openStore({ location, keysDirectory, kek: otherKek, clock, random }), names(id));

    const kek = new Secret(await readFile(join(store.directory, 'mislaid'), 'utf8'));
    await using again = await openStore({ location, keysDirectory, kek, clock, random });
    assert.equal((await again.records.find('client', 'web'))?.value, 1);
  });

  test('with a newer key beside the old opens what either sealed, and goes on sealing under the old', async () => {
    const moving = new MovingClock();
    await using store = await makeSqliteStore(moving);
    const first = await store.connect();
    await first.records.put({ kind: 'client', id: 'old', value: 1, expiresAt: null });
    moving.move(days(90));
    const newer = newKeyEncryptionKey({ clock: moving, random });
    await writeFile(join(store.keysDirectory, 'second.kek'), newer.reveal(), { mode: 0o600 });

    const second = await store.connect();
    await second.records.put({ kind: 'client', id: 'new', value: 2, expiresAt: null });
    const both = await first.records.list('client', { limit: 10 });
    assert.deepEqual(both.records.map(({ id }) => id).toSorted(), ['new', 'old']);
    const newId = newer.reveal().split('_')[2] ?? assert.fail();
    assert.ok(second.keys.held.current.id < newId);
    assert.equal((await rotationOn(second).advance()).register.current.id, newId);
    await first.records.put({ kind: 'client', id: 'newest', value: 3, expiresAt: null });
    assert.equal(first.keys.held.current.id, newId, 'it has found out when it wrote');
    assert.equal((await second.records.find('client', 'newest'))?.value, 3);
  });

  test('at a location it does not know is refused with a hint, without repeating what may be a password', async () => {
    for (const location of ['', 'data/keyturn.db', 'sqlite:', 'mysql://root:hunter2@db/keyturn']) {
      const opening = openStore({ location, keysDirectory: 'unused', clock, random });
      await assert.rejects(
        opening,
        (error) =>
          error instanceof SetupFault && /sqlite:/.test(error.hint) && !error.message.includes('hunter2'),
      );
    }
  });
});

describe('a record whose row was changed', () => {
  const tampered: [string, string][] = [
    [
      'has another record’s body',
      'UPDATE record SET body = (SELECT body FROM record WHERE version = :b) WHERE version = :a',
    ],
    ['has another kind', `UPDATE record SET kind = 'account' WHERE version = :a AND :b > 0`],
    [
      'has a shortened body',
      `UPDATE record SET body = unhex(hex(substr(body, 2))) WHERE version = :a AND :b > 0`,
    ],
    ['has no sealed body', `UPDATE record SET body = x'7b7d' WHERE version = :a AND :b > 0`],
  ];
  for (const [what, sql] of tampered) {
    test(`is not found but faults when it ${what}`, async () => {
      await using store = await makeSqliteStore(clock);
      const { records } = await store.connect();
      const a = await records.put({ kind: 'client', id: 'a', value: { secret: 'of-a' }, expiresAt: null });
      const b = await records.put({ kind: 'client', id: 'b', value: { secret: 'of-b' }, expiresAt: null });
      assert.ok(a.outcome === 'stored' && b.outcome === 'stored');
      const database = new DatabaseSync(store.databaseFile);
      assert.equal(database.prepare(sql).run({ a: a.version, b: b.version }).changes, 1);
      database.close();
      const kind = what === 'has another kind' ? 'account' : 'client';
      await assert.rejects(
        records.list(kind, { limit: 10 }),
        (error) => error instanceof StorageFault && !error.message.includes('of-'),
      );
      assert.deepEqual((await records.find('client', 'b'))?.value, { secret: 'of-b' });
    });
  }
});

const names = (id: string) => (error: unknown) => error instanceof SetupFault && error.message.includes(id);
