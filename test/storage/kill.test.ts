import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { countSealed, type ResealStep } from '#src/sealing/resealing.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { after, hours, seconds } from '#src/units.ts';
import { type StoreProcessTask, startStoreProcess } from '#test/storage/store-process.ts';
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
    await using store = await openIn(directory.path);
    const last = new Map(acknowledged.map((operation) => [operation.id, operation]));
    for (const operation of last.values()) {
      await check(store.records, operation);
    }
  }
  const kinds = new Set(acknowledged.map(({ did }) => did));
  assert.deepEqual([...kinds].toSorted(), ['consume', 'endGroup', 'hit', 'put', 'remove', 'revoke']);
});

/** After how many steps of sealing anew the process that does so is killed, and after how many writes one that writes. */
const KILLED_WHILE_SEALING = [
  [1, 5],
  [2, 50],
  [5, 200],
  [9, 10],
  [14, 300],
  [3, 100],
] as const;

test('a process that is killed in the middle of sealing the store anew loses and changes nothing, nor does one that writes beside it', async () => {
  await using directory = await makeTemporaryDirectory();
  const acknowledged: Acknowledged[] = [];
  const still = await (async () => {
    await using store = await openIn(directory.path);
    for (let number = 0; number < 100; number += 1) {
      const expiresAt = number % 2 === 0 ? null : after(systemClock.now(), hours(1));
      const aliases = [`client ${number}`];
      await store.records.put({ kind: 'client', id: `${number}`, value: { number }, expiresAt, aliases });
      if (number % 3 === 0) await store.records.consume('client', `${number}`);
    }
    return clientsOf(store.records);
  })();
  for (const [steps, writes] of KILLED_WHILE_SEALING) {
    const [, written] = await Promise.all([
      runAndKill('reseal', directory.path, steps),
      runAndKill('write', directory.path, writes),
    ]);
    acknowledged.push(...written.map((line) => JSON.parse(line) as Acknowledged));
    await using store = await openIn(directory.path);
    assert.deepEqual(await clientsOf(store.records), still);
  }
  await using store = await openIn(directory.path);
  const faults = await finishSealing(store);
  assert.deepEqual(faults, []);
  const counts = await countSealed(store.bodies);
  assert.deepEqual([...new Set(counts.map(({ kekId }) => kekId))], [store.keys.register.current.id]);
  assert.ok(store.keys.register.former.length > 0);
  assert.deepEqual(await clientsOf(store.records), still);
  for (const operation of new Map(acknowledged.map((each) => [each.id, each])).values()) {
    await check(store.records, operation);
  }
});

const openIn = (directory: string) =>
  openStore({
    location: `sqlite:${join(directory, 'data', 'keyturn.db')}`,
    keysDirectory: join(directory, 'keys'),
    clock: systemClock,
    random: systemRandom,
  });

const clientsOf = async (records: Records) => (await records.list('client', { limit: 1000 })).records;

async function finishSealing({ bodies }: Store): Promise<readonly Error[]> {
  const faults: Error[] = [];
  let after: string | null = null;
  do {
    const step: ResealStep = await bodies.reseal({ after, limit: 500 });
    faults.push(...step.faults);
    after = step.next;
  } while (after !== null);
  return faults;
}

async function writeAndKill(directory: string, count: number): Promise<Acknowledged[]> {
  return (await runAndKill('write', directory, count)).map((line) => JSON.parse(line));
}

/** Runs a process until it has said so many lines, and kills it. Answers all that it has said. */
async function runAndKill(task: StoreProcessTask, directory: string, count: number): Promise<string[]> {
  const child = startStoreProcess(task, directory);
  const lines: string[] = [];
  for await (const line of child.lines) {
    lines.push(line);
    if (lines.length === count) {
      child.kill();
    }
  }
  const { signal, stderr } = await child.ended;
  assert.deepEqual({ signal, stderr }, { signal: 'SIGKILL', stderr: '' });
  assert.ok(lines.length >= count);
  return lines;
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
