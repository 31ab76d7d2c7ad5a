import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Records } from '#src/records.ts';
import { startSweeping } from '#src/sweeping.ts';
import { type EpochSeconds, minutes } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

describe('sweeping', () => {
  test('goes through the whole store without delay once it has begun, however much of it lives on', async (t) => {
    await using store = await openTemporaryStore();
    const { records, clock } = store;
    const put = (id: string, expiresAt: EpochSeconds | null) =>
      records.put({ kind: 'consent', id, value: null, expiresAt });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await put(id, null);
    await put('over', clock.now());
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const begun: ReturnType<Records['sweep']>[] = [];
    const sweep = (limit: number) => {
      const step = records.sweep(limit);
      begun.push(step);
      return step;
    };
    await using _sweeping = startSweeping({
      records: { sweep },
      every: minutes(1),
      batch: 1,
      onFault: (error) => assert.fail(String(error)),
    });
    /** The step that is due once so much time has passed. */
    const stepAfter = async (milliseconds: number) => {
      t.mock.timers.tick(milliseconds);
      const step = begun.shift();
      assert.ok(step, `no step within ${milliseconds} ms`);
      const outcome = await step;
      await setImmediate();
      return outcome;
    };
    let { removed, done } = await stepAfter(60_000);
    while (!done) {
      const next = await stepAfter(1_000);
      removed += next.removed;
      done = next.done;
    }
    assert.equal(removed, 1);
    t.mock.timers.tick(59_000);
    assert.equal(begun.length, 0);
    assert.equal((await stepAfter(1_000)).done, false);
  });
});
