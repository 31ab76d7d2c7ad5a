import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { systemRandom } from '#src/random.ts';
import { openStore } from '#src/storage/open-store.ts';
import { type SignInAttempt, SignInThrottle } from '#src/throttle/sign-in-throttle.ts';
import { minutes, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const office = '192.0.2.1';

/** Throttles as several processes on one store have them: three failures an account, twenty an address. */
async function openThrottle() {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTemporaryDirectory());
  const clock = new MovingClock();
  const location = `sqlite:${join(directory.path, 'keyturn.db')}`;
  const keysDirectory = join(directory.path, 'keys');
  const { records } = opened.use(await openStore({ location, keysDirectory, clock, random: systemRandom }));
  const makeThrottle = () =>
    new SignInThrottle({
      records,
      clock,
      failuresPerAccount: 3,
      failuresPerAddress: 20,
      window: minutes(15),
    });
  const closing = opened.move();
  return {
    throttle: makeThrottle(),
    makeThrottle,
    clock,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function fail(throttle: SignInThrottle, attempt: SignInAttempt): Promise<boolean> {
  const { allowed } = await throttle.admit(attempt);
  if (allowed) await throttle.recordFailure(attempt);
  return allowed;
}

async function failTimes(throttle: SignInThrottle, times: number, attempt: (index: number) => SignInAttempt) {
  const allowed: boolean[] = [];
  for (let index = 0; index < times; index += 1) allowed.push(await fail(throttle, attempt(index)));
  return allowed.filter(Boolean).length;
}

describe('guessing at one account', () => {
  test('from one address ends at the limit, and may go on after the window', async () => {
    await using store = await openThrottle();
    const attempt = { login: 'ada', address: office };
    assert.equal(await failTimes(store.throttle, 5, () => attempt), 3);
    store.clock.move(minutes(5));
    assert.deepEqual(await store.throttle.admit(attempt), { allowed: false, retryAfter: minutes(10) });
    store.clock.move(seconds(minutes(10) - 1));
    assert.deepEqual(await store.throttle.admit(attempt), { allowed: false, retryAfter: seconds(1) });
    store.clock.move(seconds(1));
    assert.deepEqual(await store.throttle.admit(attempt), { allowed: true });
  });

  test('in other spellings of the login is guessing at the same account', async () => {
    await using store = await openThrottle();
    const spellings = ['ada', 'ADA', ' ada ', 'ａｄａ'];
    assert.equal(
      await failTimes(store.throttle, 4, (index) => ({ login: spellings[index] ?? '', address: office })),
      3,
    );
  });

  test('counts the failures of fifty attempts at once, and lets none follow', async () => {
    await using store = await openThrottle();
    const attempt = { login: 'ada', address: office };
    await Promise.all(Array.from({ length: 50 }, () => fail(store.throttle, attempt)));
    assert.equal((await store.throttle.admit(attempt)).allowed, false);
  });

  test('and right sign-ins by the dozen, all at once, are two things', async () => {
    await using store = await openThrottle();
    const attempt = { login: 'ada', address: office };
    const signIns = Array.from({ length: 50 }, async () => {
      const { allowed } = await store.throttle.admit(attempt);
      if (allowed) await store.throttle.recordSuccess(attempt);
      return allowed;
    });
    assert.ok((await Promise.all(signIns)).every(Boolean));
  });

  test('from one address does not keep its owner out at another', async () => {
    await using store = await openThrottle();
    await failTimes(store.throttle, 200, () => ({ login: 'ada', address: '203.0.113.66' }));
    assert.deepEqual(await store.throttle.admit({ login: 'ada', address: office }), { allowed: true });
  });

  test('from many addresses ends at five times the limit, under each of its two names (NIST SP 800-63B-4 section 3.2.2)', async () => {
    await using store = await openThrottle();
    const from = (index: number) => ({ login: 'ada', address: `203.0.113.${index}` });
    assert.equal(await failTimes(store.throttle, 40, from), 15);
    const byEmail = (index: number) => ({ ...from(index), login: 'ada@example.com' });
    assert.equal(await failTimes(store.throttle, 40, byEmail), 15);
    assert.equal((await store.throttle.admit({ login: 'eve', address: office })).allowed, true);
  });

  test('from the addresses of one IPv6 network is guessing from one address', async () => {
    await using store = await openThrottle();
    const from = (index: number) => ({ login: 'ada', address: `2001:db8::${index}` });
    assert.equal(await failTimes(store.throttle, 10, from), 3);
    assert.equal((await store.throttle.admit({ login: 'ada', address: '2001:db8:0:1::1' })).allowed, true);
  });

  test('is counted from nothing again once the owner has signed in', async () => {
    await using store = await openThrottle();
    const attempt = { login: 'ada', address: office };
    for (let round = 0; round < 5; round += 1) {
      assert.equal(await failTimes(store.throttle, 2, () => attempt), 2);
      assert.equal((await store.throttle.admit(attempt)).allowed, true);
      await store.throttle.recordSuccess(attempt);
    }
  });

  test('is counted alike for a login that no account has', async () => {
    await using store = await openThrottle();
    for (const login of ['nobody', 'not a login', '']) {
      assert.equal(await failTimes(store.throttle, 5, () => ({ login, address: office })), 3, login);
    }
  });
});

describe('guessing at everybody from one address', () => {
  const anyone = (index: number) => ({ login: `user${index}`, address: office });

  test('ends at the limit of the address, and may go on after the window', async () => {
    await using store = await openThrottle();
    assert.equal(await failTimes(store.throttle, 30, anyone), 20);
    store.clock.move(minutes(5));
    assert.deepEqual(await store.throttle.admit(anyone(99)), { allowed: false, retryAfter: minutes(10) });
    assert.equal((await store.throttle.admit({ login: 'user99', address: '192.0.2.2' })).allowed, true);
    store.clock.move(minutes(10));
    assert.deepEqual(await store.throttle.admit(anyone(99)), { allowed: true });
  });

  test('is not made possible again by signing in to an own account', async () => {
    await using store = await openThrottle();
    const own = { login: 'eve', address: office };
    let failures = 0;
    for (let round = 0; round < 30; round += 1) {
      failures += await failTimes(store.throttle, 1, () => anyone(round));
      if ((await store.throttle.admit(own)).allowed) await store.throttle.recordSuccess(own);
    }
    assert.equal(failures, 20);
  });

  test('is not what many people do who sign in from one address', async () => {
    await using store = await openThrottle();
    for (let person = 0; person < 100; person += 1) {
      assert.equal((await store.throttle.admit(anyone(person))).allowed, true);
      await store.throttle.recordSuccess(anyone(person));
    }
  });

  test('ends on every process at once', async () => {
    await using store = await openThrottle();
    await failTimes(store.throttle, 20, anyone);
    assert.equal(await failTimes(store.makeThrottle(), 10, (index) => anyone(100 + index)), 0);
  });
});
