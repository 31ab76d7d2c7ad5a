import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { openStore } from '#src/storage/open-store.ts';
import { after, hours, seconds } from '#src/units.ts';
import { startStoreProcess } from '#test/storage/store-process.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

interface Acknowledged {
  readonly did: 'put' | 'consume' | 'remove' | 'endGroup' | 'revoke' | 'hit';
  readonly id: string;
}

/** After how many acknowledged operations of its own each process is killed. */
const KILLED_AFTER = [1, 7, 100, 400];

test('what was acknowledged survives kill -9 of two processes that write at once, time and again', async () => {
  await using directory = await makeTemporaryDirectory();
  const acknowledged: Acknowledged[] = [];
  for (const count of KILLED_AFTER) {
    const writers = [writeAndKill(directory.path, count), writeAndKill(directory.path, count)];
    acknowledged.push(...(await Promise.all(writers)).flat());
    await using store = await openStore({
      location: `sqlite:${join(directory.path, 'data', 'keyturn.db')}`,
      keysDirectory: join(directory.path, 'keys'),
      clock: systemClock,
      random: systemRandom,
    });
    const last = new Map(acknowledged.map((operation) => [operation.id, operation]));
    for (const operation of last.values()) {
      await check(store.records, operation);
    }
  }
  const kinds = new Set(acknowledged.map(({ did }) => did));
  assert.deepEqual([...kinds].toSorted(), ['consume', 'endGroup', 'hit', 'put', 'remove', 'revoke']);
});

async function writeAndKill(directory: string, count: number): Promise<Acknowledged[]> {
  const child = startStoreProcess('write', directory);
  const acknowledged: Acknowledged[] = [];
  for await (const line of child.lines) {
    acknowledged.push(JSON.parse(line));
    if (acknowledged.length === count) {
      child.kill();
    }
  }
  const { signal, stderr } = await child.ended;
  assert.deepEqual({ signal, stderr }, { signal: 'SIGKILL', stderr: '' });
  assert.ok(acknowledged.length >= count);
  return acknowledged;
}

/** The operation was the last one acknowledged for its id; the next may have happened, unacknowledged. */
async function check(records: Records, { did, id }: Acknowledged): Promise<void> {
  const found = await records.find('session', id);
  switch (did) {
    case 'put': {
      const number = Number(id.split('-').at(-1));
      if (number % 4 === 1 || number % 4 === 2) {
        return;
      }
      assert.deepEqual(found?.value, { id }, `${id} was put`);
      assert.equal((await records.findByAlias('session', `alias ${id}`))?.id, id);
      return;
    }
    case 'consume':
      assert.notEqual(found?.consumedAt ?? null, null, `${id} was consumed`);
      assert.equal(await records.consume('session', id), 'already-consumed');
      return;
    case 'remove':
      assert.equal(found, null, `${id} was removed`);
      assert.equal(await records.findByAlias('session', `alias ${id}`), null);
      return;
    case 'endGroup': {
      assert.equal(found, null, `the group of ${id} was ended`);
      const { entries } = await records.readLog(`log ${id}`, { after: 0, limit: 2 });
      assert.deepEqual(
        entries.map(({ removed }) => removed?.id),
        [id],
        `the end of ${id} was noted`,
      );
      const put = { kind: 'session', id, value: 0, expiresAt: null, group: `group ${id}` } as const;
      assert.equal((await records.put(put)).outcome, 'group-ended');
      return;
    }
    case 'revoke':
    case 'hit':
      assert.equal(await records.anyRevoked([`jti ${id}`]), true, `${id} was revoked`);
      if (did === 'hit') {
        assert.ok((await records.hit(`counter ${id}`, seconds(3600))).count >= 2, `${id} was counted`);
      }
      await records.revoke([`jti ${id}`], after(systemClock.now(), hours(1)));
      return;
  }
}
