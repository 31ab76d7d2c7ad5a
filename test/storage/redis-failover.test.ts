import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { SetupFault, StorageFault } from '#src/fault.ts';
import type { Store } from '#src/storage/open-store.ts';
import { makeRedisStore, type RedisStoreUnderTest } from '#test/storage/redis-store.ts';
import { whenAnswered } from '#test/storage/store-faults.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisCluster } from '#test/support/redis-cluster.ts';
import { startRedisSentinels } from '#test/support/redis-sentinels.ts';
import type { RedisServer } from '#test/support/redis-server.ts';

interface Deployment extends AsyncDisposable {
  readonly location: string;
  /** The one that holds this key, as somebody sees it who is not `but`. */
  primaryOf(key: string, but?: RedisServer): Promise<RedisServer>;
}

interface Case {
  readonly name: string;
  /** How many each primary has: all of them confirm, since any of them may become the next one. */
  readonly replicas: number;
  start(): Promise<Deployment>;
}

const CASES: readonly Case[] = [
  { name: 'sentinels', replicas: 2, start: startRedisSentinels },
  { name: 'a cluster', replicas: 1, start: startRedisCluster },
];

const LOSSES = ['stopped in its tracks, and comes back as a stranger', 'killed'] as const;

const WRITERS = 8;

for (const { name, replicas, start } of CASES) {
  describe(`a Redis with ${name} whose primary is lost`, () => {
    let deployment: Deployment;
    before(async () => {
      deployment = await start();
    });
    after(() => deployment[Symbol.asyncDispose]());

    for (const how of LOSSES) {
      test(`because it is ${how}, forgets no write that all its replicas have confirmed`, async () => {
        const { location } = deployment;
        await using store = await makeRedisStore(new MovingClock(), {
          location,
          waitReplicas: replicas,
          timeoutMs: 500,
        });
        const { records } = await connected(store);
        const key = `{${store.prefix}}:records`;
        const primary = await deployment.primaryOf(key);

        const stored: { id: string; version: number }[] = [];
        let faults = 0;
        let going = true;
        const write = async (writer: number) => {
          for (let number = 0; going; number += 1) {
            const id = `${writer}-${number}`;
            try {
              const put = await records.put({ kind: 'session', id, value: id, expiresAt: null });
              if (put.outcome === 'stored') stored.push({ id, version: put.version });
            } catch (error) {
              assert.ok(error instanceof StorageFault);
              faults += 1;
              // Until then nothing can be written, and the others would only say so very often.
              if (going) await whenAnswered(records);
            }
          }
        };
        const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
        const written = async (count: number) => {
          const enough = stored.length + count;
          while (stored.length < enough) await setTimeout(10);
        };
        await written(200);
        if (how === 'killed') await primary.kill();
        else primary.pause();
        while ((await deployment.primaryOf(key, primary)) === primary) await setTimeout(50);
        // It comes back as a replica, which the new primary may need to have its writes confirmed.
        if (how === 'killed') await primary.start();
        else primary.resume();
        await written(200);
        going = false;
        await Promise.all(writers);

        assert.ok(faults > 0, 'the loss was noticed');
        const { records: anew } = await connected(store);
        for (const { id, version } of stored) {
          assert.equal((await anew.find('session', id))?.version, version, id);
        }
        const versions = stored.map(({ version }) => version);
        assert.equal(new Set(versions).size, versions.length, 'no version was given out twice');
      });
    }
  });
}

/** A primary that has no replicas, as just after it became one, is not believed. */
async function connected(store: RedisStoreUnderTest): Promise<Store> {
  for (;;) {
    try {
      return await store.connect();
    } catch (error) {
      assert.ok(error instanceof SetupFault || error instanceof StorageFault);
      await setTimeout(50);
    }
  }
}
