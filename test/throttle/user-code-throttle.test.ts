import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserCodeThrottle } from '#src/throttle/user-code-throttle.ts';
import { minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const office = '192.0.2.1';

/** Throttles as several processes on one store have them: three wrong codes an address, five in all. */
async function openThrottles() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const options = { records, clock, wrongPerAddress: 3, wrongOverall: 5, window: minutes(15) };
  const throttles = [new UserCodeThrottle(options), new UserCodeThrottle(options)] as const;
  return { throttles, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

async function admittedOf(throttle: UserCodeThrottle, addresses: readonly string[]): Promise<number> {
  const admissions = await Promise.all(addresses.map((address) => throttle.admit(address)));
  return admissions.filter(({ admitted }) => admitted).length;
}

describe('guessing at user codes (RFC 8628 section 5.1)', () => {
  test('from one address ends at the limit, on all nodes together, until the window of the clock is over', async () => {
    await using store = await openThrottles();
    const [one, other] = store.throttles;
    assert.equal(await admittedOf(one, [office, office]), 2);
    assert.equal(await admittedOf(other, [office, office]), 1);
    const refused = await one.admit(office);
    assert.ok(!refused.admitted);
    assert.ok(refused.retryAfter > 0 && refused.retryAfter <= minutes(15));
    store.clock.move(seconds(refused.retryAfter - 1));
    assert.deepEqual(await one.admit(office), { admitted: false, retryAfter: 1 });
    store.clock.move(seconds(1));
    assert.equal((await one.admit(office)).admitted, true);
  });

  test('never gets further by coming all at once', async () => {
    await using store = await openThrottles();
    assert.equal(await admittedOf(store.throttles[0], Array(50).fill(office)), 3);
  });

  test('from everywhere ends at the limit of all, to which what one address is refused does not count', async () => {
    await using store = await openThrottles();
    const [throttle] = store.throttles;
    assert.equal(await admittedOf(throttle, Array(9).fill(office)), 3);
    assert.equal(await admittedOf(throttle, ['192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5']), 2);
  });

  test('a whole network of IPv6 is one address', async () => {
    await using store = await openThrottles();
    const addresses = Array.from({ length: 9 }, (_, host) => `2001:db8::${host + 1}`);
    assert.equal(await admittedOf(store.throttles[0], addresses), 3);
  });

  test('what turns out to be right does not count, and earns nothing for the next window', async () => {
    await using store = await openThrottles();
    const [throttle] = store.throttles;
    for (let time = 0; time < 9; time += 1) {
      const admission = await throttle.admit(office);
      assert.ok(admission.admitted);
      await throttle.recordRight(admission.attempt);
    }
    assert.equal(await admittedOf(throttle, Array(9).fill(office)), 3);
    store.clock.move(minutes(15));
    assert.equal(await admittedOf(throttle, Array(9).fill(office)), 3);
  });
});
