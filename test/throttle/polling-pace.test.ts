import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PollingPace } from '#src/throttle/polling-pace.ts';
import { minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const PACE = { interval: seconds(5), remaining: minutes(10) };

async function openPace() {
  const store = await openTemporaryStore();
  const pace = new PollingPace(store.records);
  return { pace, clock: store.clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('the pace of polling (RFC 8628 section 3.5)', () => {
  test('once an interval is in time, at its very second too, for as long as it may go on', async () => {
    await using store = await openPace();
    for (let elapsed = 0; elapsed < PACE.remaining; elapsed += PACE.interval) {
      assert.equal(await store.pace.poll('code', PACE), 'in-time');
      store.clock.move(PACE.interval);
    }
  });

  test('one second early is too soon, and makes every later interval five seconds longer', async () => {
    await using store = await openPace();
    const waits: [number, 'in-time' | 'too-soon'][] = [
      [0, 'in-time'],
      [4, 'too-soon'],
      [1, 'in-time'],
      [9, 'too-soon'],
      [1, 'in-time'],
      [15, 'in-time'],
      [15, 'in-time'],
    ];
    for (const [wait, said] of waits) {
      store.clock.move(seconds(wait));
      assert.equal(await store.pace.poll('code', PACE), said, `after ${wait} seconds`);
    }
  });

  test('of fifty at once one is in time', async () => {
    await using store = await openPace();
    const said = await Promise.all(Array.from({ length: 50 }, () => store.pace.poll('code', PACE)));
    assert.equal(said.filter((each) => each === 'in-time').length, 1);
  });

  test("one does not use up another's interval", async () => {
    await using store = await openPace();
    for (const id of ['one', 'another']) assert.equal(await store.pace.poll(id, PACE), 'in-time');
  });
});
