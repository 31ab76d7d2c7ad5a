import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { parseUsername } from '#src/accounts/username.ts';
import { StorageFault } from '#src/fault.ts';
import { signIn } from '#src/interaction/sign-in.ts';
import { Secret } from '#src/secret.ts';
import { SignInThrottle } from '#src/throttle/sign-in-throttle.ts';
import { minutes } from '#src/units.ts';
import { openAccounts } from '#test/accounts/open-accounts.ts';

const PASSWORD = 'correct horse battery staple';
const FAILURES_PER_ACCOUNT = 3;
const WINDOW = minutes(15);

/** Ada's account, and what it takes to sign in to it from one address. */
async function openSignIn() {
  const store = await openAccounts();
  const { records, clock, accounts } = store;
  const { subject } = await accounts.add({ username: parseUsername('ada'), password: new Secret(PASSWORD) });
  const throttle = new SignInThrottle({
    records,
    clock,
    failuresPerAccount: FAILURES_PER_ACCOUNT,
    failuresPerAddress: 100,
    window: WINDOW,
  });
  const ports = { accounts, throttle, clock, passwordAcr: 'urn:example:password' };
  const attempt = (password: string, login = 'ada', otherwise: Partial<typeof ports> = {}) =>
    signIn({ ...ports, ...otherwise }, { login, password, address: '192.0.2.1' });
  return { ...store, subject, attempt, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('signing in', () => {
  test('with the right password says who, when and how (RFC 8176 section 2)', async () => {
    await using store = await openSignIn();
    const { subject } = store;
    assert.deepEqual(await store.attempt(PASSWORD), {
      outcome: 'signed-in',
      subject,
      answer: {
        answer: 'signed-in',
        subject,
        at: store.clock.now(),
        amr: ['pwd'],
        acr: 'urn:example:password',
      },
    });
  });

  test('with something missing asks for it, and counts as no attempt', async () => {
    await using store = await openSignIn();
    for (let time = 0; time <= FAILURES_PER_ACCOUNT; time += 1) {
      assert.deepEqual(await store.attempt(''), { outcome: 'missing' });
      assert.deepEqual(await store.attempt(PASSWORD, ' \t'), { outcome: 'missing' });
    }
    assert.equal((await store.attempt(PASSWORD)).outcome, 'signed-in');
  });

  test('is refused for a wrong password, an unknown login and a locked account alike, but for the log', async () => {
    await using store = await openSignIn();
    const { subject } = store;
    const refused = (reason: string, subject: string | null) => ({ outcome: 'refused', reason, subject });
    assert.deepEqual(await store.attempt('wrong'), refused('wrong_password', subject));
    assert.deepEqual(await store.attempt(PASSWORD, 'eve'), refused('unknown_login', null));
    await store.accounts.lock(subject);
    assert.deepEqual(await store.attempt(PASSWORD), refused('account_locked', subject));
  });

  test('too often with a wrong password is throttled, the right one too, until the window is over', async () => {
    await using store = await openSignIn();
    for (let time = 0; time < FAILURES_PER_ACCOUNT; time += 1) {
      assert.equal((await store.attempt('wrong')).outcome, 'refused');
    }
    assert.deepEqual(await store.attempt(PASSWORD), { outcome: 'throttled', retryAfter: WINDOW });
    store.clock.move(minutes(5));
    assert.deepEqual(await store.attempt(PASSWORD, ' ADA '), {
      outcome: 'throttled',
      retryAfter: minutes(10),
    });
    store.clock.move(minutes(10));
    assert.equal((await store.attempt(PASSWORD)).outcome, 'signed-in');
  });

  test('is throttled for an unknown login as for a known one', async () => {
    await using store = await openSignIn();
    for (let time = 0; time < FAILURES_PER_ACCOUNT; time += 1) await store.attempt('wrong', 'eve');
    assert.deepEqual(await store.attempt('wrong', 'eve'), { outcome: 'throttled', retryAfter: WINDOW });
  });

  test('that is throttled costs no hashing', async () => {
    await using store = await openSignIn();
    const closed = { accounts: store.another({ hashing: { concurrency: 0, queueMax: 0 } }) };
    for (let time = 0; time < FAILURES_PER_ACCOUNT; time += 1) await store.attempt('wrong');
    assert.equal((await store.attempt('wrong', 'ada', closed)).outcome, 'throttled');
    store.clock.move(WINDOW);
    assert.equal(
      (await store.attempt('wrong', 'ada', closed)).outcome,
      'overloaded',
      'while others would hash',
    );
  });

  test('with success forgets the failures before it', async () => {
    await using store = await openSignIn();
    for (let round = 0; round < 3; round += 1) {
      for (let time = 1; time < FAILURES_PER_ACCOUNT; time += 1) await store.attempt('wrong');
      assert.equal((await store.attempt(PASSWORD)).outcome, 'signed-in');
    }
  });

  test('a hundred times at once with a wrong password succeeds for none, and lets none follow', async () => {
    await using store = await openSignIn();
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => store.attempt('wrong')));
    assert.ok(outcomes.every(({ outcome }) => ['refused', 'throttled', 'overloaded'].includes(outcome)));
    assert.equal((await store.attempt(PASSWORD)).outcome, 'throttled');
  });

  test('while too many passwords wait is told to come back later, which is nobody’s failure', async () => {
    await using store = await openSignIn();
    const closed = { accounts: store.another({ hashing: { concurrency: 0, queueMax: 0 } }) };
    for (let time = 0; time <= FAILURES_PER_ACCOUNT; time += 1) {
      assert.deepEqual(await store.attempt(PASSWORD, 'ada', closed), { outcome: 'overloaded' });
    }
    assert.equal((await store.attempt(PASSWORD)).outcome, 'signed-in');
  });

  test('faults when the store does, and says nothing of the password', async () => {
    await using store = await openSignIn();
    const away = () => Promise.reject(new StorageFault('the store is away'));
    const limits = { failuresPerAccount: 1, failuresPerAddress: 1, window: WINDOW };
    const records = { hit: away, counted: away, resetCounter: away };
    const broken = { throttle: new SignInThrottle({ records, clock: store.clock, ...limits }) };
    await assert.rejects(
      store.attempt(PASSWORD, 'ada', broken),
      (error) => error instanceof StorageFault && !inspect(error).includes(PASSWORD),
    );
  });
});
