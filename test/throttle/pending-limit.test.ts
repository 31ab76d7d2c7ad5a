import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PendingLimit } from '#src/throttle/pending-limit.ts';
import { after, minutes, type Seconds, seconds } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

/** Limits as several processes on one store have them: a client has three places, and may ask five times. */
async function openLimits() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const options = { records, clock, waiting: 3, asked: 5, window: minutes(15) };
  const limits = [new PendingLimit(options), new PendingLimit(options)] as const;
  let number = 0;
  const ask = async (
    limit: PendingLimit,
    { hint, subject = hint, clientId = 'bank', lifetime = minutes(5) }: Asked,
  ) => {
    number += 1;
    const id = `request-${number}`;
    const until = after(clock.now(), lifetime);
    const admission = await limit.admit({ id, hint, subject, clientId, until });
    return { id, ...admission };
  };
  return { limits, ask, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

interface Asked {
  readonly hint: string;
  readonly subject?: string;
  readonly clientId?: string;
  readonly lifetime?: Seconds;
}

describe('how often a person can be asked', () => {
  test('no more of a client wait than it has places, however many it asks at once, at all nodes together', async () => {
    await using store = await openLimits();
    const asked = await Promise.all(
      Array.from({ length: 50 }, (_, place) => store.ask(store.limits[place % 2 ? 1 : 0], { hint: 'ada' })),
    );
    assert.equal(asked.filter(({ admitted }) => admitted).length, 3);
    assert.equal((await store.ask(store.limits[0], { hint: 'grace' })).admitted, true);
    assert.equal((await store.ask(store.limits[0], { hint: 'ada', clientId: 'shop' })).admitted, true);
  });

  test('a place is free again when its request is answered, or has expired', async () => {
    await using store = await openLimits();
    const [limit, other] = store.limits;
    const first = await store.ask(limit, { hint: 'ada', lifetime: minutes(1) });
    for (const hint of ['ada', 'ada']) await store.ask(limit, { hint });
    const refused = await store.ask(other, { hint: 'ada' });
    assert.deepEqual([refused.admitted, 'retryAfter' in refused && refused.retryAfter], [false, minutes(1)]);
    await other.release(first.id);
    assert.equal((await store.ask(limit, { hint: 'ada', lifetime: minutes(1) })).admitted, true);
    await other.release('unknown');
    await using later = await openLimits();
    for (const lifetime of [minutes(1), minutes(5), minutes(5)])
      await later.ask(later.limits[0], { hint: 'ada', lifetime });
    later.clock.move(minutes(1));
    assert.equal((await later.ask(later.limits[0], { hint: 'ada' })).admitted, true);
  });

  test('one client asks one person no more than so often in a window, answered or not', async () => {
    await using store = await openLimits();
    const [limit] = store.limits;
    for (let time = 0; time < 5; time += 1) {
      const { id, admitted } = await store.ask(limit, { hint: 'ada' });
      assert.ok(admitted);
      await limit.release(id);
    }
    const refused = await store.ask(limit, { hint: 'ada' });
    assert.deepEqual([refused.admitted, 'retryAfter' in refused && refused.retryAfter], [false, minutes(15)]);
    assert.equal((await store.ask(limit, { hint: 'ada', clientId: 'shop' })).admitted, true);
    assert.equal((await store.ask(limit, { hint: 'grace' })).admitted, true);
    store.clock.move(seconds(minutes(15)));
    assert.equal((await store.ask(limit, { hint: 'ada' })).admitted, true);
  });

  test('by several names it asks no more often: what is too much is taken, and reaches nobody', async () => {
    await using store = await openLimits();
    const [limit] = store.limits;
    const outcomes = [];
    for (const hint of ['ada', 'ada@example.com', 'subject'])
      for (let time = 0; time < 3; time += 1)
        outcomes.push(await store.ask(limit, { hint, subject: 'account of ada' }));
    assert.ok(outcomes.every(({ admitted }) => admitted));
    const reaching = outcomes.filter((each) => each.admitted && each.reachesPerson);
    assert.deepEqual(reaching, outcomes.slice(0, 5));
    const shop = await store.ask(limit, { hint: 'ada', subject: 'account of ada', clientId: 'shop' });
    assert.deepEqual([shop.admitted, 'reachesPerson' in shop && shop.reachesPerson], [true, true]);
  });

  test('what a client is told does not depend on whom its names belong to', async () => {
    const hints = fc.array(fc.constantFrom('ada', 'ada@example.com', 'grace'), { maxLength: 24 });
    const told = async (names: readonly string[], subjectOf: (hint: string) => string) => {
      await using store = await openLimits();
      const answers = [];
      for (const hint of names) {
        const { id, ...answer } = await store.ask(store.limits[0], { hint, subject: subjectOf(hint) });
        answers.push(answer.admitted ? 'admitted' : answer.retryAfter);
        store.clock.move(seconds(1));
      }
      return answers;
    };
    await fc.assert(
      fc.asyncProperty(hints, async (names) => {
        const alone = await told(names, (hint) => `nobody:${hint}`);
        assert.deepEqual(await told(names, () => 'one and the same'), alone);
      }),
      { numRuns: 10 },
    );
  });
});
