import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Authorization, Authorizations, authorizationGroup } from '#src/tokens/authorization.ts';
import {
  familyExpiresAt,
  newFamily,
  type RefreshFamily,
  type RefreshLifetimes,
} from '#src/tokens/refresh-token.ts';
import { after, days, epochSeconds, minutes, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';
import { openTemporaryStore, type TemporaryStore } from '#test/support/temporary-store.ts';

const REFRESH: RefreshLifetimes = { idle: days(14), absolute: days(90), grace: seconds(10) };
const LONGEST_TOKEN = minutes(61);
const says = { scope: 'openid offline_access' };

const offline: Authorization = {
  subject: 'ada',
  clientId: 'web',
  signedInAt: epochSeconds(1_784_024_130),
  grant: { openid: { scope: 'openid' } },
  family: null,
  sessionUid: null,
};
const ofSession = (sessionUid: string): Authorization => ({ ...offline, sessionUid });

const authorizationsOn = ({ records, clock }: TemporaryStore, refresh = REFRESH) =>
  new Authorizations({ records, clock, lifetimes: { refresh, longestToken: LONGEST_TOKEN } });

async function withFamily(store: TemporaryStore, id = 'id', refresh = REFRESH) {
  const authorizations = authorizationsOn(store, refresh);
  assert.equal(await authorizations.open(id, offline), true);
  const family = await authorizations.startFamily(id, says);
  assert.ok(family !== null);
  return { authorizations, family };
}

const fifty = <T>(call: () => Promise<T>) => Promise.all(Array.from({ length: 50 }, call));

/** Every outcome and how often it came. */
const countOf = (presentations: readonly { outcome: string }[]) =>
  Object.fromEntries(
    [...Map.groupBy(presentations, ({ outcome }) => outcome)].map(([each, all]) => [each, all.length]),
  );

describe('an authorization', () => {
  test('is found as it was opened, once', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    assert.equal(await authorizations.open('id', offline), true);
    assert.deepEqual(await authorizations.find('id'), offline);
    assert.equal(await authorizations.open('id', { ...offline, subject: 'eve' }), false);
    assert.equal((await authorizations.find('id'))?.subject, 'ada');
    assert.equal(await authorizations.find('other'), null);
  });

  test('without refresh tokens lasts as long as the longest token, and then is gone by itself', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    await authorizations.open('id', offline);
    store.clock.move(seconds(LONGEST_TOKEN - 1));
    assert.notEqual(await authorizations.find('id'), null);
    store.clock.move(seconds(1));
    assert.equal(await authorizations.find('id'), null);
  });

  test('outlives every token that is issued under it, however it is refreshed', async () => {
    const gap = fc.integer({ min: 0, max: REFRESH.idle - 1 }).map(seconds);
    await fc.assert(
      fc.asyncProperty(fc.array(gap, { maxLength: 8 }), async (gaps) => {
        await using store = await openTemporaryStore();
        const { authorizations } = await withFamily(store);
        let [generation, issuedAt] = [1, store.clock.now()];
        for (const each of gaps) {
          store.clock.move(each);
          const used = await authorizations.use('id', generation);
          if (used.outcome !== 'current') break;
          generation += 1;
          issuedAt = store.clock.now();
        }
        store.clock.move(seconds(Math.max(0, issuedAt + LONGEST_TOKEN - 1 - store.clock.now())));
        assert.notEqual(await authorizations.find('id'), null);
      }),
      { numRuns: 20 },
    );
  });

  test('that has ended is gone, with what was stored under it, and nothing can be stored under it again', async () => {
    await using store = await openTemporaryStore();
    const { records, clock } = store;
    const { authorizations } = await withFamily(store);
    const code = {
      kind: 'authorization-code',
      id: 'code',
      value: null,
      expiresAt: after(clock.now(), minutes(1)),
      group: authorizationGroup('id'),
    } as const;
    await records.put(code);
    await authorizations.end('id');
    assert.equal(await authorizations.find('id'), null);
    assert.equal(await records.find('authorization-code', 'code'), null);
    assert.deepEqual(await records.put(code), { outcome: 'group-ended' });
    await authorizations.end('id');
  });
});

describe('a family of refresh tokens in the store (RFC 9700 section 4.14.2)', () => {
  test('is retried by the one clock of the store: a server whose own is ahead does not end it, and the grace is no longer', async () => {
    await using store = await openTemporaryStore();
    const { records, clock } = store;
    const ahead = new MovingClock(after(clock.now(), seconds(25)));
    const ofStore = new MovingClock(after(clock.now(), seconds(-3)));
    const [here, there] = [clock, ahead].map(
      (own) =>
        new Authorizations({
          records,
          clock: own,
          lifetimes: { refresh: REFRESH, longestToken: LONGEST_TOKEN },
          storeClock: async () => ofStore.now(),
        }),
    ) as [Authorizations, Authorizations];
    await here.open('id', offline);
    await here.startFamily('id', says);
    assert.equal((await here.use('id', 1)).outcome, 'current');
    for (const server of [here, there]) assert.equal((await server.use('id', 1)).outcome, 'retry');
    ofStore.move(REFRESH.grace);
    for (const server of [here, there]) assert.equal((await server.use('id', 1)).outcome, 'retry');
    ofStore.move(seconds(1));
    for (const server of [here, there]) assert.equal((await server.use('id', 1)).outcome, 'reuse');
    assert.equal((await there.use('id', 2)).outcome, 'current');
    assert.equal((await here.use('id', 2)).outcome, 'retry');
  });

  test('begins with generation 1, and only while its authorization stands', async () => {
    await using store = await openTemporaryStore();
    const { authorizations, family } = await withFamily(store);
    const now = store.clock.now();
    assert.deepEqual(family, { generation: 1, advancedAt: now, startedAt: now, says });
    assert.deepEqual((await authorizations.find('id'))?.family, family);
    await authorizations.end('id');
    assert.equal(await authorizations.startFamily('id', says), null);
    assert.equal(await authorizations.startFamily('never-opened', says), null);
  });

  test('begins at once with what was seen, unless that has changed or ended since', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    await authorizations.open('id', offline);
    const seen = (await authorizations.look('id')) ?? assert.fail('it stands');
    assert.deepEqual(seen.authorization, offline);
    const family = newFamily(says, store.clock.now());
    const begun = () => authorizations.startFamilyOf('id', seen, family);
    assert.deepEqual(await Promise.all([begun(), begun()]), ['started', 'changed']);
    assert.deepEqual((await authorizations.find('id'))?.family, family);
    await authorizations.open('of a session', ofSession('over'));
    const last = (await authorizations.look('of a session')) ?? assert.fail('it stands');
    await authorizations.endWithSession('over');
    assert.equal(await authorizations.startFamilyOf('of a session', last, family), 'ended');
    assert.equal(await authorizations.look('of a session'), null);
    assert.equal(await authorizations.look('never-opened'), null);
  });

  test('is not there for an authorization without refresh tokens', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    await authorizations.open('id', offline);
    assert.deepEqual(await authorizations.present('id', 1), { outcome: 'absent' });
    assert.deepEqual(await authorizations.use('id', 1), { outcome: 'absent' });
  });

  test('used fifty times at once, from two connections, advances once, and everyone is given the same family', async () => {
    await using store = await openTemporaryStore();
    const { authorizations } = await withFamily(store);
    const second = authorizationsOn(store);
    let call = 0;
    const uses = await fifty(() => (call++ % 2 ? authorizations : second).use('id', 1));
    assert.deepEqual(countOf(uses), { current: 1, retry: 49 });
    const families = uses.map((use) => (use.outcome === 'absent' ? null : use.family));
    for (const family of families) assert.deepEqual(family, families[0]);
    assert.equal(families[0]?.generation, 2);
    assert.deepEqual((await authorizations.find('id'))?.family, families[0]);
  });

  test('used by racers of two generations at once never has two that are current', async () => {
    await using store = await openTemporaryStore();
    const { authorizations } = await withFamily(store);
    const uses = await Promise.all(
      Array.from({ length: 50 }, (_, index) => authorizations.use('id', 1 + (index % 2))),
    );
    const advanced = uses.flatMap((use) => (use.outcome === 'current' ? [use.family.generation] : []));
    assert.equal(new Set(advanced).size, advanced.length);
    const stored = (await authorizations.find('id'))?.family;
    assert.equal(stored?.generation, Math.max(...advanced));
  });

  test('leaves nothing standing when it is ended while fifty use it', async () => {
    await using store = await openTemporaryStore();
    const { authorizations } = await withFamily(store);
    const [uses] = await Promise.all([
      fifty(() => authorizations.use('id', 1)),
      authorizations.end('id'),
      fifty(() => authorizations.use('id', 2)),
    ]);
    assert.equal(await authorizations.find('id'), null);
    for (let generation = 1; generation <= 3; generation += 1) {
      assert.deepEqual(await authorizations.use('id', generation), { outcome: 'absent' });
    }
    assert.ok(uses.filter(({ outcome }) => outcome === 'current').length <= 1);
  });

  test('is retried at the last second of the grace and reused at the next, also after a restart', async () => {
    await using store = await openTemporaryStore();
    const { authorizations } = await withFamily(store);
    const first = await authorizations.use('id', 1);
    store.clock.move(REFRESH.grace);
    const restarted = authorizationsOn(store);
    const retried = await restarted.use('id', 1);
    assert.equal(retried.outcome, 'retry');
    assert.deepEqual(
      retried.outcome === 'retry' && retried.family,
      first.outcome === 'current' && first.family,
    );
    store.clock.move(seconds(1));
    assert.equal((await restarted.present('id', 1)).outcome, 'reuse');
    assert.equal((await restarted.use('id', 1)).outcome, 'reuse');
  });

  test('told of a reuse stays as it is: ending it is the caller’s', async () => {
    await using store = await openTemporaryStore();
    const { authorizations } = await withFamily(store);
    await authorizations.use('id', 1);
    const used = await authorizations.use('id', 2);
    assert.equal((await authorizations.use('id', 1)).outcome, 'reuse');
    assert.deepEqual((await authorizations.find('id'))?.family, used.outcome === 'current' && used.family);
  });

  test('is not changed by being looked at', async () => {
    await using store = await openTemporaryStore();
    const { authorizations, family } = await withFamily(store);
    const looks = await fifty(() => authorizations.present('id', 1));
    assert.deepEqual(countOf(looks), { current: 50 });
    assert.deepEqual((await authorizations.find('id'))?.family, family);
  });

  test('has no generation beyond the current one', async () => {
    await using store = await openTemporaryStore();
    const { authorizations, family } = await withFamily(store);
    for (const generation of [2, 3, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await authorizations.use('id', generation), { outcome: 'absent' });
    }
    assert.deepEqual((await authorizations.find('id'))?.family, family);
  });

  test('ends at the exact second, idle or absolute, though its authorization still stands', async () => {
    await using store = await openTemporaryStore();
    const refresh = { idle: seconds(100), absolute: seconds(250), grace: seconds(10) };
    const { authorizations } = await withFamily(store, 'id', refresh);
    const outcomes: string[] = [];
    for (const [wait, generation] of [
      [99, 1],
      [99, 2],
      [51, 3],
      [1, 4],
    ] as const) {
      store.clock.move(seconds(wait));
      outcomes.push((await authorizations.use('id', generation)).outcome);
    }
    assert.deepEqual(
      outcomes,
      ['current', 'current', 'current', 'absent'].with(2, 'current').with(3, 'absent'),
    );
    assert.notEqual(await authorizations.find('id'), null);
  });

  test('over any history is what the rules alone say', async () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 40 }).map(seconds),
      back: fc.integer({ min: -1, max: 3 }),
    });
    const refresh = { idle: seconds(60), absolute: seconds(300), grace: seconds(10) };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await using store = await openTemporaryStore();
        const { authorizations, family } = await withFamily(store, 'id', refresh);
        let model: RefreshFamily = family;
        for (const { wait, back } of steps) {
          store.clock.move(wait);
          const generation = model.generation - back;
          const now = store.clock.now();
          const over = now >= familyExpiresAt(model, refresh) || back < 0;
          const inGrace = now <= model.advancedAt + refresh.grace;
          const expected = over
            ? 'absent'
            : back === 0
              ? 'current'
              : back === 1 && inGrace
                ? 'retry'
                : 'reuse';
          assert.equal((await authorizations.use('id', generation)).outcome, expected);
          if (expected === 'current') model = { ...model, generation: generation + 1, advancedAt: now };
          const stored = await authorizations.find('id');
          if (stored !== null) assert.deepEqual(stored.family, model);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the end of a session', () => {
  test('ends what was to last as long as it, and nothing else', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    await authorizations.open('one', ofSession('laptop'));
    await authorizations.open('two', ofSession('laptop'));
    await authorizations.open('phone', ofSession('phone'));
    await authorizations.open('offline', offline);
    await authorizations.startFamily('two', says);
    await authorizations.endWithSession('laptop');
    const standing = await Promise.all(
      ['one', 'two', 'phone', 'offline'].map(async (id) => (await authorizations.find(id)) !== null),
    );
    assert.deepEqual(standing, [false, false, true, true]);
    assert.deepEqual(await authorizations.use('two', 1), { outcome: 'absent' });
    assert.equal(await authorizations.startFamily('one', says), null);
  });

  test('refuses what is opened into it afterwards', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    await authorizations.endWithSession('laptop');
    assert.equal(await authorizations.open('late', ofSession('laptop')), false);
    assert.equal(await authorizations.find('late'), null);
    assert.equal(await authorizations.open('offline', offline), true);
  });

  test('leaves nothing standing of what is opened, begun and used in the same moment', async () => {
    await using store = await openTemporaryStore();
    const authorizations = authorizationsOn(store);
    const ids = Array.from({ length: 40 }, (_, index) => `id-${index}`);
    const live = async (id: string) => {
      if (!(await authorizations.open(id, ofSession('laptop')))) return;
      if ((await authorizations.startFamily(id, says)) === null) return;
      await authorizations.use(id, 1);
    };
    const before = ids.slice(0, 20).map(live);
    await authorizations.find('id-0');
    const ended = authorizations.endWithSession('laptop');
    const meanwhile = ids.slice(20).map(live);
    await Promise.all([...before, ended, ...meanwhile]);
    for (const id of ids) assert.equal(await authorizations.find(id), null);
  });
});
