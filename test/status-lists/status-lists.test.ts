import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { tokenRevoked } from '#src/revocations/note.ts';
import { after, minutes, seconds } from '#src/units.ts';
import { openNode } from '#test/status-lists/open-status-lists.ts';
import { openTemporaryStore, type TemporaryStore } from '#test/support/temporary-store.ts';

/** A store whose appends are counted, and fail while it is away. */
function watched(records: Records) {
  const seen = { appends: 0, away: false };
  const watching = new Proxy(records, {
    get(target, name) {
      if (name !== 'append') {
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (...args: Parameters<Records['append']>) => {
        if (seen.away) throw new StorageFault('away');
        seen.appends += 1;
        return target.append(...args);
      };
    },
  });
  return { records: watching, seen };
}

const revoke = ({ records, clock }: TemporaryStore, jti: string) =>
  records.append(tokenRevoked({ jti, aud: 'api', exp: after(clock.now(), minutes(5)) }));

/** Timers move with the clock of the store. */
async function pass(store: TemporaryStore, length: number): Promise<void> {
  for (let passed = 0; passed < length; passed += 1) {
    store.clock.move(seconds(1));
    for (let half = 0; half < 2; half += 1) {
      mock.timers.tick(500);
      // What the timers began goes through the store's own turns, and some of it asks for more.
      for (let step = 0; step < 3; step += 1) {
        for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        await store.records.settled();
      }
    }
  }
}

describe('status lists', () => {
  test('cost one write before the first token and none for those that follow; who has which place is written once for many', async () => {
    await using store = await openTemporaryStore();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { records, seen } = watched(store.records);
      await using node = await openNode(store, records);
      await node.place('first');
      assert.equal(seen.appends, 1);
      for (let i = 0; i < 300; i += 1) await node.place(`${i}`);
      assert.equal(seen.appends, 1);
      await pass(store, 1);
      assert.equal(seen.appends, 2);
    } finally {
      mock.timers.reset();
    }
  });

  test('fifty first tokens at once wait for one block, and each gets an index of its own', async () => {
    await using store = await openTemporaryStore();
    const { records, seen } = watched(store.records);
    await using node = await openNode(store, records);
    const places = await Promise.all(Array.from({ length: 50 }, (_, i) => node.place(`${i}`)));
    assert.equal(new Set(places.map(({ idx }) => idx)).size, 50);
    assert.equal(seen.appends, 1);
  });

  test('two nodes give no index twice, and each publishes what the other knows', async () => {
    await using store = await openTemporaryStore();
    const one = await openNode(store, store.records);
    const other = await openNode(store, store.records);
    const places = await Promise.all(
      Array.from({ length: 200 }, (_, i) => (i % 2 ? one : other).place(`token-${i}`)),
    );
    assert.equal(new Set(places.map(({ idx }) => idx)).size, 200);
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await using third = await openNode(store, store.records);
    await revoke(store, 'token-0');
    await revoke(store, 'token-1');
    for (const [i, place] of places.entries())
      assert.equal(await third.statusOf(place), i < 2 ? 1 : 0, `token-${i}`);
  });

  test('a token that is revoked before it was written down is invalid as soon as it has been', async () => {
    await using store = await openTemporaryStore();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      await using node = await openNode(store, store.records);
      const place = await node.place('quick');
      await revoke(store, 'quick');
      assert.equal(await node.statusOf(place), 0, 'nobody knows who has the index');
      await pass(store, 1);
      assert.equal(await node.statusOf(place), 1);
    } finally {
      mock.timers.reset();
    }
  });

  test('after a process was killed every index that it had not written down is invalid, those that it had are as they are', async () => {
    await using store = await openTemporaryStore();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      // Never disposed: nothing of what it has in mind is written down.
      const killed = await openNode(store, store.records);
      const [written, revoked] = [await killed.place('written'), await killed.place('revoked')];
      await pass(store, 1);
      const lost = await killed.place('lost');
      mock.timers.reset();
      await revoke(store, 'revoked');
      await revoke(store, 'lost');
      await using node = await openNode(store, store.records);
      assert.equal(await node.statusOf(lost), 0, 'it may be alive');
      // The ten seconds for which it may have handed indices out, and the difference of the clocks.
      store.clock.move(seconds(10 + 30));
      assert.equal(await node.statusOf(lost), 1);
      assert.equal(await node.statusOf(revoked), 1);
      assert.equal(await node.statusOf(written), 0);
    } finally {
      mock.timers.reset();
    }
  });

  test('a process that goes on keeps its indices valid, busy or quiet, and so does one that was stopped', async () => {
    await using store = await openTemporaryStore();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const node = await openNode(store, store.records);
      const early = await node.place('early');
      await pass(store, 60);
      const late = await node.place('late');
      assert.equal(late.uri === early.uri ? await node.statusOf(late) : 0, 0);
      await pass(store, 60);
      for (const place of [early, late]) assert.equal(await node.statusOf(place), 0);
      const last = await node.place('last');
      await node[Symbol.asyncDispose]();
      store.clock.move(seconds(120));
      await using another = await openNode(store, store.records);
      assert.equal(await another.statusOf(last), 0);
    } finally {
      mock.timers.reset();
    }
  });

  test('while the store is away no place is handed out that nobody would learn of, and what is out is written down later', async () => {
    await using store = await openTemporaryStore();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { records, seen } = watched(store.records);
      const faults: unknown[] = [];
      await using node = await openNode(store, records, { onFault: (fault) => faults.push(fault) });
      const before = await node.place('before');
      await pass(store, 1);
      const during = await node.place('during');
      seen.away = true;
      await pass(store, 8);
      assert.ok(faults.length > 0);
      await assert.rejects(node.place('too late'), StorageFault);
      await pass(store, 60);
      await using other = await openNode(store, store.records);
      assert.deepEqual([await other.statusOf(before), await other.statusOf(during)], [0, 1]);
      seen.away = false;
      await pass(store, 2);
      assert.equal(await other.statusOf(during), 0);
      const anew = await node.place('anew');
      assert.equal(await other.statusOf(anew), 0, 'its index was never told to be invalid');
    } finally {
      mock.timers.reset();
    }
  });

  test('a block that is used up is followed by another, and the list grows', async () => {
    await using store = await openTemporaryStore();
    const node = await openNode(store, store.records);
    const places = [];
    for (let i = 0; i < 4097; i += 1) places.push(await node.place(`${i}`));
    assert.equal(new Set(places.map(({ idx }) => idx)).size, 4097);
    assert.equal(
      places.slice(0, 4096).every(({ idx }) => idx < 4096),
      true,
    );
    const last = places.at(-1) ?? assert.fail();
    assert.ok(last.idx >= 4096);
    await node[Symbol.asyncDispose]();
    await using another = await openNode(store, store.records);
    await revoke(store, '4096');
    await revoke(store, '17');
    assert.equal(await another.statusOf(last), 1);
    assert.equal(await another.statusOf(places[17] ?? assert.fail()), 1);
    assert.equal(await another.statusOf(places[18] ?? assert.fail()), 0);
  });

  test('a list is sent as it is while nothing changes, and signed anew before its copies grow old', async () => {
    await using store = await openTemporaryStore();
    const node = await openNode(store, store.records);
    const place = await node.place('one');
    await node[Symbol.asyncDispose]();
    await using another = await openNode(store, store.records);
    const first = await another.listOf(place);
    store.clock.move(seconds(29));
    assert.equal(await another.listOf(place), first);
    store.clock.move(seconds(1));
    const second = await another.listOf(place);
    assert.notEqual(second, first);
    await revoke(store, 'somebody else');
    assert.notEqual(await another.listOf(place), second);
  });

  test('a list is gone once its last token is, and one that no token is in is not there', async () => {
    await using store = await openTemporaryStore();
    await using node = await openNode(store, store.records);
    const place = await node.place('one');
    assert.notEqual(await node.listOf(place), null);
    store.clock.move(minutes(25));
    assert.equal(await node.listOf(place), null);
    assert.equal(await node.listOf({ idx: 0, uri: 'https://login.example.com/status-lists/unknown' }), null);
  });
});
