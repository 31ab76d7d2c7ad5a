import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { makeKeyturnDirectory } from '#test/support/running-server.ts';
import { ended, workersOf } from '#test/support/worker-processes.ts';

describe('workers without a supervisor', () => {
  test('end by themselves, and leave the port and the store to the next', async () => {
    await using directory = await makeKeyturnDirectory({ env: { KEYTURN_WORKERS: '2' } });
    const keyturn = await directory.serve();
    const pids = await workersOf(keyturn.pid);
    await keyturn.kill();
    await Promise.all(pids.map(ended));
    await assert.rejects(fetch(directory.issuer));
    const next = await directory.serve();
    assert.deepEqual(await next.stop(), { code: 0, signal: null });
  });
});

describe('workers that cannot start', () => {
  test('settings that are wrong are told once, and end it with 2', async () => {
    await using directory = await makeKeyturnDirectory({
      env: { KEYTURN_WORKERS: '3', KEYTURN_LOG_LEVEL: 'loud' },
    });
    const { code, stdout, stderr } = await directory.cli(['serve']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr.match(/KEYTURN_LOG_LEVEL/g)?.length, 1, stderr);
    assert.deepEqual(await readdir(directory.path), []);
  });

  test('a port that is taken is told once, with what to do, and ends it with 1', async () => {
    await using directory = await makeKeyturnDirectory();
    const keyturn = await directory.serve();
    const other = await makeKeyturnDirectory({ env: { ...directory.env, KEYTURN_WORKERS: '3' } });
    const { code, stdout, stderr } = await other.cli(['serve']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^keyturn: .* port \d+ is in use already\nhint: .*KEYTURN_PORT.*\n$/);
    await keyturn.stop();
    await other[Symbol.asyncDispose]();
  });
});
