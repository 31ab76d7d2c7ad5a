import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusal, StorageFault } from '#src/fault.ts';
import { RECORD_BYTES_MAX, type RecordWrite } from '#src/records.ts';
import { after, epochSeconds, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Promises 1, 2, 4, 5, 7, 9 and 10: what holds of a single record. */
export function recordContract(makeStore: MakeStore): void {
  const session = (id: string, more: Partial<RecordWrite<unknown>> = {}): RecordWrite<unknown> => ({
    kind: 'session',
    id,
    value: { of: id },
    expiresAt: null,
    ...more,
  });

  describe('a record', () => {
    test('is found as it was put, and absence is null', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      const put = await records.put(session('s'));
      assert.equal(put.outcome, 'stored');
      assert.deepEqual(await records.find('session', 's'), {
        id: 's',
        value: { of: 's' },
        version: put.outcome === 'stored' ? put.version : null,
        expiresAt: null,
        consumedAt: null,
      });
      assert.equal(await records.find('session', 'other'), null);
      assert.equal(await records.find('interaction', 's'), null, 'kinds never meet');
      assert.equal(await records.findByAlias('session', 's'), null);
    });

    test('keeps unknown fields, every Unicode text and 64 KiB', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      const value = {
        'x-unknown': [{ deep: null }, true, -0.5, 1e300],
        text: 'e\u0301 \u00e9 \u{1F511} \u202e \0 "\\ \ud83d \udd11',
        ['__proto__']: 'a name like any other',
        long: '\u{1F511}'.repeat(16 * 1024),
      };
      const id = 'a\u0000b\u{1F511}';
      await records.put(session(id, { value, aliases: ['\u{1F511}'] }));
      assert.deepEqual((await records.find('session', id))?.value, value);
      assert.deepEqual((await records.findByAlias('session', '\u{1F511}'))?.id, id);
    });

    test('is told from one whose name differs only by an unpaired surrogate', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      await records.put(session('\ud800'));
      assert.equal(await records.find('session', '\ud801'), null);
      assert.equal(await records.find('session', '\ufffd'), null);
      assert.equal((await records.find('session', '\ud800'))?.id, '\ud800');
    });

    test('may be as large as RECORD_BYTES_MAX in UTF-8 and no larger', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      const largest = 'é'.repeat(RECORD_BYTES_MAX / 2 - 1);
      assert.equal((await records.put(session('s', { value: largest }))).outcome, 'stored');
      await assert.rejects(
        records.put(session('s', { value: `${largest}x` })),
        (error) => error instanceof Refusal && error.code === 'record_too_large',
      );
      assert.equal((await records.find('session', 's'))?.value, largest);
    });

    test('is not found at the exact second of its expiry, by whatever way', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(session('s', { expiresAt: after(clock.now(), seconds(10)), aliases: ['uid'] }));
      clock.move(seconds(9));
      assert.notEqual(await records.find('session', 's'), null);
      assert.notEqual(await records.findByAlias('session', 'uid'), null);
      clock.move(seconds(1));
      assert.equal(await records.find('session', 's'), null);
      assert.equal(await records.findByAlias('session', 'uid'), null);
      assert.deepEqual(await records.list('session', { limit: 10 }), { records: [], next: null });
      assert.equal(await records.consume('session', 's'), 'absent');
      assert.equal(await records.remove('session', 's'), false);
    });

    test('that has expired stands in nobody’s way', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const expiresAt = after(clock.now(), seconds(1));
      await records.put(session('s', { expiresAt, aliases: ['uid'] }));
      clock.move(seconds(1));
      assert.equal((await records.put(session('t', { aliases: ['uid'] }))).outcome, 'stored');
      assert.equal((await records.put(session('s', { onlyIf: 'absent' }))).outcome, 'stored');
      assert.equal((await records.findByAlias('session', 'uid'))?.id, 't');
    });

    test('is replaced whole: value, expiry, aliases, and it is no longer consumed', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(session('s', { expiresAt: after(clock.now(), seconds(9)), aliases: ['a', 'b'] }));
      await records.consume('session', 's');
      assert.equal((await records.find('session', 's'))?.consumedAt, clock.now());
      await records.put(session('s', { value: 2, aliases: ['b', 'c'] }));
      const found = await records.find('session', 's');
      assert.deepEqual([found?.value, found?.expiresAt, found?.consumedAt], [2, null, null]);
      assert.equal(await records.findByAlias('session', 'a'), null);
      assert.equal((await records.findByAlias('session', 'b'))?.id, 's');
      assert.equal((await records.findByAlias('session', 'c'))?.id, 's');
    });

    test('takes its aliases with it when it is removed', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      await records.put(session('s', { aliases: ['uid'] }));
      assert.equal(await records.remove('session', 's'), true);
      assert.equal(await records.remove('session', 's'), false);
      assert.equal(await records.find('session', 's'), null);
      assert.equal(await records.findByAlias('session', 'uid'), null);
      assert.equal((await records.put(session('t', { aliases: ['uid'] }))).outcome, 'stored');
    });

    test('cannot take an alias of another living record of its kind, and then nothing is written', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      await records.put(session('s', { aliases: ['uid'] }));
      await records.put(session('t', { value: 'before', aliases: ['mine'] }));
      const put = await records.put(session('t', { value: 'after', aliases: ['free', 'uid', 'uid'] }));
      assert.deepEqual(put, { outcome: 'alias-taken', alias: 'uid' });
      assert.equal((await records.find('session', 't'))?.value, 'before');
      assert.equal(await records.findByAlias('session', 'free'), null);
      assert.equal((await records.findByAlias('session', 'mine'))?.id, 't');
      const otherKind = await records.put({ ...session('t', { aliases: ['uid'] }), kind: 'interaction' });
      assert.equal(otherKind.outcome, 'stored', 'kinds never meet');
    });

    test('of fifty that want one alias at once, one gets it', async () => {
      await using store = await makeStore(new MovingClock());
      const [first, second] = [await store.connect(), await store.connect()];
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 ? first : second).records.put(session(`s${i}`, { aliases: ['ada@example.com'] })),
        ),
      );
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'stored').length, 1);
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'alias-taken').length, 49);
    });
  });

  describe('consume', () => {
    test('answers consumed to one of fifty parallel calls, on two connections', async () => {
      await using store = await makeStore(new MovingClock());
      const [first, second] = [await store.connect(), await store.connect()];
      await first.records.put(session('s'));
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, i) => (i % 2 ? first : second).records.consume('session', 's')),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 'consumed').length, 1);
      assert.equal(outcomes.filter((outcome) => outcome === 'already-consumed').length, 49);
    });

    test('keeps the value, tells when, and tells a second use from a guess', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const put = await records.put(session('s'));
      const consumedAt = clock.now();
      assert.equal(await records.consume('session', 's'), 'consumed');
      clock.move(seconds(5));
      assert.equal(await records.consume('session', 's'), 'already-consumed');
      assert.equal(await records.consume('session', 'guess'), 'absent');
      const found = await records.find('session', 's');
      assert.deepEqual([found?.value, found?.consumedAt], [{ of: 's' }, consumedAt]);
      assert.equal(found?.version, put.outcome === 'stored' ? put.version : null);
    });
  });

  describe('a put that names a version', () => {
    test('is done by one of fifty in parallel, on two connections', async () => {
      await using store = await makeStore(new MovingClock());
      const [first, second] = [await store.connect(), await store.connect()];
      await first.records.put(session('s'));
      const version = (await first.records.find('session', 's'))?.version ?? Number.NaN;
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 ? first : second).records.put(session('s', { value: i, onlyIf: { version } })),
        ),
      );
      const winner = outcomes.findIndex(({ outcome }) => outcome === 'stored');
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'stale').length, 49);
      const found = await second.records.find('session', 's');
      assert.equal(found?.value, winner);
      assert.ok((found?.version ?? 0) > version, 'versions grow');
    });

    test('changes nothing when the version is stale', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      await records.put(session('s', { aliases: ['kept'] }));
      const before = await records.find('session', 's');
      await records.put(session('s', { aliases: ['kept'] }));
      const stale = await records.put(
        session('s', { value: 'lost', aliases: ['lost'], onlyIf: { version: before?.version ?? 0 } }),
      );
      assert.deepEqual(stale, { outcome: 'stale' });
      assert.deepEqual((await records.find('session', 's'))?.value, { of: 's' });
      assert.equal(await records.findByAlias('session', 'lost'), null);
      assert.equal((await records.findByAlias('session', 'kept'))?.id, 's');
    });

    test('is stale when the record was removed, or expired, and made anew in between', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(session('s', { expiresAt: after(clock.now(), seconds(10)) }));
      const onlyIf = { version: (await records.find('session', 's'))?.version ?? 0 };
      await records.remove('session', 's');
      assert.equal((await records.put(session('s', { onlyIf }))).outcome, 'stale');
      await records.put(session('s', { expiresAt: after(clock.now(), seconds(10)) }));
      assert.equal((await records.put(session('s', { onlyIf }))).outcome, 'stale');
      clock.move(seconds(10));
      assert.equal((await records.put(session('s', { onlyIf }))).outcome, 'stale');
      assert.equal((await records.put(session('s', { onlyIf: 'absent' }))).outcome, 'stored');
      assert.equal((await records.put(session('s', { onlyIf: 'absent' }))).outcome, 'stale');
    });
  });

  describe('listOwned', () => {
    test('answers what an owner has of a kind, a page at a time, and nothing of anybody else', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const mine = ['a', 'b', 'c', 'd', 'e'];
      for (const id of mine) await records.put(session(id, { owner: 'ada' }));
      await records.put(session('hers', { owner: 'grace' }));
      await records.put(session('nobody’s'));
      await records.put({ ...session('a', { owner: 'ada' }), kind: 'interaction' });
      await records.put(session('e', { owner: 'ada', expiresAt: after(clock.now(), seconds(1)) }));
      clock.move(seconds(1));
      const seen: string[] = [];
      let next: string | null | undefined;
      do {
        const page = await records.listOwned('session', 'ada', {
          limit: 3,
          ...(next ? { after: next } : {}),
        });
        seen.push(...page.records.map(({ id }) => id));
        next = page.next;
      } while (next !== null);
      assert.deepEqual(seen.toSorted(), ['a', 'b', 'c', 'd']);
    });

    test('follows every put and every removal', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      const owned = async (owner: string) =>
        (await records.listOwned('session', owner, { limit: 9 })).records.map(({ id }) => id);
      await records.put(session('s', { owner: 'ada' }));
      await records.put(session('s', { owner: 'grace' }));
      assert.deepEqual([await owned('ada'), await owned('grace')], [[], ['s']]);
      await records.put(session('s'));
      assert.deepEqual(await owned('grace'), []);
      await records.put(session('s', { owner: 'ada' }));
      await records.remove('session', 's');
      assert.deepEqual(await owned('ada'), []);
    });
  });

  describe('list', () => {
    test('gives the living records of a kind once each, a page at a time, in a stable order', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      const ids = Array.from({ length: 7 }, (_, i) => `s${i}`);
      await Promise.all(ids.map((id) => records.put(session(id))));
      await records.put(session('gone', { expiresAt: after(clock.now(), seconds(1)) }));
      await records.put({ ...session('other'), kind: 'interaction' });
      clock.move(seconds(1));
      const pages: string[][] = [];
      let next: string | null | undefined;
      while (next !== null) {
        const page = await records.list('session', { limit: 3, ...(next ? { after: next } : {}) });
        pages.push(page.records.map(({ id }) => id));
        next = page.next;
      }
      assert.deepEqual(
        pages.map((page) => page.length),
        [3, 3, 1],
      );
      assert.deepEqual(pages.flat().toSorted(), ids);
      const whole = await records.list('session', { limit: 7 });
      assert.deepEqual(
        whole.records.map(({ id }) => id),
        pages.flat(),
      );
      assert.equal(whole.next, null, 'a full last page is known to be the last');
      await assert.rejects(records.list('session', { limit: 3, after: 'nowhere' }), { code: 'page_unknown' });
    });
  });

  describe('the store', () => {
    test('shows on one connection at once what was acknowledged on another, and keeps it', async () => {
      await using store = await makeStore(new MovingClock());
      const first = await store.connect();
      const second = await store.connect();
      assert.deepEqual([first.created, second.created], [true, false]);
      for (let i = 0; i < 20; i += 1) {
        await first.records.put(session('s', { value: i }));
        assert.equal((await second.records.find('session', 's'))?.value, i);
      }
      assert.deepEqual(first.derive('cookies'), second.derive('cookies'));
      assert.notDeepEqual(first.derive('cookies'), first.derive('client secrets'));
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      const third = await store.connect();
      assert.equal((await third.records.find('session', 's'))?.value, 19);
    });

    test('finishes what was asked for before it closes, and faults after', async () => {
      await using store = await makeStore(new MovingClock());
      const closing = await store.connect();
      const put = closing.records.put(session('s'));
      await closing[Symbol.asyncDispose]();
      assert.equal((await put).outcome, 'stored');
      for (const call of [
        () => closing.records.find('session', 's'),
        () => closing.records.put(session('s')),
        () => closing.records.anyRevoked(['x']),
        () => closing.records.ping(),
      ]) {
        await assert.rejects(call, StorageFault);
      }
      const { records } = await store.connect();
      assert.notEqual(await records.find('session', 's'), null);
    });

    test('answers a ping, and takes no time that is not a whole number of seconds', async () => {
      await using store = await makeStore(new MovingClock());
      const { records } = await store.connect();
      await records.ping();
      for (const time of [Number.NaN, 1.5, Number.POSITIVE_INFINITY].map(epochSeconds)) {
        await assert.rejects(records.put(session('s', { expiresAt: time })), TypeError);
        await assert.rejects(records.revoke(['x'], time), TypeError);
        await assert.rejects(records.endGroup('g', time), TypeError);
      }
      await assert.rejects(records.put(session('s', { value: undefined })), TypeError);
      assert.equal(await records.find('session', 's'), null);
    });
  });
}
