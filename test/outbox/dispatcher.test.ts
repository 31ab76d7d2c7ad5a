import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Attempt, Dispatcher, type DispatcherOptions, type Send } from '#src/outbox/dispatcher.ts';
import { Outbox } from '#src/outbox/outbox.ts';
import { systemRandom } from '#src/random.ts';
import { hours, seconds } from '#src/units.ts';
import { openTemporaryStore, type TemporaryStore } from '#test/support/temporary-store.ts';

const POLICY = { attemptsMax: 3, retryAfter: seconds(10), retryAfterMax: seconds(60), ageMax: hours(1) };

/** A node that delivers news, and what came of its attempts. */
function nodeOn(
  store: TemporaryStore,
  news: Send,
  { parallel = 4, ...more }: Partial<DispatcherOptions> = {},
) {
  const { records, clock } = store;
  const outbox = new Outbox({ records, clock, random: systemRandom, policy: POLICY });
  const attempts: Attempt[] = [];
  const dispatcher = new Dispatcher({
    outbox,
    records,
    clock,
    ...POLICY,
    parallel,
    pollEvery: seconds(60),
    senders: { news },
    onAttempt: (attempt) => void attempts.push(attempt),
    onFault: (error) => assert.fail(error as Error),
    ...more,
  });
  const post = (content: unknown, recipient = 'ada') => outbox.post({ topic: 'news', recipient, content });
  /** Everything that is due now is tried once. */
  const deliver = async () => {
    await dispatcher.step();
    await dispatcher.idle();
  };
  return { outbox, dispatcher, attempts, post, deliver };
}

/** Settles when the store has answered for everything that it was asked to write so far. */
const claimsOf = async ({ records }: TemporaryStore) => {
  await records.ping();
  await setImmediate();
};

/** A promise to be settled from outside. */
const gate = () => Promise.withResolvers<'delivered'>();

describe('the outbox', () => {
  test('delivers what was posted, once', async () => {
    await using store = await openTemporaryStore();
    const received: unknown[] = [];
    const node = nodeOn(store, async (content) => {
      received.push(content);
      return 'delivered';
    });
    await node.post({ hello: 'world' });
    await node.deliver();
    await node.deliver();
    assert.deepEqual(received, [{ hello: 'world' }]);
    assert.deepEqual(node.attempts, [{ topic: 'news', recipient: 'ada', attempts: 1, outcome: 'delivered' }]);
  });

  test('a failed attempt is followed by another when its time has come, and by none before', async () => {
    await using store = await openTemporaryStore();
    let down = true;
    const node = nodeOn(store, async () => {
      if (down) throw new Error('connection refused');
      return 'delivered';
    });
    await node.post('news');
    await node.deliver();
    const [failed] = node.attempts;
    assert.deepEqual([failed?.outcome, failed?.reason], ['failed', 'connection refused']);
    assert.equal(failed?.dueAt, store.clock.now() + POLICY.retryAfter);
    store.clock.move(seconds(9));
    await node.deliver();
    assert.equal(node.attempts.length, 1);
    down = false;
    store.clock.move(seconds(1));
    await node.deliver();
    assert.deepEqual(
      node.attempts.map(({ outcome, attempts }) => [outcome, attempts]),
      [
        ['failed', 1],
        ['delivered', 2],
      ],
    );
  });

  test('is bounded: after the last attempt the delivery is given up, and that is told', async () => {
    await using store = await openTemporaryStore();
    const node = nodeOn(store, async () => {
      throw new Error('503');
    });
    await node.post('news');
    for (let time = 0; time < 10; time += 1) {
      await node.deliver();
      store.clock.move(POLICY.retryAfterMax);
    }
    assert.deepEqual(
      node.attempts.map(({ outcome }) => outcome),
      ['failed', 'failed', 'given-up'],
    );
    assert.deepEqual((await store.records.list('delivery', { limit: 1 })).records, []);
  });

  test('is not delivered once it is older than it may become', async () => {
    await using store = await openTemporaryStore();
    const node = nodeOn(store, async () => 'delivered');
    await node.post('news');
    store.clock.move(POLICY.ageMax);
    await node.deliver();
    assert.deepEqual(node.attempts, []);
  });

  test('what nobody wants any more is dropped', async () => {
    await using store = await openTemporaryStore();
    const node = nodeOn(store, async () => 'unwanted');
    await node.post('news');
    await node.deliver();
    await node.deliver();
    assert.deepEqual(
      node.attempts.map(({ outcome }) => outcome),
      ['unwanted'],
    );
  });

  test('of fifty nodes that find a delivery at once, one sends it', async () => {
    await using store = await openTemporaryStore();
    let sent = 0;
    const nodes = Array.from({ length: 50 }, () =>
      nodeOn(store, async () => {
        sent += 1;
        return 'delivered';
      }),
    );
    await nodes[0]?.post('news');
    await Promise.all(nodes.map(({ deliver }) => deliver()));
    assert.equal(sent, 1);
  });

  test('what a node had begun when it was gone is tried by another, when the attempt must be over', async () => {
    await using store = await openTemporaryStore();
    const never = gate();
    const gone = nodeOn(store, () => never.promise);
    await gone.post('news');
    await gone.dispatcher.step();
    const other = nodeOn(store, async () => 'delivered');
    await other.deliver();
    assert.deepEqual(other.attempts, [], 'the attempt is not over yet');
    store.clock.move(POLICY.retryAfter);
    await other.deliver();
    assert.deepEqual(
      other.attempts.map(({ outcome, attempts }) => [outcome, attempts]),
      [['delivered', 2]],
    );
    never.resolve('delivered');
    await gone.dispatcher.idle();
  });

  test('a recipient that hangs is called once at a time, and holds up nobody else', async () => {
    await using store = await openTemporaryStore();
    const hanging = gate();
    const begun: unknown[] = [];
    const node = nodeOn(
      store,
      (content: { to: string }) => {
        begun.push(content.to);
        return content.to === 'hanging' ? hanging.promise : Promise.resolve('delivered');
      },
      { parallel: 2 },
    );
    for (let time = 0; time < 5; time += 1) await node.post({ to: 'hanging' }, 'hanging');
    await node.post({ to: 'ada' }, 'ada');
    await node.dispatcher.step();
    await claimsOf(store);
    assert.deepEqual(begun.toSorted(), ['ada', 'hanging']);
    hanging.resolve('delivered');
    await node.dispatcher.idle();
    await node.deliver();
    assert.equal(begun.filter((to) => to === 'hanging').length, 5, 'the others follow');
  });

  test('no more attempts are under way than may be, and what had no room is looked at again soon', async () => {
    await using store = await openTemporaryStore();
    const open = gate();
    let underWay = 0;
    const node = nodeOn(
      store,
      () => {
        underWay += 1;
        return open.promise;
      },
      { parallel: 3 },
    );
    for (let each = 0; each < 10; each += 1) await node.post(null, `recipient ${each}`);
    const pause = await node.dispatcher.step();
    await claimsOf(store);
    assert.equal(underWay, 3);
    assert.ok(pause < 1000);
    open.resolve('delivered');
    await node.dispatcher.idle();
  });

  test('a topic that this node does not know is left to others', async () => {
    await using store = await openTemporaryStore();
    const older = nodeOn(store, async () => 'delivered', { senders: {} });
    await older.post('news');
    await older.deliver();
    const newer = nodeOn(store, async () => 'delivered');
    await newer.deliver();
    assert.equal(newer.attempts[0]?.attempts, 1);
  });

  test('what is posted here goes out without waiting for the next look', async () => {
    await using store = await openTemporaryStore();
    const delivered = gate();
    const node = nodeOn(store, async () => {
      delivered.resolve('delivered');
      return 'delivered';
    });
    node.dispatcher.start();
    await using _running = node.dispatcher;
    await node.post('news');
    await delivered.promise;
  });

  test('closing waits for attempts that are under way, and begins no more', async () => {
    await using store = await openTemporaryStore();
    const open = gate();
    const node = nodeOn(store, () => open.promise);
    await node.post('first');
    await node.post('second');
    await node.dispatcher.step();
    const closed = node.dispatcher[Symbol.asyncDispose]();
    open.resolve('delivered');
    await closed;
    assert.deepEqual(
      node.attempts.map(({ outcome }) => outcome),
      ['delivered'],
    );
  });
});
