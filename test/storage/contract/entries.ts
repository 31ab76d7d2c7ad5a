import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SEAL_BYTES } from '#src/sealing/sealer.ts';
import { type Backend, type BackendWrite, DIGEST_BYTES } from '#src/storage/backend.ts';
import { compare, mirror } from '#src/storage/mirror.ts';
import { nameOf, type StoreEntry } from '#src/storage/store-entry.ts';
import { claimStore, UNFINISHED_KIND } from '#src/storage/unfinished.ts';
import { after, type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

/** What a backend promises of giving out all that it holds, and of taking it in. */
export function entryContract(makeStore: MakeStore): void {
  const clock = new MovingClock();
  const now = clock.now();
  const later = after(now, seconds(1000));

  describe('the entries of a store', () => {
    test('are all that is in it, in the order of their names, in more than one page', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      for (let n = 0; n < 600; n += 100) {
        const numbers = Array.from({ length: 100 }, (_, i) => n + i);
        await Promise.all(numbers.map((each) => backend.put(recordWith(each), now)));
        await backend.revoke(numbers.map(digest), later, null);
      }
      const pages = await Array.fromAsync(backend.entries());
      assert.ok(pages.length > 4);
      const names = pages.flat().map(nameOf);
      assert.deepEqual(names, names.toSorted(Buffer.compare));
      assert.equal(new Set(names.map((name) => name.toString('hex'))).size, 1200);
    });

    test('moved into another store and back are the same, and go on as they would have', async () => {
      await using store = await makeStore(clock);
      await using elsewhere = await makeSqliteStore(clock);
      await using again = await makeStore(clock);
      const origin = await store.openBackend();
      await fillWithEverything(origin);
      const between = await elsewhere.openBackend();
      await moved(origin, between);
      const backend = await again.openBackend();
      await moved(between, backend);

      const before = await everything(origin);
      assert.deepEqual(await everything(between), before);
      assert.deepEqual(await everything(backend), before);
      const sorts = new Set(before.map(({ sort }) => sort));
      assert.deepEqual([...sorts], ['record', 'log-entry', 'ended-group', 'revocation', 'counter']);

      assert.equal(await backend.consume('session', digest(2), now), 'already-consumed');
      assert.equal(await backend.consume('session', digest(1), now), 'consumed');
      assert.deepEqual((await backend.findByAlias(digest(901), now))?.key, digest(1));
      assert.deepEqual((await backend.findByAlias(digest(903), now))?.key, digest(5));
      const owned = await backend.listOwned(digest(800), { after: null, limit: 9 }, now);
      assert.deepEqual(
        owned.map(({ key }) => key),
        [digest(1), digest(2)],
      );
      const late = recordWith(9, { group: digest(701) });
      assert.equal((await backend.put(late, now)).outcome, 'group-ended');
      assert.equal(await backend.anyRevoked([digest(600)], now), true);
      assert.equal((await backend.counted(digest(500), now))?.count, 2);
      assert.equal(
        (await backend.put(recordWith(9, { body: bodyUnder('A') }), now)).outcome,
        'seal-outdated',
      );
      const { version, position } = await origin.sequences();
      const put = await backend.put(recordWith(9), now);
      assert.ok(put.outcome === 'stored' && put.version > version);
      const read = await backend.readLog(digest(100), { after: 0, limit: 9 }, now);
      await backend.append({ log: digest(100), until: later, body: bodyUnder('B') });
      const { entries } = await backend.readLog(digest(100), { after: read.next, limit: 9 }, now);
      assert.equal(entries.length, 1);
      assert.ok((entries[0]?.position ?? 0) > position);
      await backend.endGroup(digest(700), later, null, now);
      assert.equal(await backend.find('session', digest(1), now), null);
      while (!(await backend.sweep(100, epochSeconds(later + 1))).done);
      const left = (await everything(backend)).map((entry) => entry.sort);
      assert.ok(left.every((sort) => sort === 'record'));
    });

    test('mirrored time and again while they change are the same in the end, whatever was done', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(deed, { maxLength: 25 }), { minLength: 2, maxLength: 4 }),
          async (rounds) => {
            await using one = await makeSqliteStore(clock);
            await using other = await makeStore(clock);
            // Into the one and out of the other, so that each is the source and the target by turns.
            for (const [from, into] of [
              [one, other],
              [other, one],
            ] as const) {
              await using source = await (from === one ? makeSqliteStore(clock) : makeStore(clock));
              const [origin, target] = [await source.openBackend(), await into.openBackend()];
              const claim = await claimStore(target, 'test', now);
              for (const deeds of rounds) {
                for (const each of deeds) await each(origin);
                await mirror(origin.entries(), target, { claim, onStep: () => {} });
                assert.equal((await compare(origin.entries(), target.entries())).differences, 0);
                assert.deepEqual(await everything(target), await everything(origin));
              }
            }
          },
        ),
        { numRuns: 6 },
      );
    });
  });

  describe('filling a store', () => {
    test('needs its claim: not one that was taken over, and none once it is finished', async () => {
      await using store = await makeStore(clock);
      const [first, second] = [await store.openBackend(), await store.openBackend()];
      const entry: StoreEntry = { sort: 'revocation', entry: digest(1), until: later };
      const step = { put: [entry], drop: [], finish: null };
      assert.equal(await first.fill({ ...step, claim: 1 }), false);
      const lost = await claimStore(first, 'test', now);
      const claim = await claimStore(second, 'test', now);
      assert.equal(await first.fill({ ...step, claim: lost }), false);
      assert.deepEqual(await everything(first), []);
      assert.equal(await second.fill({ ...step, claim }), true);
      const sequences = { version: 7, position: 8, seal: null };
      assert.equal(await second.fill({ claim, put: [], drop: [], finish: sequences }), true);
      assert.equal(await first.find(UNFINISHED_KIND, digest(1), now), null);
      assert.equal(await second.fill({ ...step, drop: [entry], put: [], claim }), false);
      assert.deepEqual(await everything(first), [entry]);
      const put = await first.put(recordWith(1), now);
      assert.ok(put.outcome === 'stored' && put.version > 7);
      await first.append({ log: digest(1), until: later, body: bodyUnder('B') });
      assert.ok((await first.sequences()).position > 8);
    });

    test('puts what has another time by now in place of what was there, and drops it by its own time alone', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      const claim = await claimStore(backend, 'test', now);
      const timed = (until: EpochSeconds): StoreEntry[] => [
        { sort: 'ended-group', group: digest(1), until },
        { sort: 'revocation', entry: digest(2), until },
        { sort: 'counter', counter: digest(3), count: 1, until },
      ];
      const earlier = after(now, seconds(10));
      for (const until of [later, earlier]) {
        await backend.fill({ claim, put: timed(until), drop: [], finish: null });
        assert.deepEqual(await everything(backend), timed(until));
      }
      await backend.fill({ claim, put: [], drop: timed(later), finish: null });
      assert.deepEqual(await everything(backend), timed(earlier));
      await backend.fill({ claim, put: [], drop: timed(earlier), finish: null });
      assert.deepEqual(await everything(backend), []);
    });

    test('puts a record whole in place of another, with its aliases and no others', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      const claim = await claimStore(backend, 'test', now);
      const record = {
        sort: 'record',
        kind: 'session',
        key: digest(1),
        version: 5,
        body: bodyUnder('B'),
      } as const;
      const links = { expiresAt: later, consumedAt: now, group: digest(700), owner: digest(800) };
      const before: StoreEntry = { ...record, ...links, aliases: [digest(901), digest(902)] };
      const nothing = { expiresAt: null, consumedAt: null, group: null, owner: null };
      const anew: StoreEntry = { ...record, ...nothing, version: 6, aliases: [digest(902)] };
      for (const entry of [before, anew]) {
        await backend.fill({ claim, put: [entry], drop: [], finish: null });
        assert.deepEqual(await everything(backend), [entry]);
      }
      assert.equal(await backend.findByAlias(digest(901), now), null);
      assert.deepEqual(await backend.listOwned(digest(800), { after: null, limit: 9 }, now), []);
      await backend.endGroup(digest(700), later, null, now);
      assert.equal((await backend.findByAlias(digest(902), now))?.version, 6);
      while (!(await backend.sweep(100, later)).done);
      assert.equal(await backend.consume('session', digest(1), now), 'consumed');
    });

    test('is refused where something lies already, and where it is filled from something else', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      await backend.revoke([digest(1)], later, null);
      await assert.rejects(claimStore(backend, 'test', now), { code: 'store_not_empty' });
      // Nor does the refusal leave anything behind that would keep a server from starting.
      assert.deepEqual((await everything(backend)).length, 1);
      await using other = await makeStore(clock);
      const filled = await other.openBackend();
      await claimStore(filled, 'test', now);
      await assert.rejects(claimStore(filled, 'other', now), { code: 'store_unfinished' });
    });

    test('of a store that takes one seal alone is refused', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      await backend.put(recordWith(1, { setsSeal: true }), now);
      await assert.rejects(claimStore(backend, 'test', now), { code: 'store_not_empty' });
    });
  });

  /** Something of every sort, and of every state. */
  async function fillWithEverything(backend: Backend): Promise<void> {
    const [group, owner] = [digest(700), digest(800)];
    const soon = after(now, seconds(1));
    await backend.put(recordWith(0, { kind: 'key-ring', setsSeal: true }), now);
    const aliases = [digest(902), digest(901)];
    await backend.put(recordWith(1, { expiresAt: later, group, owner, aliases }), now);
    await backend.put(recordWith(2, { owner }), now);
    await backend.consume('session', digest(2), now);
    await backend.put(recordWith(3, { kind: 'session-like', body: bodyUnder('B', 200_000) }), now);
    // One that has expired, whose alias leads to another by now.
    await backend.put(recordWith(4, { expiresAt: soon, aliases: [digest(903), digest(904)] }), now);
    await backend.put(recordWith(5, { aliases: [digest(903)] }), soon);
    const log = { log: digest(100), until: later };
    await backend.append({ ...log, body: bodyUnder('B') });
    await backend.append({ ...log, log: digest(99), body: bodyUnder('B') });
    await backend.put(recordWith(6, { group: digest(701) }), now);
    await backend.endGroup(digest(701), later, { ...log, kind: 'session' }, now);
    await backend.revoke([digest(600), digest(601)], later, null);
    await backend.revoke([digest(602)], soon, null);
    await backend.hit(digest(500), seconds(900), now);
    await backend.hit(digest(500), seconds(900), now);
    await backend.hit(digest(501), seconds(60), now);
  }

  /** Few names, so that they meet. */
  const few = fc.integer({ min: 1, max: 4 });
  const time = few.map((n) => epochSeconds(now + n));
  const deed: fc.Arbitrary<(backend: Backend) => Promise<unknown>> = fc.oneof(
    fc
      .record({
        n: few,
        kind: fc.constantFrom('session', 'session-like'),
        expires: fc.option(time),
        at: few,
        alias: few,
      })
      .map(({ n, kind, expires, at, alias }) => (backend: Backend) => {
        const links = { group: digest(700 + alias), owner: digest(800 + at), aliases: [digest(900 + alias)] };
        return backend.put(recordWith(n, { kind, expiresAt: expires, ...links }), epochSeconds(now + at));
      }),
    few.map((n) => (backend: Backend) => backend.consume('session', digest(n), now)),
    few.map(
      (n) => (backend: Backend) =>
        backend.remove('session', digest(n), { log: digest(100), until: later }, now),
    ),
    fc.tuple(few, time).map(
      ([n, until]) =>
        (backend: Backend) =>
          backend.endGroup(digest(700 + n), until, null, now),
    ),
    fc.tuple(few, time).map(
      ([n, until]) =>
        (backend: Backend) =>
          backend.revoke([digest(n)], until, null),
    ),
    few.map(
      (n) => (backend: Backend) =>
        backend.append({ log: digest(100 + n), until: later, body: bodyUnder('B') }),
    ),
    fc.tuple(few, few).map(
      ([n, length]) =>
        (backend: Backend) =>
          backend.hit(digest(n), seconds(length), now),
    ),
    few.map((n) => (backend: Backend) => backend.resetCounter(digest(n))),
    time.map((at) => (backend: Backend) => backend.sweep(3, at)),
  );
}

async function moved(origin: Backend, target: Backend): Promise<void> {
  const now = epochSeconds(0);
  const claim = await claimStore(target, 'test', now);
  await mirror(origin.entries(), target, { claim, onStep: () => {} });
  const finish = await origin.sequences();
  assert.equal(await target.fill({ claim, put: [], drop: [], finish }), true);
}

const everything = async (backend: Backend) => (await Array.fromAsync(backend.entries())).flat();

function digest(n: number): Buffer {
  const bytes = Buffer.alloc(DIGEST_BYTES);
  bytes.writeUInt32BE(n);
  return bytes;
}

const bodyUnder = (seal: string, length = 10): Buffer =>
  Buffer.concat([Buffer.from(seal.padEnd(SEAL_BYTES)), Buffer.alloc(length, seal)]);

function recordWith(n: number, write: Partial<BackendWrite> = {}): BackendWrite {
  const nothing = { expiresAt: null, group: null, owner: null, aliases: [], onlyIf: null, note: null };
  return { kind: 'session', key: digest(n), body: bodyUnder('B'), ...nothing, ...write };
}
