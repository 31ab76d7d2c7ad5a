import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startKeyturn } from '#test/support/running-server.ts';

/** The threads of a process that block in the place of its event loop. */
function threadsOf(pid: number): number {
  const names = readdirSync(`/proc/${pid}/task`).map((id) =>
    readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim(),
  );
  return names.filter((name) => name === 'libuv-worker').length;
}

const linux = { skip: process.platform !== 'linux' && 'only Linux tells the threads of a process' };

test(
  'a server has a thread for each password that is hashed at the same time, and four for all else',
  linux,
  async () => {
    const env = { KEYTURN_PASSWORDS_HASH_CONCURRENCY: '6' };
    await using server = await startKeyturn({ env });
    assert.equal(threadsOf(server.pid), 10);
  },
);

test('whoever runs the server may say how many threads it has', linux, async () => {
  const env = { KEYTURN_PASSWORDS_HASH_CONCURRENCY: '6', UV_THREADPOOL_SIZE: '5' };
  await using server = await startKeyturn({ env });
  assert.equal(threadsOf(server.pid), 5);
});
