import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, describe, test } from 'node:test';
import { AbstractConnector } from 'ioredis';
import { StorageFault } from '#src/fault.ts';
import { RedisConnection } from '#src/storage/redis/connection.ts';
import { keysOf } from '#src/storage/redis/keys.ts';
import { redisOptionsOf } from '#src/storage/redis/redis-options.ts';
import { DEFAULT_REDIS_SETTINGS } from '#src/storage/redis/settings.ts';
import { parseStoreLocation } from '#src/store-location.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const server = await startRedisServer();
after(() => server[Symbol.asyncDispose]());

describe('a connection to Redis', () => {
  test('does not take an answer for late that could not be read, since this process was held up', async () => {
    await using connection = connectionOf({});
    await connection.open();
    await connection.ask((redis) => redis.ping());
    const asked = connection.ask((redis) => redis.get('a'));
    const until = performance.now() + TIMEOUT_MS + 100;
    while (performance.now() < until);
    assert.equal(await asked, null);
  });

  test('is made anew also when the way to the server failed as the library does not expect', async () => {
    let ways = 0;
    await using connection = connectionOf({
      Connector: class extends AbstractConnector {
        constructor() {
          super(0);
        }

        async connect() {
          ways += 1;
          if (ways === 2) throw new RangeError('of which nobody has thought');
          this.connecting = true;
          this.stream = connect({ host: '127.0.0.1', port: server.port });
          return this.stream;
        }
      },
    });
    await connection.open();
    await server.cli('client', 'kill', 'type', 'normal');
    const answered = () =>
      connection
        .ask((redis) => redis.ping())
        .catch((error: unknown) => assert.ok(error instanceof StorageFault));
    while (ways < 3 || (await answered()) !== 'PONG') await new Promise(setImmediate);
  });
});

describe('the way back to a Redis that is away', () => {
  const delays = async (location: string, chance: number) => {
    const parsed = parseStoreLocation(location);
    assert.ok('engine' in parsed && parsed.engine === 'redis');
    const random = { bytes: (length: number) => Buffer.alloc(length, chance) };
    const given = { settings: DEFAULT_REDIS_SETTINGS, keys: keysOf('keyturn'), random };
    const { retryStrategy, sentinelRetryStrategy } = await redisOptionsOf(parsed, given);
    const attempts = Array.from({ length: 8 }, (_, index) => index + 1);
    const strategy = sentinelRetryStrategy ?? retryStrategy;
    assert.ok(typeof strategy === 'function');
    return attempts.map((attempt) => strategy(attempt));
  };

  for (const location of ['redis://a', 'redis+sentinel://a/main', 'redis+cluster://a,b']) {
    test(`is tried less and less often, up to once a second, and by each server at times of its own: ${location}`, async () => {
      assert.deepEqual(await delays(location, 0), [25, 50, 100, 200, 400, 500, 500, 500]);
      assert.deepEqual(await delays(location, 255), [50, 100, 200, 400, 800, 1000, 1000, 1000]);
    });
  }
});

const TIMEOUT_MS = 1000;

function connectionOf(options: object): RedisConnection {
  return new RedisConnection({
    options: {
      port: server.port,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => 10,
      ...options,
    },
    keys: keysOf('connection'),
    timeoutMs: TIMEOUT_MS,
  });
}
