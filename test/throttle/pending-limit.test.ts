import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PendingLimit } from '#src/throttle/pending-limit.ts';
import { after, minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

/** Limits as several processes on one store have them: three places a person, five requests a client. */
async function openLimits() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const options = { records, clock, waitingPerAccount: 3, askedPerClient: 5, window: minutes(15) };
  const limits = [new PendingLimit(options), new PendingLimit(options)] as const;
  let number = 0;
  const ask = async (limit: PendingLimit, subject: string, clientId: string, lifetime = minutes(5)) => {
    number += 1;
    const id = `request-${number}`;
    const admission = await limit.admit({ id, subject, clientId, until: after(clock.now(), lifetime) });
    return { id, ...admission };
  };
  return { limits, ask, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('how often a person can be asked', () => {
  test('no more wait than there are places, however many ask at once, at all nodes together', async () => {
    await using store = await openLimits();
    const asked = await Promise.all(
      Array.from({ length: 50 }, (_, place) =>
        store.ask(store.limits[place % 2 ? 1 : 0], 'ada', `client-${place}`),
      ),
    );
    assert.equal(asked.filter(({ admitted }) => admitted).length, 3);
    assert.equal((await store.ask(store.limits[0], 'grace', 'client')).admitted, true);
  });

  test('a place is free again when its request is answered, or has expired', async () => {
    await using store = await openLimits();
    const [limit, other] = store.limits;
    const first = await store.ask(limit, 'ada', 'a', minutes(1));
    for (const clientId of ['b', 'c']) await store.ask(limit, 'ada', clientId);
    const refused = await store.ask(other, 'ada', 'd');
    assert.deepEqual([refused.admitted, 'retryAfter' in refused && refused.retryAfter], [false, minutes(1)]);
    await other.release(first.id);
    assert.equal((await store.ask(limit, 'ada', 'e', minutes(1))).admitted, true);
    assert.equal((await store.ask(limit, 'ada', 'f')).admitted, false);
    store.clock.move(minutes(1));
    assert.equal((await store.ask(limit, 'ada', 'g')).admitted, true);
    await other.release('unknown');
  });

  test('one client asks one person no more than so often in a window, answered or not', async () => {
    await using store = await openLimits();
    const [limit] = store.limits;
    for (let time = 0; time < 5; time += 1) {
      const { id, admitted } = await store.ask(limit, 'ada', 'bank');
      assert.ok(admitted);
      await limit.release(id);
    }
    const refused = await store.ask(limit, 'ada', 'bank');
    assert.deepEqual([refused.admitted, 'retryAfter' in refused && refused.retryAfter], [false, minutes(15)]);
    assert.equal((await store.ask(limit, 'ada', 'shop')).admitted, true);
    assert.equal((await store.ask(limit, 'grace', 'bank')).admitted, true);
    store.clock.move(seconds(minutes(15)));
    assert.equal((await store.ask(limit, 'ada', 'bank')).admitted, true);
  });
});
