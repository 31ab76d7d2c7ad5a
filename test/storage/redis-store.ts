import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Clock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { openStore } from '#src/storage/open-store.ts';
import { openRedisBackend } from '#src/storage/redis/redis-backend.ts';
import { DEFAULT_REDIS_SETTINGS, type RedisSettings } from '#src/storage/redis/settings.ts';
import { parseStoreLocation } from '#src/store-location.ts';
import { days } from '#src/units.ts';
import type { StoreUnderTest } from '#test/storage/records-contract.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

export interface RedisStoreUnderTest extends StoreUnderTest {
  readonly prefix: string;
}

let stores = 0;

/** An empty store under a prefix of its own, on a Redis that others may use as well. */
export async function makeRedisStore(
  clock: Clock,
  { location, ...settings }: { location: string } & Partial<RedisSettings>,
): Promise<RedisStoreUnderTest> {
  const directory = await makeTemporaryDirectory();
  stores += 1;
  const redis: RedisSettings = {
    ...DEFAULT_REDIS_SETTINGS,
    prefix: `test-${stores}`,
    // Redis does not live by the clock of a test.
    clockSkewMax: days(100_000),
    ...settings,
  };
  const connections: AsyncDisposable[] = [];
  return {
    prefix: redis.prefix,
    async connect() {
      const store = await openStore({
        location,
        redis,
        keysDirectory: join(directory.path, 'keys'),
        clock,
        random: systemRandom,
      });
      connections.push(store);
      return store;
    },
    async openBackend() {
      const parsed = parseStoreLocation(location);
      assert.ok('engine' in parsed && parsed.engine === 'redis');
      const backend = await openRedisBackend(parsed, { settings: redis, clock, random: systemRandom });
      connections.push(backend);
      return backend;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
      await directory[Symbol.asyncDispose]();
    },
  };
}
