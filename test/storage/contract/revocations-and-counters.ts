import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { after, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Promise 6, and the revocation set. */
export function revocationAndCounterContract(makeStore: MakeStore): void {
  describe('the revocation set', () => {
    test('holds an entry until the second given, and until the later of two', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      await first.records.revoke(['jti:1', 'sub:ada'], after(clock.now(), seconds(60)));
      await first.records.revoke(['jti:1'], after(clock.now(), seconds(5)));
      assert.equal(await second.records.anyRevoked(['jti:2', 'jti:1']), true, 'at once, on every connection');
      assert.equal(await second.records.anyRevoked(['jti:2', 'sub:bob']), false);
      assert.equal(await second.records.anyRevoked([]), false);
      clock.move(seconds(59));
      assert.equal(await second.records.anyRevoked(['jti:1']), true);
      clock.move(seconds(1));
      assert.equal(await second.records.anyRevoked(['jti:1', 'sub:ada']), false);
    });
  });

  describe('a counter', () => {
    test('counts each of a hundred parallel hits once, on two connections', async () => {
      await using store = await makeStore(new MovingClock());
      const [first, second] = [await store.connect(), await store.connect()];
      const states = await Promise.all(
        Array.from({ length: 100 }, (_, i) => (i % 2 ? first : second).records.hit('ip:1', seconds(60))),
      );
      assert.deepEqual(
        states.map(({ count }) => count).toSorted((a, b) => a - b),
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      assert.equal((await first.records.hit('ip:2', seconds(60))).count, 1);
    });

    test('begins its window with its first event, and a new one at the second the window ends', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const resetsAt = after(clock.now(), seconds(60));
      assert.deepEqual(await records.hit('c', seconds(60)), { count: 1, resetsAt });
      clock.move(seconds(59));
      assert.deepEqual(await records.hit('c', seconds(60)), { count: 2, resetsAt });
      clock.move(seconds(1));
      assert.deepEqual(await records.hit('c', seconds(60)), {
        count: 1,
        resetsAt: after(resetsAt, seconds(60)),
      });
      await records.resetCounter('c');
      assert.equal((await records.hit('c', seconds(60))).count, 1);
    });

    test('is asked without counting, and is not there before its window and after', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      assert.equal(await records.counted('c'), null);
      const state = await records.hit('c', seconds(60));
      assert.deepEqual(await records.counted('c'), state);
      assert.deepEqual(await records.counted('c'), state);
      clock.move(seconds(60));
      assert.equal(await records.counted('c'), null);
    });
  });
}
