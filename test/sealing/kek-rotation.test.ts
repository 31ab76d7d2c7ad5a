import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { SetupFault, StorageFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import type { KekRotation } from '#src/sealing/kek-rotation.ts';
import { newKeyEncryptionKey, parseKeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { Secret } from '#src/secret.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { epochSeconds, hours, seconds } from '#src/units.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

const random = systemRandom;
const far = epochSeconds(4_000_000_000);

describe('a new key-encryption key', () => {
  test('lies in a file of its own, for its owner alone, and is newer than all others though the clock went back', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const connection = await store.connect();
    const first = connection.keys.held.current.id;
    clock.move(hours(-1 / 4));
    const made = await rotationOn(connection).make();
    assert.ok(made.outcome === 'made');
    assert.ok(made.id > first);
    assert.equal(made.file, join(store.keysDirectory, `${made.id}.kek`));
    assert.equal((await stat(made.file)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(store.keysDirectory)).toSorted(), [`${made.id}.kek`, 'first.kek']);
    const text = new Secret(await readFile(made.file, 'utf8'));
    assert.equal(parseKeyEncryptionKeys(text, 'the file')[0]?.id, made.id);
  });

  test('is not made while another is waiting to become current', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const rotation = rotationOn(await store.connect());
    const made = await rotation.make();
    assert.ok(made.outcome === 'made');
    assert.deepEqual(await rotationOn(await store.connect()).make(), { outcome: 'waiting', id: made.id });
    await rotation.advance();
    assert.equal((await rotation.make()).outcome, 'made');
  });

  test('is a text to be set where the keys come by a setting', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const kek = newKeyEncryptionKey({ clock, random });
    await using connection = await openWith(store.databaseFile, clock, kek);
    const made = await rotationOn(connection).make();
    assert.ok(made.outcome === 'to-be-set');
    const [before, after] = [kek, made.text].map((text) => parseKeyEncryptionKeys(text, 'the test')[0]?.id);
    assert.ok((before ?? '') < (after ?? ''));
  });
});

describe('a newer key', () => {
  test('becomes current when every process that lives has it, and not before', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const connection = await store.connect();
    const first = connection.keys.held.current.id;
    const users = [
      { name: 'one', keks: [first] },
      { name: 'other', keks: [first] },
    ];
    const rotation = rotationOn(connection, { clock, users: async () => users });
    const id = madeId(await rotation.make());
    const waiting = await rotation.advance();
    assert.deepEqual([waiting.register.current.id, waiting.waiting], [first, id]);
    assert.deepEqual(
      waiting.lacking.map(({ name }) => name),
      ['one', 'other'],
    );
    users[0]?.keks.push(id);
    assert.deepEqual(
      (await rotation.advance()).lacking.map(({ name }) => name),
      ['other'],
    );
    clock.move(seconds(7));
    users[1]?.keks.push(id);
    const done = await rotation.advance();
    assert.deepEqual(done.register.current, { id, since: clock.now() });
    assert.deepEqual([done.waiting, done.lacking], [null, []]);
  });

  test('becomes current once, whoever sees at the same moment that it can', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const first = await store.connect();
    await rotationOn(first).make();
    const others = await Promise.all(Array.from({ length: 4 }, () => store.connect()));
    const standings = await Promise.all(others.map((each) => rotationOn(each).advance()));
    const { register } = await first.keys.refresh();
    for (const standing of standings) assert.deepEqual(standing.register, register);
    assert.equal(register.former.length, 1);
  });

  test('is used at its next write by a process that has not heard of it, and nothing is under the old any more', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const [rotating, unaware] = [await store.connect(), await store.connect()];
    const rotation = rotationOn(rotating);
    const id = madeId(await rotation.make());
    await rotation.advance();
    const { records, bodies } = unaware;
    const note = { log: 'l', entry: 'noted', until: far };
    await records.put({ kind: 'client', id: 'a', value: 1, expiresAt: null, note });
    await rotating.records.put({ kind: 'client', id: 'b', value: 2, expiresAt: null });
    assert.equal((await records.find('client', 'b'))?.value, 2);
    await records.append(note);
    await records.revoke(['entry'], far, note);
    const fresh = (await rotation.count()).filter(({ kind }) => kind === 'client' || kind === 'log');
    assert.deepEqual(
      fresh.map(({ kekId, kind, count }) => [kekId, kind, count]),
      [
        [id, 'client', 2],
        [id, 'log', 3],
      ],
    );
    while ((await bodies.reseal({ after: null, limit: 100 })).resealed > 0);
    assert.equal((await rotating.records.find('client', 'a'))?.value, 1);
  });

  test('that a process cannot find makes its reads and writes fault by the name of the key, and changes nothing', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const rotating = await store.connect();
    const kek = new Secret(await readFile(join(store.keysDirectory, 'first.kek'), 'utf8'));
    await using poor = await openWith(store.databaseFile, clock, kek);
    const id = madeId(await rotationOn(rotating).make());
    await rotationOn(rotating).advance();
    await rotating.records.put({ kind: 'client', id: 'a', value: 1, expiresAt: null });
    const names = (fault: unknown) => fault instanceof StorageFault && fault.message.includes(id);
    await assert.rejects(poor.records.find('client', 'a'), names);
    await assert.rejects(poor.records.put({ kind: 'client', id: 'a', value: 2, expiresAt: null }), names);
    await assert.rejects(openWith(store.databaseFile, clock, kek), namesAll(id));
    assert.equal((await rotating.records.find('client', 'a'))?.value, 1);
  });
});

describe('retiring a key', () => {
  test('is refused while anything is sealed under it, with what that is, and done once nothing is', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    const { records, keys, bodies } = connection;
    const old = keys.held.current.id;
    await records.put({ kind: 'client', id: 'a', value: 1, expiresAt: null });
    await records.append({ log: 'l', entry: 1, until: far });
    const rotation = rotationOn(connection);
    assert.deepEqual(await rotation.retire(old), { outcome: 'current' });
    await rotation.make();
    await rotation.advance();
    const refused = await rotation.retire(old);
    assert.ok(refused.outcome === 'in-use');
    assert.deepEqual(refused.counts.map(({ kind, count }) => `${count} ${kind}`).toSorted(), [
      '1 client',
      '1 log',
      '1 root',
    ]);
    await resealAll(connection);
    assert.deepEqual(await rotation.retire(old), { outcome: 'retired' });
    assert.deepEqual(await rotation.retire(old), { outcome: 'already-retired' });
    assert.equal((await bodies.count({ after: null, limit: 100 })).counts.length, 3);
  });

  test('is refused for a key that is announced, and for one that nobody here has', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    const rotation = rotationOn(connection);
    const id = madeId(await rotation.make());
    const { register, version } = await connection.keys.refresh();
    await connection.keys.replace({ ...register, next: id }, version);
    assert.deepEqual(await rotation.retire(id), { outcome: 'next' });
    assert.deepEqual(await rotation.retire('20200101-000000-abcdef'), { outcome: 'unknown' });
  });

  test('makes it useless for good: it opens nothing, is not needed at the next start, and never becomes current', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    const { records, keys } = connection;
    const old = keys.held.current.id;
    const client = { kind: 'client', id: 'a', value: 1, expiresAt: null } as const;
    await records.put(client);
    const database = new DatabaseSync(store.databaseFile);
    const sealed = database.prepare(`SELECT body FROM record WHERE kind = 'client'`).get()?.body;
    const rotation = rotationOn(connection);
    const newer = madeId(await rotation.make());
    await rotation.advance();
    await resealAll(connection);
    await rotation.retire(old);

    // Whoever has the old key and can write to the store puts in what they have sealed themselves.
    database.prepare(`UPDATE record SET body = ? WHERE kind = 'client'`).run(sealed ?? assert.fail());
    database.close();
    await assert.rejects(records.find('client', 'a'), namesKey(old));
    await records.put(client);
    assert.equal((await rotation.advance()).register.current.id, newer);
    await rm(join(store.keysDirectory, 'first.kek'));
    const again = await store.connect();
    assert.equal((await again.records.find('client', 'a'))?.value, 1);
    assert.deepEqual(again.keys.held.ids, [newer]);
  });

  test('of one that was never used keeps it from ever being used', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    const first = connection.keys.held.current.id;
    const unwilling = rotationOn(connection, { users: async () => [{ keks: [first] }] });
    const id = madeId(await unwilling.make());
    await unwilling.advance();
    assert.deepEqual(await unwilling.retire(id), { outcome: 'retired' });
    const { register, waiting } = await rotationOn(connection).advance();
    assert.deepEqual([register.current.id, waiting], [first, null]);
  });
});

describe('a store', () => {
  test('does not open without a key that records need, and names each and where it was looked for', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const connection = await store.connect();
    const first = connection.keys.held.current.id;
    const second = madeId(await rotationOn(connection).make());
    await rotationOn(connection).advance();
    const third = madeId(await rotationOn(connection).make());
    await rotationOn(connection).advance();
    await resealAll(connection);
    const texts = await Promise.all(
      [`${third}.kek`, 'first.kek'].map((name) => readFile(join(store.keysDirectory, name), 'utf8')),
    );
    await rm(join(store.keysDirectory, `${second}.kek`));
    await assert.rejects(store.connect(), namesAll(second, store.keysDirectory));
    await rm(join(store.keysDirectory, 'first.kek'));
    await assert.rejects(store.connect(), namesAll(first, second, store.keysDirectory));
    await assert.rejects(openWith(store.databaseFile, clock, new Secret(texts.join('\n'))), namesAll(second));
    await rm(join(store.keysDirectory, `${third}.kek`));
    await assert.rejects(store.connect(), namesAll(third, store.keysDirectory));
  });

  test('does not open without a key that is announced', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const connection = await store.connect();
    const id = madeId(await rotationOn(connection).make());
    const { register, version } = await connection.keys.refresh();
    await connection.keys.replace({ ...register, next: id }, version);
    await rm(join(store.keysDirectory, `${id}.kek`));
    await assert.rejects(store.connect(), namesAll(id));
  });

  test('that was copied before a rotation does not open with the new key alone', async () => {
    const clock = new MovingClock();
    await using store = await makeSqliteStore(clock);
    const connection = await store.connect();
    const old = connection.keys.held.current.id;
    await connection.records.put({ kind: 'client', id: 'a', value: 1, expiresAt: null });
    await connection[Symbol.asyncDispose]();
    const copy = join(store.directory, 'stolen.db');
    await copyFile(store.databaseFile, copy);
    const again = await store.connect();
    const made = await rotationOn(again).make();
    await rotationOn(again).advance();
    await resealAll(again);
    assert.deepEqual(await rotationOn(again).retire(old), { outcome: 'retired' });
    assert.ok(made.outcome === 'made');
    const kek = new Secret(await readFile(made.file, 'utf8'));
    await assert.rejects(openWith(copy, clock, kek), namesAll(old));
    await using current = await openWith(store.databaseFile, clock, kek);
    assert.equal((await current.records.find('client', 'a'))?.value, 1);
  });
});

function openWith(databaseFile: string, clock: MovingClock, kek: Secret): Promise<Store> {
  return openStore({ location: `sqlite:${databaseFile}`, keysDirectory: 'unused', kek, clock, random });
}

function madeId(made: Awaited<ReturnType<KekRotation['make']>>): string {
  assert.ok(made.outcome === 'made');
  return made.id;
}

async function resealAll({ bodies }: Store): Promise<void> {
  let after: string | null = null;
  do {
    const { next, faults }: Awaited<ReturnType<Store['bodies']['reseal']>> = await bodies.reseal({
      after,
      limit: 3,
    });
    assert.deepEqual(faults, []);
    after = next;
  } while (after !== null);
}

const namesKey = (id: string) => (fault: unknown) =>
  fault instanceof StorageFault && fault.message.includes(id);

const namesAll =
  (...texts: string[]) =>
  (fault: unknown) =>
    fault instanceof SetupFault && texts.every((text) => fault.message.includes(text));
