import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { newKeyEncryptionKey } from '#src/sealing/key-encryption-keys.ts';
import { fleetOn, storeOptionsOf } from '#src/services.ts';
import { writeWhole } from '#src/storage/backup/backup-place.ts';
import { makeBackup } from '#src/storage/backup/backup-writer.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { backUp, copyStore, restore } from '#src/store-moves.ts';
import { hours, after as timeAfter } from '#src/units.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import { fc } from '#test/support/properties.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const surroundings = { clock: systemClock, random: systemRandom };
const soon = () => timeAfter(systemClock.now(), hours(1));

const redis = await startRedisServer();
after(() => redis[Symbol.asyncDispose]());
let prefixes = 0;

/** A directory with keys, in which stores can be at several places. */
async function makePlaces() {
  const directory = await makeTemporaryDirectory();
  const { path } = directory;
  const opened: AsyncDisposable[] = [];
  prefixes += 1;
  const configOf = (store: string, keys = 'keys') =>
    loadConfig({
      env: {
        KEYTURN_STORE: store,
        KEYTURN_KEYS_DIR: join(path, keys),
        KEYTURN_REDIS_PREFIX: `moves-${prefixes}`,
        // However busy the machine is.
        KEYTURN_REDIS_TIMEOUT_MS: '60000',
      },
    });
  return {
    path,
    sqlite: (name: string) => `sqlite:${join(path, `${name}.db`)}`,
    redis: (database: number) => `redis://127.0.0.1:${redis.port}/${database}`,
    configOf,
    async open(store: string, keys?: string): Promise<Store> {
      const connection = await openStore(storeOptionsOf(configOf(store, keys), surroundings));
      opened.push(connection);
      return connection;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each[Symbol.asyncDispose]()));
      await directory[Symbol.asyncDispose]();
    },
  };
}

type Places = Awaited<ReturnType<typeof makePlaces>>;

/** More than one step takes. */
const CLIENTS = 450;

async function writeClients(records: Records, count = CLIENTS): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  await Promise.all(
    numbers.map((n) =>
      records.put({
        kind: 'client',
        id: `client-${n}`,
        value: { n },
        expiresAt: null,
        aliases: [`alias-${n}`],
      }),
    ),
  );
}

async function clientsIn(records: Records): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (let n = 0; n < CLIENTS; n += 1) {
    const record = await records.findByAlias('client', `alias-${n}`);
    if (record !== null) found[record.id] = { value: record.value, version: record.version };
  }
  return found;
}

function copy(
  places: Places,
  source: string,
  target: string,
  order: Partial<{ ahead: boolean; stopAfter: number }> = {},
) {
  let steps = 0;
  const onProgress = () => {
    steps += 1;
    if (steps === order.stopAfter) throw new Error('broken off');
  };
  const config = places.configOf(source);
  return copyStore(config, { source, target, ahead: order.ahead ?? false, onProgress }, surroundings);
}

describe('copying a store', () => {
  test('leaves word in the source where it has gone, for whoever starts there, and nothing in the target', async () => {
    await using places = await makePlaces();
    const [home, away, further] = [places.sqlite('home'), places.redis(6), places.sqlite('further')];
    const said = async (store: string) => {
      await using opened = await openStore(storeOptionsOf(places.configOf(store), surroundings));
      return (await opened.examine()).filter(({ subject }) => subject === 'store moved');
    };
    const origin = await places.open(home);
    await writeClients(origin.records, 3);
    await copy(places, home, away, { ahead: true });
    assert.deepEqual(await said(home), [], 'nothing has moved yet');
    await copy(places, home, away);
    const [finding] = await said(home);
    assert.equal(finding?.state, 'notable');
    assert.match(finding.says, /^everything was copied to redis:\/\/127\.0\.0\.1:\d+\/6 at \d{4}-/);
    assert.deepEqual(await said(away), []);
    // Whoever was refused has changed nothing, and who has turned back and moves again leaves no old word behind.
    await assert.rejects(copy(places, home, away), { code: 'store_not_empty' });
    assert.equal((await said(home)).length, 1);
    await copy(places, home, further);
    assert.deepEqual(await said(further), []);
    assert.match((await said(home))[0]?.says ?? '', /further\.db/);
  });

  test('brings everything into Redis and back, the same to the byte, and says so', async () => {
    await using places = await makePlaces();
    const [home, away, back] = [places.sqlite('home'), places.redis(1), places.sqlite('back')];
    const origin = await places.open(home);
    await writeClients(origin.records);
    await origin.records.consume('client', 'client-7');
    await origin.records.put({
      kind: 'session',
      id: 's',
      value: 1,
      expiresAt: soon(),
      group: 'g',
      owner: 'ada',
    });
    await origin.records.put({ kind: 'session', id: 'ended', value: 1, expiresAt: soon(), group: 'ended' });
    await origin.records.endGroup('ended', soon(), { log: 'l', until: soon(), kind: 'session' });
    await origin.records.revoke(['jti'], soon(), { log: 'l', entry: 'noted', until: soon() });
    await origin.records.hit('guesses', hours(1));
    const before = await clientsIn(origin.records);

    const there = await copy(places, home, away);
    assert.ok(there.finished);
    assert.deepEqual(Object.fromEntries(there.counts), {
      client: CLIENTS,
      'kek-register': 1,
      root: 1,
      session: 1,
      'log-entry': 2,
      'ended-group': 1,
      revocation: 1,
      counter: 1,
    });
    const onRedis = await places.open(away);
    await onRedis.records.put({ kind: 'client', id: 'made on Redis', value: 1, expiresAt: null });
    await onRedis.records.remove('client', 'made on Redis');
    const again = await copy(places, away, back);
    assert.ok(again.finished);
    assert.equal(again.sha256, there.sha256);

    for (const store of [onRedis, await places.open(back)]) {
      assert.equal(store.created, false);
      assert.deepEqual(store.derive('cookies'), origin.derive('cookies'));
      assert.deepEqual(await clientsIn(store.records), before);
      assert.equal(await store.records.consume('client', 'client-7'), 'already-consumed');
      assert.equal(await store.records.anyRevoked(['jti']), true);
      assert.equal((await store.records.counted('guesses'))?.count, 1);
      assert.equal((await store.records.listOwned('session', 'ada', { limit: 9 })).records.length, 1);
      const log = await store.records.readLog('l', { after: 0, limit: 9 });
      assert.deepEqual(
        log.entries.map(({ entry, removed }) => entry ?? removed?.id),
        ['ended', 'noted'],
      );
      const late = { kind: 'session', id: 'late', value: 1, expiresAt: soon(), group: 'ended' } as const;
      assert.equal((await store.records.put(late)).outcome, 'group-ended');
      const stored = await store.records.put({ kind: 'client', id: 'new', value: 1, expiresAt: null });
      const { version } = await origin.content.sequences();
      assert.ok(stored.outcome === 'stored' && stored.version > version);
    }
  });

  test('goes on wherever it was broken off, and no server starts on what is unfinished', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const origin = await places.open(home);
    await writeClients(origin.records);
    for (const [target, stopAfter] of [
      [places.redis(2), 1],
      [places.sqlite('second'), 2],
      [places.sqlite('third'), 3],
    ] as const) {
      await assert.rejects(copy(places, home, target, { stopAfter }), /broken off/);
      await assert.rejects(places.open(target), { name: 'SetupFault', message: /unfinished/ });
      const rest = await copy(places, home, target);
      assert.ok(rest.finished && rest.looked > rest.written, 'what was there already is not written again');
      assert.deepEqual(await clientsIn((await places.open(target)).records), await clientsIn(origin.records));
    }
  });

  test('ahead of the move leaves to the end what has changed since: written, removed, used and revoked', async () => {
    await using places = await makePlaces();
    const [home, away] = [places.sqlite('home'), places.redis(3)];
    const origin = await places.open(home);
    const fleet = fleetOn(origin.records, places.configOf(home));
    const now = systemClock.now();
    const server = {
      id: 'one',
      name: 'host:3000',
      version: '1',
      startedAt: now,
      clock: now,
      beat: 1,
      keks: [],
      apart: [],
    };
    await fleet.tell(server, now);
    await writeClients(origin.records);
    await assert.rejects(copy(places, home, away), { code: 'servers_live', message: /host:3000/ });
    const first = await copy(places, home, away, { ahead: true });
    assert.deepEqual([first.finished, first.written > CLIENTS], [false, true]);
    await assert.rejects(places.open(away), { name: 'SetupFault' });

    await origin.records.put({ kind: 'client', id: 'client-1', value: 'changed', expiresAt: null });
    await origin.records.remove('client', 'client-2');
    await origin.records.consume('client', 'client-3');
    await origin.records.revoke(['jti'], soon());
    await fleet.leave('one');
    const last = await copy(places, home, away);
    assert.ok(last.finished);
    assert.ok(last.written <= 3 && last.dropped >= 2, `${last.written} written, ${last.dropped} dropped`);
    const { records } = await places.open(away);
    assert.equal((await records.find('client', 'client-1'))?.value, 'changed');
    assert.equal(await records.find('client', 'client-2'), null);
    assert.equal(await records.consume('client', 'client-3'), 'already-consumed');
    assert.equal(await records.anyRevoked(['jti']), true);
  });

  test('does not finish when something was written to the source meanwhile', async () => {
    await using places = await makePlaces();
    for (const [home, target] of [
      [places.sqlite('home'), places.sqlite('target')],
      [places.redis(8), places.sqlite('other target')],
    ] as const) {
      const origin = await places.open(home);
      await writeClients(origin.records);
      let written: Promise<unknown> | null = null;
      // Of a kind that is copied later, so that on Redis it is in the copy too.
      const late = { kind: 'trusted-issuer', id: 'late', value: 1, expiresAt: null } as const;
      const onProgress = () => {
        written ??= origin.records.put(late);
      };
      const order = { source: home, target, ahead: false, onProgress };
      await assert.rejects(copyStore(places.configOf(home), order, surroundings), { code: 'source_changed' });
      await written;
      assert.equal((await copy(places, home, target)).finished, true);
    }
  });

  test('takes no target that holds anything else, not even an older copy, and no source that is not there', async () => {
    await using places = await makePlaces();
    const [home, other, older] = [places.sqlite('home'), places.sqlite('other'), places.sqlite('older')];
    const origin = await places.open(home);
    await copy(places, home, older);
    await writeClients(origin.records, 3);
    await places.open(other, 'other-keys');
    await mkdir(join(places.path, 'bare'));
    for (const target of [other, older, home]) {
      await assert.rejects(copy(places, home, target), { code: 'store_not_empty' });
    }
    assert.equal(await (await places.open(older)).records.find('client', 'client-1'), null);
    await assert.rejects(copy(places, places.sqlite('nowhere'), places.sqlite('new')), /there is no store/);
    await assert.rejects(copy(places, places.redis(4), places.sqlite('new')), /there is no store/);
    assert.deepEqual(
      (await readdir(places.path)).filter((name) => /nowhere|new/.test(name)),
      [],
    );
    // The unfinished copy of one server is none of another.
    const target = places.sqlite('target');
    await assert.rejects(copy(places, home, target, { stopAfter: 1 }), /broken off/);
    const order = { source: other, target, ahead: false, onProgress: () => {} };
    const config = places.configOf(other, 'other-keys');
    await assert.rejects(copyStore(config, order, surroundings), { code: 'store_unfinished' });
  });
});

describe('a backup', () => {
  const fileOf = (places: Places, name = 'b.backup') => join(places.path, name);

  const restored = (
    places: Places,
    target: string,
    order: Partial<{ from: string; keepSignIns: boolean }> = {},
  ) =>
    restore(
      places.configOf(target),
      { from: fileOf(places), checkOnly: false, keepSignIns: false, onProgress: () => {}, ...order },
      surroundings,
    );

  const checked = (places: Places, from: string, keys?: string) =>
    restore(
      places.configOf(places.sqlite('not touched'), keys),
      { from, checkOnly: true, keepSignIns: false, onProgress: () => {} },
      surroundings,
    );

  test('of SQLite is restored into Redis, and of Redis into SQLite, by one file for its owner alone', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const origin = await places.open(home);
    await writeClients(origin.records);
    const made = await backUp(places.configOf(home), { file: fileOf(places) }, surroundings);
    assert.equal(made.counts.get('client'), CLIENTS);
    const { mode, size } = await stat(fileOf(places));
    assert.deepEqual([mode & 0o777, size], [0o600, made.bytes]);
    await assert.rejects(backUp(places.configOf(home), { file: fileOf(places) }, surroundings), {
      code: 'file_exists',
    });
    const outcome = await restored(places, places.redis(5));
    assert.deepEqual(outcome.counts, made.counts);
    const onRedis = await places.open(places.redis(5));
    assert.deepEqual(await clientsIn(onRedis.records), await clientsIn(origin.records));

    const pipe = new PassThrough();
    const piped = buffer(pipe);
    await backUp(places.configOf(places.redis(5)), { pipe }, surroundings);
    pipe.end();
    const from = Readable.from([await piped]);
    const order = { from, checkOnly: false, keepSignIns: false, onProgress: () => {} };
    await restore(places.configOf(places.sqlite('back')), order, surroundings);
    const back = await places.open(places.sqlite('back'));
    assert.deepEqual(await clientsIn(back.records), await clientsIn(origin.records));
    await assert.rejects(restored(places, places.sqlite('back')), { code: 'store_not_empty' });
  });

  test('is not there at all when it could not be finished', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const origin = await places.open(home);
    await writeClients(origin.records);
    const { bytes } = await makeBackup(origin, { random: systemRandom, now: systemClock.now() });
    const failing = async function* () {
      for await (const chunk of bytes) {
        yield chunk;
        throw new Error('no room');
      }
    };
    await assert.rejects(writeWhole(fileOf(places), failing(), systemRandom), /no room/);
    assert.deepEqual(
      (await readdir(places.path)).filter((name) => name.includes('backup')),
      [],
    );
  });

  test('of a store in use is of one moment on SQLite, and has what was acknowledged before it was begun on both', async () => {
    await using places = await makePlaces();
    for (const [at, home] of [places.sqlite('busy'), places.redis(6)].entries()) {
      const { records } = await places.open(home);
      // Many pages of accounts, so that others write between them and the clients.
      const put = (kind: 'account' | 'client', id: string) =>
        records.put({ kind, id, value: 1, expiresAt: null });
      await Promise.all(Array.from({ length: 2000 }, (_, n) => put('account', `${n}`)));
      let last = 0;
      let stopped = false;
      // Here as there an account goes before a client, so what is read as it comes would have clients without accounts.
      const writing = (async () => {
        while (!stopped) {
          last += 1;
          await put('account', `first-${last}`);
          await put('client', `second-${last}`);
        }
      })();
      while (last < 20) await new Promise((resolve) => setImmediate(resolve));
      const acknowledged = last - 1;
      const file = fileOf(places, `busy-${at}.backup`);
      await backUp(places.configOf(home), { file }, surroundings);
      stopped = true;
      await writing;
      const target = places.sqlite(`restored-${at}`);
      await restored(places, target, { from: file });
      const back = (await places.open(target)).records;
      for (let n = 1; n <= last; n += 1) {
        const [first, second] = [
          await back.find('account', `first-${n}`),
          await back.find('client', `second-${n}`),
        ];
        if (n <= acknowledged) assert.ok(first !== null && second !== null);
        if (at === 0 && first === null) assert.equal(second, null);
      }
    }
  });

  test('brings back no sign-in, code or token unless it is told to, and no server that ran', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const { records } = await places.open(home);
    const ended = [
      ...[
        'authorization',
        'authorization-code',
        'session',
        'interaction',
        'device-code',
        'backchannel-request',
      ],
      ...['opaque-access-token', 'opaque-client-credentials', 'protocol', 'registration-token', 'delivery'],
    ] as const;
    const kept = ['account', 'client', 'consent', 'replay', 'resource-server', 'key-ring'] as const;
    for (const kind of [...ended, ...kept, 'node'] as const) {
      await records.put({ kind, id: 'one', value: 1, expiresAt: soon(), aliases: [`alias of ${kind}`] });
    }
    await records.consume('authorization-code', 'one');
    await backUp(places.configOf(home), { file: fileOf(places) }, surroundings);
    const outcome = await restored(places, places.redis(7));
    assert.equal(outcome.leftOut.size, ended.length + 1);
    const without = (await places.open(places.redis(7))).records;
    for (const kind of [...ended, 'node'] as const) {
      assert.equal(await without.find(kind, 'one'), null, kind);
      assert.equal(await without.findByAlias(kind, `alias of ${kind}`), null, kind);
    }
    for (const kind of kept) assert.notEqual(await without.find(kind, 'one'), null, kind);

    await restored(places, places.sqlite('with'), { keepSignIns: true });
    const all = (await places.open(places.sqlite('with'))).records;
    for (const kind of [...ended, ...kept] as const) assert.notEqual(await all.find(kind, 'one'), null, kind);
    assert.equal(await all.find('node', 'one'), null);
    assert.equal(await all.consume('authorization-code', 'one'), 'already-consumed');
  });

  test('goes on behind all that was given out since: a reader of a log misses nothing, and no version comes back', async () => {
    await using places = await makePlaces();
    for (const [home, target] of [
      [places.sqlite('home'), places.sqlite('restored')],
      [places.redis(9), places.sqlite('from Redis')],
    ] as const) {
      const { records } = await places.open(home);
      const note = (entry: string) => ({ log: 'l', entry, until: soon() });
      await records.append(note('before'));
      const from = fileOf(places, `${target.length}.backup`);
      await backUp(places.configOf(home), { file: from }, surroundings);
      for (let n = 0; n < 5; n += 1) await records.append(note('since'));
      const since = await records.put({ kind: 'client', id: 'web', value: 1, expiresAt: null });
      const { next } = await records.readLog('l', { after: 0, limit: 99 });
      await restored(places, target, { from });
      const back = (await places.open(target)).records;
      await back.append(note('after'));
      const page = await back.readLog('l', { after: next, limit: 99 });
      assert.deepEqual(
        page.entries.map(({ entry }) => entry),
        ['after'],
      );
      const put = await back.put({ kind: 'client', id: 'web', value: 1, expiresAt: null });
      assert.ok(put.outcome === 'stored' && since.outcome === 'stored' && put.version > since.version);
    }
  });

  test('tells nothing in clear, and is refused before anything is written if it was changed or cut anywhere', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const { records } = await places.open(home);
    await writeClients(records);
    await backUp(places.configOf(home), { file: fileOf(places) }, surroundings);
    const whole = await readFile(fileOf(places));
    const headerEnd = whole.indexOf('\n') + 1;
    for (const word of ['client', 'alias', 'account', 'record', 'root']) {
      assert.equal(whole.indexOf(word), -1, word);
    }
    assert.equal((await checked(places, fileOf(places))).counts.get('client'), CLIENTS);
    const file = fileOf(places, 'damaged.backup');
    const refused = async (bytes: Buffer) => {
      await writeFile(file, bytes);
      await assert.rejects(checked(places, file), (error: { code: string }) =>
        ['backup_damaged', 'not_a_backup', 'backup_newer', 'setup_fault'].includes(error.code),
      );
      await assert.rejects(restored(places, places.sqlite('not touched'), { from: file }));
    };
    const chunk = 64 * 1024 + 16;
    for (const length of [
      0,
      10,
      headerEnd,
      headerEnd + 1,
      headerEnd + chunk,
      headerEnd + chunk + 1,
      whole.length - 1,
    ]) {
      await refused(whole.subarray(0, length));
    }
    const swapped = Buffer.concat([
      whole.subarray(0, headerEnd),
      whole.subarray(headerEnd + chunk, headerEnd + 2 * chunk),
      whole.subarray(headerEnd, headerEnd + chunk),
      whole.subarray(headerEnd + 2 * chunk),
    ]);
    assert.equal(swapped.length, whole.length);
    await refused(swapped);
    await refused(Buffer.concat([whole, Buffer.of(0)]));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        await refused(bytes);
      }),
      { numRuns: 40 },
    );
    assert.deepEqual(
      (await readdir(places.path)).filter((name) => name.startsWith('not touched')),
      [],
    );
  });

  test('names the keys that it needs, also those that older records are under', async () => {
    await using places = await makePlaces();
    const home = places.sqlite('home');
    const origin = await places.open(home);
    await writeClients(origin.records, 3);
    const [old = ''] = origin.keys.held.ids;
    const rotation = rotationOn(origin);
    await rotation.make();
    await rotation.advance();
    await origin.records.put({ kind: 'client', id: 'client-0', value: 'newer', expiresAt: null });
    const made = await backUp(places.configOf(home), { file: fileOf(places) }, surroundings);
    assert.equal(made.keks.length, 2);
    const line = (await readFile(fileOf(places), 'latin1')).split('\n')[0] ?? '';
    for (const id of made.keks) assert.ok(line.includes(id));
    assert.deepEqual((await checked(places, fileOf(places))).keks, made.keks);

    const [newer = ''] = made.keks.filter((id) => id !== old);
    await mkdir(join(places.path, 'some-keys'));
    await copyFile(join(places.path, 'keys', `${newer}.kek`), join(places.path, 'some-keys', `${newer}.kek`));
    await assert.rejects(
      checked(places, fileOf(places), 'some-keys'),
      (error: Error) => error.name === 'SetupFault' && error.message.includes(old),
    );
    // Another key of the same id is not the key.
    const forged = newKeyEncryptionKey(surroundings)
      .reveal()
      .replace(/_\d{8}-\d{6}-[0-9a-f]{6}_/, `_${newer}_`);
    await writeFile(join(places.path, 'some-keys', `${newer}.kek`), forged, { mode: 0o600 });
    await copyFile(join(places.path, 'keys', 'first.kek'), join(places.path, 'some-keys', 'first.kek'));
    await assert.rejects(checked(places, fileOf(places), 'some-keys'), { code: 'backup_damaged' });
  });

  test('of another format says so', async () => {
    await using places = await makePlaces();
    const file = fileOf(places);
    await writeFile(file, 'keyturn-backup 2 {"anything":1}\n');
    await assert.rejects(checked(places, file), { code: 'backup_newer', message: /format 2/ });
    await writeFile(file, 'SQLite format 3');
    await assert.rejects(checked(places, file), { code: 'not_a_backup' });
    await assert.rejects(checked(places, fileOf(places, 'missing')), { code: 'file_unreadable' });
  });
});
