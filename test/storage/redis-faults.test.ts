import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { seconds } from '#src/units.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { whenAnswered, whenRefused } from '#test/storage/store-faults.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

/** Everything that can be asked of a store. */
const QUESTIONS: readonly ((records: Records) => Promise<unknown>)[] = [
  (records) => records.find('session', 'a'),
  (records) => records.findByAlias('session', 'a'),
  (records) => records.put({ kind: 'session', id: 'a', value: 1, expiresAt: null }),
  (records) => records.consume('session', 'a'),
  (records) => records.list('session', { limit: 1 }),
  (records) => records.anyRevoked(['a']),
  (records) => records.readLog('log', { after: 0, limit: 1 }),
  (records) => records.hit('counter', seconds(60)),
  (records) => records.sweep(1),
  (records) => records.ping(),
];

describe('while Redis is away', () => {
  for (const away of ['stopped in its tracks', 'killed'] as const) {
    test(`as it is when it was ${away}, all that is asked of it faults, and nothing of that is done later`, async () => {
      await using server = await startRedisServer();
      const location = `redis://127.0.0.1:${server.port}`;
      await using store = await makeRedisStore(new MovingClock(), { location, timeoutMs: 300 });
      const { records } = await store.connect();
      await records.put({ kind: 'session', id: 'a', value: 'before', expiresAt: null });

      if (away === 'killed') await server.kill();
      else server.pause();
      // Whatever is asked now waits for an answer, and the connection is left when none comes.
      await whenRefused(records);
      for (let round = 0; round < 50; round += 1) {
        const asked = await Promise.allSettled(QUESTIONS.map((ask) => ask(records)));
        for (const answer of asked) {
          assert.ok(answer.status === 'rejected' && answer.reason instanceof StorageFault);
          assert.match(answer.reason.message, /no connection|ECONNREFUSED|has not answered/i);
        }
      }

      if (away === 'killed') await server.start();
      else server.resume();
      await whenAnswered(records);
      const found = await records.find('session', 'a');
      assert.deepEqual([found?.value, found?.consumedAt], ['before', null]);
      assert.equal((await records.hit('counter', seconds(60))).count, 1);
    });
  }

  test('what was asked just before faults, and is not asked once more when it is back', async () => {
    await using server = await startRedisServer();
    const location = `redis://127.0.0.1:${server.port}`;
    await using store = await makeRedisStore(new MovingClock(), { location, timeoutMs: 300 });
    const { records } = await store.connect();
    await records.hit('counter', seconds(60));
    server.pause();
    await assert.rejects(records.hit('counter', seconds(60)), StorageFault);
    await whenRefused(records);
    server.resume();
    await whenAnswered(records);
    // The one that was on its way may have arrived.
    assert.ok((await records.hit('counter', seconds(60))).count <= 3);
  });

  test('a store can be closed, and opening another fails', async () => {
    await using server = await startRedisServer();
    const location = `redis://127.0.0.1:${server.port}`;
    await using store = await makeRedisStore(new MovingClock(), { location, timeoutMs: 300 });
    const open = await store.connect();
    server.pause();
    await whenRefused(open.records);
    await open[Symbol.asyncDispose]();
    await assert.rejects(store.connect(), /cannot be opened/);
    server.resume();
  });

  test('or its replica is, a write that was to be confirmed by it faults, and what is read is not held up', async () => {
    await using server = await startRedisServer();
    await using replica = await startRedisServer({ config: [`replicaof 127.0.0.1 ${server.port}`] });
    while (!(await server.cli('info', 'replication')).includes('state=online')) await setTimeout(20);
    const location = `redis://127.0.0.1:${server.port}`;
    const wishes = { location, waitReplicas: 1, timeoutMs: 4000 };
    await using store = await makeRedisStore(new MovingClock(), wishes);
    const { records } = await store.connect();
    const session = (id: string) => records.put({ kind: 'session', id, value: id, expiresAt: null });
    assert.equal((await session('a')).outcome, 'stored');
    replica.pause();
    const writes = Promise.allSettled(['b', 'c', 'd'].map(session));
    assert.equal((await records.find('session', 'a'))?.value, 'a');
    assert.equal((await records.hit('counter', seconds(60))).count, 1);
    for (const write of await writes) {
      assert.ok(write.status === 'rejected' && write.reason instanceof StorageFault);
      assert.match(write.reason.message, /0 of 1 replicas have confirmed/);
    }
    replica.resume();
    while ((await session('e').catch(() => null))?.outcome !== 'stored');
    assert.equal(await records.consume('session', 'a'), 'consumed');
  });

  test('which it is to writers when its memory is full, what ends something still ends it', async () => {
    await using server = await startRedisServer();
    const location = `redis://127.0.0.1:${server.port}`;
    await using store = await makeRedisStore(new MovingClock(), { location });
    const { records } = await store.connect();
    const session = (id: string) =>
      records.put({ kind: 'session', id, value: id, expiresAt: null, group: 'group', aliases: [`of ${id}`] });
    for (const id of ['a', 'b', 'c']) await session(id);
    await server.cli('config', 'set', 'maxmemory', '1');
    await assert.rejects(session('d'), (error) => error instanceof StorageFault && /OOM/.test(error.message));
    await assert.rejects(records.hit('counter', seconds(60)), StorageFault);
    assert.equal((await records.find('session', 'a'))?.value, 'a');
    assert.equal(await records.consume('session', 'a'), 'consumed');
    assert.equal(await records.remove('session', 'b'), true);
    await records.revoke(['jti'], new MovingClock().now());
    await records.endGroup('group', new MovingClock().now());
    assert.equal(await records.find('session', 'c'), null);
    await records.sweep(10);
    await server.cli('config', 'set', 'maxmemory', '0');
    assert.equal(await records.find('session', 'd'), null, 'the refused put left nothing behind');
    assert.equal(await records.findByAlias('session', 'of d'), null);
  });
});
