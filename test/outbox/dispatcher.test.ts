import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Destination } from '#src/outbox/delivery.ts';
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
  const { clock } = store;
  const { records, settled } = watched(store.records);
  const outbox = new Outbox({ records, clock, random: systemRandom, policy: POLICY });
  const attempts: Attempt[] = [];
  const dispatcher = new Dispatcher({
    outbox,
    records,
    clock,
    ...POLICY,
    parallel,
    parallelPerOrigin: 2,
    retriesPercent: 50,
    uninvitedPercent: 25,
    pollEvery: seconds(60),
    senders: { news },
    onAttempt: (attempt) => void attempts.push(attempt),
    onFault: (error) => assert.fail(error as Error),
    ...more,
  });
  const post = (content: unknown, recipient = 'ada', where: Partial<Destination> = {}) => {
    const destination = { origin: `https://${recipient}.example.com`, uninvited: false, ...where };
    return outbox.post({ topic: 'news', recipient, destination, content });
  };
  /** Everything that is due now is tried once. */
  const deliver = async () => {
    await dispatcher.step();
    await dispatcher.idle();
  };
  return { outbox, dispatcher, attempts, post, deliver, settled };
}

/** The store, and when it has answered for everything that it was asked for, and for what was asked for because of that. */
function watched(records: DispatcherOptions['records']) {
  let asked = 0;
  const counting =
    <Arguments extends unknown[], Answer>(ask: (...asks: Arguments) => Promise<Answer>) =>
    async (...asks: Arguments) => {
      asked += 1;
      try {
        return await ask(...asks);
      } finally {
        asked -= 1;
      }
    };
  const settled = async () => {
    do await setImmediate();
    while (asked > 0);
  };
  const { find, list, put, remove } = records;
  return {
    settled,
    records: {
      find: counting(find.bind(records)) as typeof find,
      list: counting(list.bind(records)) as typeof list,
      put: counting(put.bind(records)) as typeof put,
      remove: counting(remove.bind(records)),
    },
  };
}

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
    await node.settled();
    assert.deepEqual(begun.toSorted(), ['ada', 'hanging']);
    hanging.resolve('delivered');
    await node.dispatcher.idle();
    await node.deliver();
    assert.equal(begun.filter((to) => to === 'hanging').length, 5, 'the others follow');
  });

  test('no more attempts are under way than may be, and the others follow as soon as there is room', async () => {
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
    await node.dispatcher.step();
    await node.settled();
    assert.equal(underWay, 3);
    open.resolve('delivered');
    await node.dispatcher.idle();
    assert.equal(underWay, 10);
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

  describe('is fair', () => {
    /** A node whose deliveries hang until they are answered, and how many to each recipient are under way. */
    function hangingNode(store: TemporaryStore, options: Partial<DispatcherOptions> = {}) {
      const calls = new Map<string, PromiseWithResolvers<'delivered'>>();
      const node = nodeOn(
        store,
        (to: string) => {
          const call = gate();
          calls.set(to, call);
          return call.promise;
        },
        { parallel: 8, ...options },
      );
      const fail = (to: string) => calls.get(to)?.reject(new Error('no answer'));
      /** What is under way after everything that is stored has been looked at. */
      const look = async () => {
        await node.dispatcher.step();
        await node.settled();
        return [...calls.keys()];
      };
      /** Everyone who is called gets no answer, until nobody is called any more. */
      const failAll = async () => {
        await look();
        while (calls.size > 0) {
          for (const to of [...calls.keys()]) {
            fail(to);
            calls.delete(to);
          }
          await node.settled();
        }
        await node.dispatcher.idle();
      };
      return { ...node, calls, look, failAll };
    }

    const many = (count: number, name: string) =>
      Array.from({ length: count }, (_, each) => `${name}-${each}`);

    test('an origin has a few places and no more, however many clients are told something there', async () => {
      await using store = await openTemporaryStore();
      const node = hangingNode(store);
      for (const client of many(20, 'hanging'))
        await node.post(client, client, { origin: 'https://one.example.com' });
      await node.post('good', 'good');
      const called = await node.look();
      assert.equal(called.filter((to) => to.startsWith('hanging')).length, 2);
      assert.ok(called.includes('good'));
      await endOf(node);
    });

    test('clients that came uninvited have a few places, whatever the number of their origins', async () => {
      await using store = await openTemporaryStore();
      const node = hangingNode(store);
      for (const client of many(20, 'stranger')) await node.post(client, client, { uninvited: true });
      for (const client of many(6, 'client')) await node.post(client, client);
      const called = await node.look();
      assert.equal(called.filter((to) => to.startsWith('stranger')).length, 2);
      assert.equal(called.filter((to) => to.startsWith('client')).length, 6, 'the rest is for the others');
      await endOf(node);
    });

    test('what has failed before has half of the places at most, also at a node that did not see it', async () => {
      await using store = await openTemporaryStore();
      const before = hangingNode(store);
      for (const client of many(20, 'dead')) await before.post(client, client);
      await before.failAll();
      store.clock.move(POLICY.retryAfter);
      const node = hangingNode(store);
      assert.equal((await node.look()).length, 4);
      for (const client of many(4, 'client')) await node.post(client, client);
      assert.equal((await node.look()).filter((to) => to.startsWith('client')).length, 4);
      await endOf(node);
    });

    test('so has what is new for an origin that did not answer last time, until it does', async () => {
      await using store = await openTemporaryStore();
      const node = hangingNode(store);
      const dead = many(8, 'dead');
      for (const client of dead) await node.post(client, client);
      await node.failAll();
      for (const client of dead) await node.post(client, client);
      assert.equal((await node.look()).length, 4);
      await endOf(node);
      for (const client of dead) await node.post(client, client);
      assert.equal((await node.look()).length, 8, 'all of them have answered');
      await endOf(node);
    });

    test('a first attempt goes before one that has failed, in whatever order they are found', async () => {
      await using store = await openTemporaryStore();
      const node = hangingNode(store, { parallel: 4, retriesPercent: 75, parallelPerOrigin: 4 });
      for (const client of many(20, 'dead')) await node.post(client, client);
      await node.failAll();
      store.clock.move(POLICY.retryAfter);
      for (const client of many(4, 'client')) await node.post(client, client);
      assert.deepEqual((await node.look()).toSorted(), many(4, 'client'));
      await endOf(node);
    });

    /** Answers everyone, until nobody is called any more. */
    async function endOf({ calls, dispatcher }: ReturnType<typeof hangingNode>) {
      let ended = false;
      void dispatcher.idle().then(() => {
        ended = true;
      });
      while (!ended) {
        for (const call of calls.values()) call.resolve('delivered');
        await setImmediate();
      }
      calls.clear();
    }
  });
});
