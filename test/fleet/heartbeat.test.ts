import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { clockOf, clockText } from '#src/fleet/clock-report.ts';
import { Fleet } from '#src/fleet/fleet.ts';
import { Heartbeat } from '#src/fleet/heartbeat.ts';
import { STORE_CLOCK } from '#src/fleet/server-node.ts';
import type { Store } from '#src/storage/open-store.ts';
import { type EpochSeconds, hours, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { openTemporaryStore, type TemporaryStore } from '#test/support/temporary-store.ts';

const every = seconds(5);
const skewMax = seconds(30);

describe('a server that lives', () => {
  test('is seen by all with what it has, until it takes leave', async () => {
    await using store = await openTemporaryStore();
    const [one, other] = [memberOf(store, 'one'), memberOf(store, 'other')];
    await one.heartbeat.beat();
    await other.heartbeat.beat();
    const [first, second] = await fleetOn(store).living();
    const { keks, ...rest } = first ?? assert.fail();
    const now = store.clock.now();
    assert.deepEqual(rest, {
      id: 'one',
      name: 'host:one',
      version: '1.2.3',
      startedAt: now,
      clock: now,
      beat: 1,
      ring: 7,
      apart: [],
    });
    assert.deepEqual([keks, second?.id], [['key'], 'other']);
    await one.heartbeat[Symbol.asyncDispose]();
    assert.deepEqual(
      (await fleetOn(store).living()).map(({ id }) => id),
      ['other'],
    );
  });

  test('is forgotten by itself a while after its last beat, and not while it beats', async () => {
    await using store = await openTemporaryStore();
    const { heartbeat } = memberOf(store, 'one');
    await heartbeat.beat();
    store.clock.move(seconds(44));
    await heartbeat.beat();
    store.clock.move(seconds(44));
    assert.equal((await fleetOn(store).living()).length, 1);
    store.clock.move(seconds(1));
    assert.equal((await fleetOn(store).living()).length, 0);
  });

  test('tells what was found before the beat, and beats though looking fails', async () => {
    await using store = await openTemporaryStore();
    const found: string[] = [];
    const faults: unknown[] = [];
    const fault = new Error('the directory cannot be read');
    const { heartbeat } = memberOf(store, 'one', {
      keks: () => found,
      before: async () => {
        found.push('new');
        throw fault;
      },
      after: async () => assert.deepEqual((await fleetOn(store).living())[0]?.keks, ['new']),
      onFault: (error) => faults.push(error),
    });
    await heartbeat.beat();
    assert.deepEqual(faults, [fault]);
  });

  test('tells at once what others wait for, and not only with its next beat', {
    timeout: 60_000,
  }, async () => {
    await using store = await openTemporaryStore();
    let ring = 1;
    const fleet = new Fleet({ records: store.records, every: hours(1), skewMax });
    const { heartbeat } = memberOf(store, 'one', { fleet, ring: () => ring });
    await using _ = heartbeat;
    await heartbeat.start();
    ring = 2;
    heartbeat.hurry();
    while ((await fleet.living())[0]?.ring !== 2) await setImmediate();
  });

  test('tells it also if a beat is under way that does not know of it yet', { timeout: 60_000 }, async () => {
    await using store = await openTemporaryStore();
    let ring = 1;
    const fleet = new Fleet({ records: store.records, every: hours(1), skewMax });
    const member = memberOf(store, 'one', {
      ...{ fleet, ring: () => ring },
      after: async () => {
        if (ring !== 2) return;
        ring = 3;
        member.heartbeat.hurry();
      },
    });
    await using _ = member.heartbeat;
    await member.heartbeat.start();
    ring = 2;
    member.heartbeat.hurry();
    while ((await fleet.living())[0]?.ring !== 3) await setImmediate();
  });

  test('fails to start if it cannot be told of', async () => {
    const store = await openTemporaryStore();
    const { heartbeat } = memberOf(store, 'one');
    await store[Symbol.asyncDispose]();
    await assert.rejects(heartbeat.start(), { name: 'StorageFault' });
  });
});

describe('a clock that is further away than it may be', () => {
  for (const [which, by, told] of [
    ['ahead', 31, 31],
    ['behind', -40, -34],
  ] as const) {
    test(`is told once when it is ${which}, and once when it is not any more`, async () => {
      await using store = await openTemporaryStore();
      const theirs = new MovingClock(store.clock.now());
      const ours = memberOf(store, 'ours');
      const other = memberOf(store, 'other', {}, theirs);
      const round = async () => {
        await other.heartbeat.beat();
        await ours.heartbeat.beat();
        store.clock.move(every);
        theirs.move(every);
      };
      await round();
      await round();
      assert.deepEqual(ours.told, []);
      theirs.move(seconds(by));
      await round();
      await round();
      assert.deepEqual(ours.told, [['apart', 'other', told]]);
      theirs.move(seconds(-by));
      await round();
      await round();
      assert.deepEqual(ours.told.slice(1), [['together', 'other', told]]);
    });
  }

  test('is not told of one that is as far as it may be, nor of a server that beats late or was killed', async () => {
    await using store = await openTemporaryStore();
    const theirs = new MovingClock(store.clock.now());
    theirs.move(skewMax);
    const ours = memberOf(store, 'ours');
    const other = memberOf(store, 'other', {}, theirs);
    await other.heartbeat.beat();
    await ours.heartbeat.beat();
    store.clock.move(seconds(40));
    theirs.move(seconds(40));
    await ours.heartbeat.beat();
    await other.heartbeat.beat();
    await ours.heartbeat.beat();
    store.clock.move(seconds(40));
    await ours.heartbeat.beat();
    assert.deepEqual(ours.told, []);
  });

  test('is not told of a server that was killed, however often it is looked for', async () => {
    await using store = await openTemporaryStore();
    const [ours, killed] = [memberOf(store, 'ours'), memberOf(store, 'killed')];
    await killed.heartbeat.beat();
    for (let silence = 0; silence < 60; silence += every) {
      await ours.heartbeat.beat();
      store.clock.move(every);
    }
    assert.deepEqual(ours.told, []);
  });

  test('is told of the store, where it has one of its own', async () => {
    await using store = await openTemporaryStore();
    const storeClock = new MovingClock(store.clock.now());
    const ours = memberOf(store, 'ours', { storeClock: async () => storeClock.now() });
    await ours.heartbeat.beat();
    storeClock.move(seconds(-31));
    await ours.heartbeat.beat();
    await ours.heartbeat.beat();
    storeClock.move(seconds(31));
    await ours.heartbeat.beat();
    assert.deepEqual(ours.told, [
      ['apart', STORE_CLOCK, -31],
      ['together', STORE_CLOCK, -31],
    ]);
  });

  test('is known to whoever asks: of three servers it is the one that both others find apart', async () => {
    await using store = await openTemporaryStore();
    const theirs = new MovingClock(store.clock.now());
    const members = [memberOf(store, 'a'), memberOf(store, 'b'), memberOf(store, 'off', {}, theirs)];
    theirs.move(seconds(-300));
    for (let round = 0; round < 4; round += 1) {
      for (const { heartbeat } of members) await heartbeat.beat();
      store.clock.move(seconds(1));
      theirs.move(seconds(1));
    }
    const nodes = await fleetOn(store).living();
    const bounds = { now: store.clock.now(), skewMax };
    assert.deepEqual(
      new Map(nodes.map((node) => [node.id, clockText(clockOf(node, nodes, bounds))])),
      new Map([
        ['off', '299 s behind'],
        ['a', 'agrees'],
        ['b', 'agrees'],
      ]),
    );
  });
});

const fleetOn = ({ records }: Pick<Store, 'records'>) => new Fleet({ records, every, skewMax });

function memberOf(
  store: TemporaryStore,
  id: string,
  parts: Partial<ConstructorParameters<typeof Heartbeat>[0]> = {},
  clock = store.clock,
) {
  const told: [string, string, number][] = [];
  const heartbeat = new Heartbeat({
    fleet: fleetOn(store),
    clock,
    storeClock: async (): Promise<EpochSeconds | null> => null,
    self: { id, name: `host:${id}`, version: '1.2.3' },
    keks: () => ['key'],
    ring: () => 7,
    before: async () => {},
    after: async () => {},
    onClock: ({ of, by }, state) => told.push([state, of, by]),
    onFault: (error) => {
      throw error;
    },
    ...parts,
  });
  return { heartbeat, told };
}
