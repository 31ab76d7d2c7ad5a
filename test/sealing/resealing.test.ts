import assert from 'node:assert/strict';
import { after as closing, describe, test } from 'node:test';
import type { StorageFault } from '#src/fault.ts';
import { Resealer } from '#src/sealing/resealing.ts';
import type { Store } from '#src/storage/open-store.ts';
import { after, epochSeconds, hours, minutes } from '#src/units.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const far = epochSeconds(4_000_000_000);

const redis = await startRedisServer();
closing(() => redis[Symbol.asyncDispose]());
const location = `redis://127.0.0.1:${redis.port}`;

const STORES: readonly [string, MakeStore][] = [
  ['SQLite', makeSqliteStore],
  ['Redis', (clock) => makeRedisStore(clock, { location })],
];

for (const [name, makeStore] of STORES)
  describe(`sealing a store on ${name} anew`, () => {
    test('leaves nothing under the old key: records, logs, what was noted of removed ones, root secret and register', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const connection = await store.connect();
      const before = await fill(connection, clock, 30);
      const id = await rotated(connection);
      const resealer = resealerOn(connection, clock);
      await finish(resealer);
      const counts = await rotationOn(connection).count();
      assert.deepEqual([...new Set(counts.map(({ kekId }) => kekId))], [id]);
      const kinds = counts.map(({ kind }) => kind).toSorted();
      assert.deepEqual(kinds, ['client', 'kek-register', 'log', 'resealing', 'root', 'session']);

      const other = await store.connect();
      assert.deepEqual(await everyRecord(other), before);
      const { entries } = await other.records.readLog('l', { after: 0, limit: 100 });
      assert.deepEqual(
        entries.map(({ entry, removed }) => entry ?? removed?.id),
        ['noted', 'removed'],
      );
      const progress = await resealer.progress();
      assert.equal(progress?.finishedAt, clock.now());
      assert.deepEqual([progress.resealed, progress.unreadable], [30 + 2 + 1, 0]);
    });

    test('is not needed while nothing can be under another key', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const resealer = resealerOn(await store.connect(), clock);
      assert.deepEqual(await resealer.step(), { outcome: 'not-needed' });
      assert.equal(await resealer.progress(), null);
    });

    test('looks at no more in a step than it was told', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const connection = await store.connect();
      await fill(connection, clock, 20);
      await rotated(connection);
      const resealer = resealerOn(connection, clock, { batch: 4 });
      let looked = 0;
      for (let finished = false; !finished; ) {
        const step = await resealer.step();
        assert.ok(step.outcome === 'stepped');
        assert.ok(step.progress.looked - looked <= 4);
        looked = step.progress.looked;
        finished = step.progress.finishedAt !== null;
      }
      assert.ok(looked >= 20);
    });

    test('is done by one process at a time, and goes on where that one stopped if it comes to nothing', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      await fill(first, clock, 20);
      await rotated(first);
      const [one, other] = [resealerOn(first, clock), resealerOn(second, clock)];
      await one.step();
      const waiting = await other.step();
      assert.ok(waiting.outcome === 'elsewhere');
      assert.equal(waiting.progress.looked, 5);
      clock.move(minutes(1));
      const going = await other.step();
      assert.ok(going.outcome === 'stepped');
      assert.equal(going.progress.looked, 10);
      assert.equal((await one.step()).outcome, 'elsewhere');
      await finish(other);
      assert.equal((await one.step()).outcome, 'finished');
    });

    test('loses nothing if two processes do the same at once', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const before = await fill(first, clock, 20);
      const id = await rotated(first);
      // One name for both: each takes the other's turn for its own.
      const both = [resealerOn(first, clock, { name: 'both' }), resealerOn(second, clock, { name: 'both' })];
      await Promise.all(both.map(finish));
      assert.deepEqual(await everyRecord(second), before);
      const counts = await rotationOn(first).count();
      assert.deepEqual([...new Set(counts.map(({ kekId }) => kekId))], [id]);
    });

    test('begins anew when yet another key becomes current in the middle of it', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const connection = await store.connect();
      await fill(connection, clock, 20);
      await rotated(connection);
      const resealer = resealerOn(connection, clock);
      await resealer.step();
      const id = await rotated(connection);
      await finish(resealer);
      assert.equal((await resealer.progress())?.kekId, id);
      const counts = await rotationOn(connection).count();
      assert.deepEqual([...new Set(counts.map(({ kekId }) => kekId))], [id]);
    });

    test('leaves what cannot be opened as it is, tells of it, does the rest, and the old key cannot be retired', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const connection = await store.connect();
      await fill(connection, clock, 8);
      const old = connection.keys.held.current.id;
      const put = { kind: 'consent', id: 'broken', value: 1, expiresAt: null } as const;
      await connection.records.put(put);
      const backend = await store.openBackend();
      const { bodies } = await backend.walk({ after: null, limit: 100, except: Buffer.of(0) });
      const broken = bodies.filter((each) => each.in === 'record' && each.kind === 'consent');
      const changed = broken.map((each) => ({ ...each, body: Buffer.concat([each.body, Buffer.of(0)]) }));
      assert.equal(await backend.replaceBodies(changed), 1);
      await rotated(connection);
      const resealer = resealerOn(connection, clock);
      assert.equal((await finish(resealer)).length, 1);
      assert.equal((await resealer.progress())?.unreadable, 1);
      assert.deepEqual(await rotationOn(connection).retire(old), {
        outcome: 'in-use',
        counts: [{ kekId: old, kind: 'consent', count: 1 }],
      });
      await connection.records.put(put);
      await resealer.retryUnreadable();
      await finish(resealer);
      assert.equal((await resealer.progress())?.unreadable, 0);
      assert.deepEqual(await rotationOn(connection).retire(old), { outcome: 'retired' });
    });

    test('disturbs no traffic: whatever is put, used and removed meanwhile is as it would be without', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [serving, sealing] = [await store.connect(), await store.connect()];
      const count = 200;
      for (let i = 0; i < count; i += 1) await serving.records.put(session(i, 'before'));
      const resealer = resealerOn(sealing, clock, { batch: 7 });
      const old = sealing.keys.held.current.id;
      for (let round = 0; round < 3; round += 1) {
        const id = await rotated(sealing);
        const traffic = Array.from({ length: count }, async (_, i) => {
          await new Promise((resolve) => setTimeout(resolve, i % 20));
          if (i % 4 === 0) return serving.records.put(session(i, `round ${round}`));
          if (i % 4 === 1) return serving.records.consume('session', `${i}`);
          if (i % 4 === 2) return serving.records.remove('session', `${i}`, { log: 'l', until: far });
          return serving.records.find('session', `${i}`);
        });
        await Promise.all([finish(resealer), ...traffic]);
        for (let i = 0; i < count; i += 1) {
          const found = await serving.records.find('session', `${i}`);
          if (i % 4 === 2) assert.equal(found, null);
          else assert.deepEqual(found?.value, { from: i % 4 === 0 ? `round ${round}` : 'before' });
          assert.equal((found?.consumedAt ?? null) !== null, i % 4 === 1);
        }
        const { entries } = await serving.records.readLog('l', { after: 0, limit: 100 });
        assert.equal(entries.length, count / 4);
        const counts = await rotationOn(sealing).count();
        assert.deepEqual([...new Set(counts.map(({ kekId }) => kekId))], [id]);
      }
      assert.deepEqual(await rotationOn(sealing).retire(old), { outcome: 'retired' });
    });
  });

const session = (i: number, from: string) =>
  ({ kind: 'session', id: `${i}`, value: { from }, expiresAt: null }) as const;

/** Records of two kinds, some used, some that expire, and a log. Answers all records as they are to stay. */
async function fill(store: Store, clock: MovingClock, count: number) {
  const { records } = store;
  for (let i = 0; i < count; i += 1) {
    const kind = i % 3 === 0 ? 'client' : 'session';
    const expiresAt = i % 2 === 0 ? null : after(clock.now(), hours(1));
    await records.put({ kind, id: `${i}`, value: { number: i }, expiresAt, aliases: [`name ${i}`] });
    if (i % 5 === 0) await records.consume(kind, `${i}`);
  }
  await records.append({ log: 'l', entry: 'noted', until: far });
  await records.put({ kind: 'session', id: 'removed', value: 1, expiresAt: null });
  await records.remove('session', 'removed', { log: 'l', until: far });
  return everyRecord(store);
}

/** With versions, expiry and use. */
async function everyRecord({ records }: Store) {
  const pages = await Promise.all(
    (['client', 'session'] as const).map((kind) => records.list(kind, { limit: 1000 })),
  );
  return pages.flatMap((page) => page.records);
}

async function rotated(store: Store): Promise<string> {
  await rotationOn(store).make();
  return (await rotationOn(store).advance()).register.current.id;
}

let names = 0;

function resealerOn(
  { records, bodies, keys }: Store,
  clock: MovingClock,
  more: { name?: string; batch?: number } = {},
): Resealer {
  names += 1;
  const register = async () => (await keys.refresh()).register;
  return new Resealer({
    records,
    store: bodies,
    register,
    clock,
    name: `${names}`,
    batch: 5,
    pauseMs: 0,
    ...more,
  });
}

/** Until everything has been gone through. Answers what could not be opened. */
async function finish(resealer: Resealer): Promise<readonly StorageFault[]> {
  const faults: StorageFault[] = [];
  for (;;) {
    const step = await resealer.step();
    if (step.outcome === 'stepped') faults.push(...step.faults);
    if (step.outcome === 'finished') return faults;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
