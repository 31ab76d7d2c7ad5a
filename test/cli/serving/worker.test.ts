import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsForSeat } from '#src/cli/serving/worker.ts';
import { loadConfig } from '#src/config/load.ts';

test('workers have the measure of hashing of one server together, and each may hash at least one password at a time', () => {
  const shared = (concurrency: string, queue: string, of: number) => {
    const env = { KEYTURN_PASSWORDS_HASH_CONCURRENCY: concurrency, KEYTURN_PASSWORDS_HASH_QUEUE_MAX: queue };
    const config = loadConfig({ env });
    return Array.from({ length: of }, (_, index) => {
      const { passwords, ...others } = settingsForSeat(config, { number: index + 1, of });
      const { hashConcurrency, hashQueueMax } = passwords;
      const { passwords: before, ...unchanged } = config;
      assert.deepEqual(others, unchanged);
      assert.deepEqual({ ...before, hashConcurrency, hashQueueMax }, passwords);
      return [hashConcurrency, hashQueueMax];
    });
  };
  assert.deepEqual(shared('7', '64', 3), [
    [3, 22],
    [2, 21],
    [2, 21],
  ]);
  assert.deepEqual(shared('1', '1', 2), [
    [1, 1],
    [1, 0],
  ]);
});
