import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecordKind } from '#src/records.ts';
import { after, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Promise 8. */
export function sweepContract(makeStore: MakeStore): void {
  describe('sweep', () => {
    test('looks at no more of each than it was told, comes through in the end, and drops nothing that lives', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const soon = after(clock.now(), seconds(10));
      const late = after(clock.now(), seconds(1000));
      for (let i = 0; i < 20; i += 1) {
        const kind: RecordKind = i % 3 ? 'session' : 'interaction';
        const expiresAt = i % 2 ? soon : i % 4 ? late : null;
        await records.put({ kind, id: `${i}`, value: i, expiresAt, aliases: [`alias ${i}`] });
        await records.revoke([`entry ${i}`], i % 2 ? soon : late);
        await records.endGroup(`group ${i}`, i % 2 ? soon : late);
        await records.hit(`counter ${i}`, seconds(i % 2 ? 10 : 1000));
      }
      clock.move(seconds(10));

      let steps = 0;
      for (let done = false; !done; steps += 1) {
        assert.ok(steps < 20, 'a round ends');
        const step = await records.sweep(3);
        assert.ok(step.removed <= 3 * 4, 'three each of records, groups, entries and counters');
        done = step.done;
      }
      const nextRound = await records.sweep(1000);
      assert.deepEqual(nextRound, { removed: 0, done: true }, 'one round has dropped all that had expired');

      for (let i = 0; i < 20; i += 2) {
        const kind: RecordKind = i % 3 ? 'session' : 'interaction';
        assert.equal((await records.findByAlias(kind, `alias ${i}`))?.id, `${i}`);
        assert.equal(await records.anyRevoked([`entry ${i}`]), true);
        assert.equal((await records.hit(`counter ${i}`, seconds(1000))).count, 2);
        const put = await records.put({ kind, id: 'x', value: 0, expiresAt: null, group: `group ${i}` });
        assert.equal(put.outcome, 'group-ended');
      }
    });

    test('leaves what is known by kind, and of what lies beside records', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records, census } = await store.connect();
      const now = await census();
      const before = now?.records.get('session') ?? 0;
      const soon = after(clock.now(), seconds(10));
      for (let i = 0; i < 24; i += 1) {
        const kind: RecordKind = i % 4 === 0 ? 'session' : 'authorization';
        await records.put({ kind, id: `${i}`, value: 0, expiresAt: i % 8 === 0 ? soon : null });
      }
      await records.revoke(['one', 'two'], after(clock.now(), seconds(100)));
      await records.put({ kind: 'authorization-code', id: 'a', value: 0, expiresAt: soon });
      clock.move(seconds(10));
      while (!(await records.sweep(10)).done);
      const counted = await census();
      const of = (kind: RecordKind) => counted?.records.get(kind) ?? 0;
      assert.deepEqual(
        [of('session') - before, of('authorization'), of('authorization-code'), counted?.entries.revocation],
        [3, 18, 0, 2],
      );
    });

    test('of an empty store is done at once', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      assert.deepEqual(await records.sweep(100), { removed: 0, done: true });
    });
  });
}
