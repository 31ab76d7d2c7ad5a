import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Records, RecordWrite, RemovedRecord } from '#src/records.ts';
import { after, type EpochSeconds, epochSeconds, minutes, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Promise 11: what a log holds, in which order, and together with what. */
export function logContract(makeStore: MakeStore): void {
  const far = (clock: MovingClock) => after(clock.now(), minutes(60));
  const session = (id: string, group?: string): RecordWrite<unknown> => ({
    kind: 'session',
    id,
    value: { of: id },
    expiresAt: null,
    ...(group === undefined ? {} : { group }),
  });

  describe('a log', () => {
    test('gives every reader the same entries in the order they were added in, and no other log any', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const until = far(clock);
      for (const [number, { records }] of [first, second, first, second].entries())
        await records.append({ log: 'l', entry: { number, text: 'ключ 🔑' }, until });
      await first.records.append({ log: 'm', entry: 'other', until });
      for (const { records } of [first, second]) {
        const { entries, atEnd } = await records.readLog<{ number: number; text: string }>('l', start(10));
        assert.deepEqual(
          entries.map(({ entry }) => entry),
          [0, 1, 2, 3].map((number) => ({ number, text: 'ключ 🔑' })),
        );
        assert.deepEqual([...new Set(entries.map((entry) => entry.until))], [until]);
        assert.ok(atEnd);
      }
      assert.deepEqual((await first.records.readLog('n', start(10))).entries, []);
    });

    test('is read on page by page, from where the page before said, with nothing twice and nothing missed', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      for (let number = 0; number < 7; number += 1) await note(records, far(clock), number);
      const seen: unknown[] = [];
      let page = await records.readLog('l', start(3));
      for (;;) {
        seen.push(...page.entries.map(({ entry }) => entry));
        if (page.atEnd) break;
        page = await records.readLog('l', { after: page.next, limit: 3 });
      }
      assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
      const empty = await records.readLog('l', { after: page.next, limit: 3 });
      assert.deepEqual([empty.entries, empty.next >= page.next], [[], true]);
      await note(records, far(clock), 7);
      const further = await records.readLog('l', { after: empty.next, limit: 3 });
      assert.deepEqual(
        further.entries.map(({ entry }) => entry),
        [7],
      );
    });

    test('never shows an entry before a position that has been read, however many add at once on two connections', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const adding = Array.from({ length: 100 }, (_, number) =>
        note((number % 2 ? first : second).records, far(clock), number),
      );
      const seen: unknown[] = [];
      let next = 0;
      let added = false;
      const all = Promise.all(adding).then(() => {
        added = true;
      });
      for (;;) {
        const last: boolean = added;
        const page = await second.records.readLog('l', { after: next, limit: 9 });
        seen.push(...page.entries.map(({ entry }) => entry));
        next = page.next;
        if (last && page.atEnd) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await all;
      assert.deepEqual(
        seen.toSorted((a, b) => Number(a) - Number(b)),
        Array.from({ length: 100 }, (_, number) => number),
      );
    });

    test('forgets an entry at the very second until which it matters, and gives no position out again', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await note(records, after(clock.now(), seconds(10)), 'short');
      const { next } = await records.readLog('l', start(10));
      clock.move(seconds(9));
      assert.equal((await records.readLog('l', start(10))).entries.length, 1);
      clock.move(seconds(1));
      assert.deepEqual((await records.readLog('l', start(10))).entries, []);
      while (!(await records.sweep(1000)).done);
      await note(records, far(clock), 'long');
      const page = await records.readLog('l', { after: next, limit: 10 });
      assert.deepEqual(
        page.entries.map(({ entry }) => entry),
        ['long'],
      );
    });

    test('answers a position from beyond its end with a smaller one, and no entries', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await note(records, far(clock), 'one');
      const page = await records.readLog('l', { after: Number.MAX_SAFE_INTEGER, limit: 10 });
      assert.deepEqual(page.entries, []);
      assert.ok(page.next < Number.MAX_SAFE_INTEGER);
    });

    test('has the note of a put if and only if the put was stored', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const put = (entry: string, write: Partial<RecordWrite<unknown>> = {}) =>
        records.put({ ...session('a'), ...write, note: { log: 'l', entry, until: far(clock) } });
      const stored = await put('stored');
      assert.equal(stored.outcome, 'stored');
      assert.equal((await put('stale', { onlyIf: 'absent' })).outcome, 'stale');
      await records.endGroup('g', far(clock));
      assert.equal((await put('ended', { group: 'g' })).outcome, 'group-ended');
      await records.put({ ...session('b'), aliases: ['name'] });
      assert.equal((await put('taken', { aliases: ['name'] })).outcome, 'alias-taken');
      assert.deepEqual(await entriesOf(records), ['stored']);
    });

    test('has one note of fifty compare-and-sets at once, that of the one that was stored', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, async (_, number) => {
          const note = { log: 'l', entry: number, until: far(clock) };
          const { records } = number % 2 ? first : second;
          return (await records.put({ ...session('a'), onlyIf: 'absent', note })).outcome;
        }),
      );
      assert.deepEqual(await entriesOf(first.records), [outcomes.indexOf('stored')]);
    });

    test('has a removed record as it was, once, and nothing of one that was not there', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const notedIn = { log: 'l', until: far(clock) };
      await records.put(session('a'));
      await records.put({ ...session('over'), expiresAt: after(clock.now(), seconds(1)) });
      clock.move(seconds(1));
      assert.equal(await records.remove('session', 'a', notedIn), true);
      for (const id of ['a', 'over', 'never'])
        assert.equal(await records.remove('session', id, notedIn), false);
      assert.deepEqual(await removedOf(records), [{ kind: 'session', id: 'a', value: { of: 'a' } }]);
    });

    test('has what ended with a group as it was, of the kind that is named alone', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(session('a', 'g'));
      await records.put({ ...session('b', 'g'), kind: 'authorization' });
      await records.put({ ...session('c', 'g'), kind: 'authorization' });
      await records.put({ ...session('d', 'h'), kind: 'authorization' });
      await records.put({ ...session('e', 'g'), kind: 'authorization', expiresAt: clock.now() });
      await records.endGroup('g', far(clock), { log: 'l', until: far(clock), kind: 'authorization' });
      const removed = await removedOf(records);
      // Which of a group comes first is a backend's own affair.
      assert.deepEqual(removed.toSorted(byId), [
        { kind: 'authorization', id: 'b', value: { of: 'b' } },
        { kind: 'authorization', id: 'c', value: { of: 'c' } },
      ]);
    });

    test('misses nothing that a racing put had in the group when it ended', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const put = (number: number) => {
        const write = { ...session(`${number}`, 'g'), kind: 'authorization' as const };
        return (number % 2 ? first : second).records.put(write);
      };
      const early = Array.from({ length: 40 }, (_, number) => put(number));
      const ended = second.records.endGroup('g', far(clock), {
        log: 'l',
        until: far(clock),
        kind: 'authorization',
      });
      const late = Array.from({ length: 40 }, (_, number) => put(40 + number));
      await ended;
      const outcomes = await Promise.all([...early, ...late]);
      const stored = outcomes.flatMap(({ outcome }, number) => (outcome === 'stored' ? [`${number}`] : []));
      const noted = (await removedOf(first.records)).map((removed) => removed?.id ?? '');
      assert.deepEqual(noted.toSorted(), stored.toSorted());
    });

    test('has the note of a revocation', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.revoke(['jti:1'], far(clock), { log: 'l', entry: 'revoked', until: far(clock) });
      assert.equal(await records.anyRevoked(['jti:1']), true);
      assert.deepEqual(await entriesOf(records), ['revoked']);
    });

    test('tells a listener of this process of what was added, until it is disposed', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const heard: string[] = [];
      using other = records.onAdded('m', () => heard.push('m'));
      {
        using listener = records.onAdded('l', () => heard.push('l'));
        await note(records, far(clock), 1);
        assert.ok(listener);
      }
      await note(records, far(clock), 2);
      assert.ok(other);
      assert.deepEqual(heard, ['l']);
    });
  });
}

const start = (limit: number) => ({ after: 0, limit });

const note = (records: Records, until: EpochSeconds, entry: unknown) =>
  records.append({ log: 'l', entry, until: epochSeconds(until) });

async function entriesOf(records: Records): Promise<unknown[]> {
  return (await records.readLog('l', start(100))).entries.map(({ entry }) => entry);
}

async function removedOf(records: Records) {
  return (await records.readLog('l', start(100))).entries.map(({ removed }) => removed);
}

const byId = (one: RemovedRecord | null, other: RemovedRecord | null) =>
  (one?.id ?? '').localeCompare(other?.id ?? '');
