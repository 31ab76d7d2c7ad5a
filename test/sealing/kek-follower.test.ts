import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SetupFault, StorageFault } from '#src/fault.ts';
import { KekFollower } from '#src/sealing/kek-follower.ts';
import { ResealLoop } from '#src/sealing/reseal-loop.ts';
import type { ResealOutcome, ResealProgress } from '#src/sealing/resealing.ts';
import type { Store } from '#src/storage/open-store.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

describe('a server that follows the key-encryption keys', () => {
  test('takes up a key that comes into the directory, lets it become current, and tells of that once', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const [server, administrator] = [await store.connect(), await store.connect()];
    const { follower, told } = followerOn(server);
    await follower.look();
    await follower.follow();
    assert.deepEqual(told, []);
    const made = await rotationOn(administrator).make();
    assert.ok(made.outcome === 'made');
    await follower.look();
    assert.ok(server.keys.held.ids.includes(made.id));
    await follower.follow();
    await follower.follow();
    assert.deepEqual(told, [`current ${made.id}`]);
  });

  test('tells of a key that another has made current', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const [server, administrator] = [await store.connect(), await store.connect()];
    const { follower, told } = followerOn(server);
    await rotationOn(administrator).make();
    const { register } = await rotationOn(administrator).advance();
    await follower.follow();
    assert.deepEqual(told, [`current ${register.current.id}`]);
  });

  test('tells once of a file that has gone though records need the key, and goes on with the key that it has', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const server = await store.connect();
    const { follower, told } = followerOn(server);
    const { id } = server.keys.held.current;
    const [here, away] = [join(store.keysDirectory, 'first.kek'), join(store.directory, 'away')];
    await rename(here, away);
    await follower.look();
    await follower.look();
    assert.deepEqual(told, [`gone ${id}`]);
    await server.records.put({ kind: 'client', id: 'a', value: 1, expiresAt: null });
    await rename(away, here);
    await follower.look();
    await rename(here, away);
    await follower.look();
    assert.deepEqual(told, [`gone ${id}`, `gone ${id}`]);
  });

  test('faults for a file that holds no key, and takes up the others once it is gone', async () => {
    await using store = await makeSqliteStore(new MovingClock());
    const [server, administrator] = [await store.connect(), await store.connect()];
    const { follower } = followerOn(server);
    const made = await rotationOn(administrator).make();
    assert.ok(made.outcome === 'made');
    const broken = join(store.keysDirectory, 'broken.kek');
    await writeFile(broken, 'half a ke', { mode: 0o600 });
    await assert.rejects(follower.look(), SetupFault);
    await rename(broken, join(store.directory, 'broken'));
    await follower.look();
    assert.ok(server.keys.held.ids.includes(made.id));
  });
});

describe('sealing anew in the background', () => {
  const progress = (looked: number, finishedAt: number | null) =>
    ({ looked, finishedAt }) as unknown as ResealProgress;
  const stepped = (looked: number, finishedAt: number | null = null): ResealOutcome => ({
    outcome: 'stepped',
    progress: progress(looked, finishedAt),
    faults: [],
  });

  test('goes on step by step until it is finished, however often it is woken', async () => {
    const { loop, told, asked } = loopOver([stepped(1), stepped(2), stepped(3, 1)]);
    for (let i = 0; i < 5; i += 1) loop.wake();
    await told.until(3);
    loop.wake();
    await loop[Symbol.asyncDispose]();
    assert.deepEqual(told.looked, [1, 2, 3]);
    assert.ok(asked() <= 4, 'one at a time');
  });

  test('leaves it to another process that is at it, and tells of a fault and of no step', async () => {
    const fault = new StorageFault('the store is away');
    const { loop, told, faults } = loopOver([{ outcome: 'elsewhere', progress: progress(5, null) }, fault]);
    loop.wake();
    await new Promise((resolve) => setImmediate(resolve));
    loop.wake();
    await loop[Symbol.asyncDispose]();
    assert.deepEqual([told.looked, faults], [[], [fault]]);
  });

  test('ends between two steps when the server ends', async () => {
    const { loop, told, asked } = loopOver([stepped(1), stepped(2), stepped(3)], { pauseMs: 60_000 });
    loop.wake();
    await told.until(1);
    await loop[Symbol.asyncDispose]();
    loop.wake();
    assert.deepEqual([told.looked, asked()], [[1], 1]);
  });
});

function followerOn(store: Store) {
  const told: string[] = [];
  const follower = new KekFollower(
    {
      keys: store.keys,
      rotation: rotationOn(store),
      onCurrent: (id) => told.push(`current ${id}`),
      onFileGone: (id) => told.push(`gone ${id}`),
    },
    store.keys.register,
  );
  return { follower, told };
}

/** A loop whose steps come to these outcomes, and to nothing to do after them. */
function loopOver(outcomes: readonly (ResealOutcome | Error)[], { pauseMs = 0 } = {}) {
  let asked = 0;
  const looked: number[] = [];
  const waiting: { count: number; reached: () => void }[] = [];
  const faults: unknown[] = [];
  const loop = new ResealLoop({
    resealer: {
      async step() {
        const outcome = outcomes[asked] ?? { outcome: 'not-needed' };
        asked += 1;
        if (outcome instanceof Error) throw outcome;
        return outcome;
      },
    },
    pauseMs,
    onStep: ({ progress }) => {
      looked.push(progress.looked);
      for (const { count, reached } of waiting) if (looked.length >= count) reached();
    },
    onFault: (fault) => faults.push(fault),
  });
  const until = (count: number) =>
    new Promise<void>((reached) => {
      waiting.push({ count, reached });
      if (looked.length >= count) reached();
    });
  return { loop, told: { looked, until }, faults, asked: () => asked };
}
