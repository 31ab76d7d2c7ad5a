import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SEAL_BYTES, sealOf } from '#src/sealing/sealer.ts';
import {
  type Backend,
  type BackendBody,
  type BackendWrite,
  DIGEST_BYTES,
  LOG_KIND,
} from '#src/storage/backend.ts';
import { after, epochSeconds, hours } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** What a backend promises of sealed bodies: which it takes, that all can be gone through, and be sealed anew. */
export function bodyContract(makeStore: MakeStore): void {
  const clock = new MovingClock();
  const now = clock.now();
  const later = after(now, hours(1));

  describe('a walk through the bodies', () => {
    test('meets each once, looks at no more than it was told, and counts them by kind and seal', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      for (let i = 0; i < 7; i += 1) {
        const kind = i % 2 ? 'session' : 'client';
        await backend.put(recordWith(i, { kind, body: bodyUnder(i < 4 ? 'A' : 'B', `${i}`) }), now);
      }
      for (let i = 0; i < 3; i += 1) await backend.append(noteWith(bodyUnder('A', `note ${i}`)));
      const counted = new Map<string, number>();
      for await (const { counts } of stretches(backend, 2, null)) {
        assert.ok(counts.reduce((sum, { count }) => sum + count, 0) <= 2);
        for (const { kind, seal, count } of counts) {
          const name = `${kind} ${seal.toString().trim()}`;
          counted.set(name, (counted.get(name) ?? 0) + count);
        }
      }
      assert.deepEqual(Object.fromEntries([...counted].toSorted()), {
        'client A': 2,
        'client B': 2,
        [`${LOG_KIND} A`]: 3,
        'session A': 2,
        'session B': 1,
      });
    });

    test('gives those that are under another seal than the one that is named, and none if none is named', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      await backend.put(recordWith(1, { body: bodyUnder('A', 'one') }), now);
      await backend.put(recordWith(2, { body: bodyUnder('B', 'two') }), now);
      await backend.append(noteWith(bodyUnder('A', 'three')));
      await backend.append(noteWith(bodyUnder('B', 'four')));
      const met = await bodiesOf(backend, sealNamed('B'));
      assert.deepEqual(
        met.map(({ in: where, body }) => [where, textOf(body)]),
        [
          ['record', 'one'],
          ['log', 'three'],
        ],
      );
      assert.deepEqual(await bodiesOf(backend, null), []);
    });

    test('of an empty store is over at once', async () => {
      await using store = await makeStore(clock);
      assert.deepEqual(await bodiesOf(await store.openBackend(), sealNamed('A')), []);
    });

    test('meets a record that gets into a log while it is under way', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      for (let i = 0; i < 9; i += 1) await backend.put(recordWith(i, { group: digest(200) }), now);
      const met: string[] = [];
      let steps = 0;
      for await (const { bodies } of stretches(backend, 2, sealNamed('B'))) {
        met.push(...bodies.map(({ body }) => textOf(body)));
        steps += 1;
        const notedIn = { log: digest(100), until: later };
        if (steps === 1) {
          for (const i of [0, 7, 8]) await backend.remove('client', digest(i), notedIn, now);
        }
        if (steps === 2) await backend.endGroup(digest(200), later, { ...notedIn, kind: 'client' }, now);
      }
      assert.deepEqual([...new Set(met)].toSorted(), ['0', '1', '2', '3', '4', '5', '6', '7', '8']);
    });
  });

  describe('reading a record again', () => {
    test('leaves its body out at most while it is at the version that is held', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      const alias = digest(203);
      const again = (held: number) =>
        Promise.all([
          backend.findAgain('client', digest(1), held, now),
          backend.findByAliasAgain(alias, held, now),
        ]);
      assert.deepEqual(await again(1), [null, null]);
      await backend.put(recordWith(1, { expiresAt: later, aliases: [alias] }), now);
      const first = (await backend.find('client', digest(1), now)) ?? assert.fail();
      for (const { body, ...rest } of (await again(first.version)).map((each) => each ?? assert.fail())) {
        assert.deepEqual(body ?? first.body, first.body);
        assert.deepEqual([rest.version, rest.expiresAt, rest.consumedAt], [first.version, later, null]);
      }
      await backend.consume('client', digest(1), now);
      for (const found of await again(first.version)) assert.equal(found?.consumedAt, now);

      const body = bodyUnder('A', 'anew');
      await backend.put(recordWith(1, { expiresAt: later, aliases: [alias], body }), now);
      const second = (await backend.find('client', digest(1), now)) ?? assert.fail();
      assert.deepEqual(await again(first.version), [second, second]);
      await backend.remove('client', digest(1), null, now);
      assert.deepEqual(await again(second.version), [null, null]);
    });

    test('finds nothing by an alias that the record has no more', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      const alias = digest(203);
      await backend.put(recordWith(1, { expiresAt: later, aliases: [alias] }), now);
      const first = (await backend.findByAlias(alias, now)) ?? assert.fail();
      await backend.findByAliasAgain(alias, first.version, now);
      await backend.put(recordWith(1, { expiresAt: later, aliases: [] }), now);
      const second = (await backend.find('client', digest(1), now)) ?? assert.fail();
      await backend.findAgain('client', digest(1), second.version, now);
      assert.equal(await backend.findByAliasAgain(alias, second.version, now), null);
    });
  });

  describe('replacing a body', () => {
    test('changes neither version, expiry, use, group, owner nor aliases of the record', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      const [group, owner, alias] = [digest(201), digest(202), digest(203)];
      await backend.put(recordWith(1, { expiresAt: later, group, owner, aliases: [alias] }), now);
      await backend.consume('client', digest(1), now);
      const before = await backend.find('client', digest(1), now);
      assert.equal(await backend.replaceBodies(await anew(backend, 'B')), 1);
      const found = await backend.find('client', digest(1), now);
      assert.deepEqual(found, { ...before, body: bodyUnder('B', '1') });
      assert.deepEqual(await backend.findByAlias(alias, now), found);
      assert.deepEqual(await backend.listOwned(owner, { after: null, limit: 9 }, now), [found]);
      assert.equal(await backend.consume('client', digest(1), now), 'already-consumed');
      await backend.endGroup(group, later, null, now);
      assert.equal(await backend.find('client', digest(1), now), null);
    });

    test('of a log changes neither position, order, expiry nor whose it was', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      await backend.append(noteWith(bodyUnder('A', 'note')));
      await backend.put(recordWith(1), now);
      await backend.remove('client', digest(1), { log: digest(100), until: later }, now);
      const read = async () => backend.readLog(digest(100), { after: 0, limit: 9 }, now);
      const before = await read();
      assert.equal(await backend.replaceBodies(await anew(backend, 'B')), 2);
      const page = await read();
      assert.deepEqual(page, {
        ...before,
        entries: before.entries.map((entry) => ({ ...entry, body: bodyUnder('B', textOf(entry.body)) })),
      });
    });

    test('loses against whatever was written, removed or made anew since it was read', async () => {
      await using store = await makeStore(clock);
      const [first, second] = [await store.openBackend(), await store.openBackend()];
      for (let i = 0; i < 4; i += 1) await first.put(recordWith(i, { group: digest(210 + i) }), now);
      const stale = await anew(first, 'B');
      await second.put(recordWith(0, { body: bodyUnder('A', 'newer') }), now);
      await second.remove('client', digest(1), null, now);
      await second.remove('client', digest(2), null, now);
      await second.put(recordWith(2, { body: bodyUnder('A', 'made anew') }), now);
      await second.endGroup(digest(213), later, null, now);
      assert.equal(await first.replaceBodies(stale), 0);
      const found = await first.list('client', { after: null, limit: 9 }, now);
      assert.deepEqual(found.map(({ body }) => textOf(body)).toSorted(), ['made anew', 'newer']);
    });
  });

  describe('the seal of a store', () => {
    test('is set by a put, and from then on nothing with another is taken and nothing changed by it', async () => {
      await using store = await makeStore(clock);
      const [first, second] = [await store.openBackend(), await store.openBackend()];
      const old = recordWith(1, { note: noteWith(bodyUnder('A', 'noted')) });
      assert.equal((await first.put(old, now)).outcome, 'stored');
      const setting = await second.put(recordWith(2, { body: bodyUnder('B', '2'), setsSeal: true }), now);
      assert.equal(setting.outcome, 'stored');
      const before = await everything(first);

      const outdated = { outcome: 'seal-outdated' };
      for (const backend of [first, second]) {
        assert.deepEqual(await backend.put(old, now), outdated);
        assert.deepEqual(await backend.put(recordWith(3), now), outdated);
        const mixed = recordWith(3, { body: bodyUnder('B', '3'), note: noteWith(bodyUnder('A', 'noted')) });
        assert.deepEqual(await backend.put(mixed, now), outdated);
        assert.deepEqual(await backend.append(noteWith(bodyUnder('A', 'noted'))), outdated);
        const entry = digest(50);
        assert.deepEqual(await backend.revoke([entry], later, noteWith(bodyUnder('A', 'noted'))), outdated);
        assert.equal(await backend.anyRevoked([entry], now), false);
        assert.equal(await backend.replaceBodies(await anew(backend, 'C')), 'seal-outdated');
      }
      assert.deepEqual(await everything(first), before);

      assert.equal((await first.put(recordWith(3, { body: bodyUnder('B', '3') }), now)).outcome, 'stored');
      assert.deepEqual(await first.append(noteWith(bodyUnder('B', 'noted'))), { outcome: 'stored' });
      assert.deepEqual(await first.revoke([digest(50)], later, null), { outcome: 'stored' });
      await first.ping();
    });

    test('is not set by a put that is refused', async () => {
      await using store = await makeStore(clock);
      const backend = await store.openBackend();
      await backend.put(recordWith(1), now);
      const losing = { body: bodyUnder('B', '1'), onlyIf: 'absent', setsSeal: true } as const;
      assert.equal((await backend.put(recordWith(1, losing), now)).outcome, 'stale');
      assert.equal((await backend.put(recordWith(2), now)).outcome, 'stored');
    });

    test('leaves nothing under another that a walk would not meet, whoever writes while it is set', async () => {
      await using store = await makeStore(clock);
      const [first, second] = [await store.openBackend(), await store.openBackend()];
      let begun = 0;
      const write = () => {
        begun += 1;
        return (begun % 2 ? first : second).put(recordWith(begun), now);
      };
      const early = Array.from({ length: 40 }, write);
      const setting = second.put(recordWith(0, { body: bodyUnder('B', '0'), setsSeal: true }), now);
      const racing = Array.from({ length: 40 }, write);
      await setting;
      const walked = bodiesOf(first, sealNamed('B'));
      const late = Array.from({ length: 10 }, write);
      const outcomes = (await Promise.all([...early, ...racing])).map(({ outcome }) => outcome);
      const stored = outcomes.flatMap((outcome, i) => (outcome === 'stored' ? [`${i + 1}`] : []));
      assert.deepEqual((await walked).map(({ body }) => textOf(body)).toSorted(), stored.toSorted());
      for (const { outcome } of await Promise.all(late)) assert.equal(outcome, 'seal-outdated');
    });
  });

  test('the clock of a store that has one of its own is that of every connection', async () => {
    await using store = await makeStore(clock);
    const clocks = [await store.openBackend(), await store.openBackend()].map((backend) => backend.clock());
    const [one, other] = await Promise.all(clocks);
    assert.ok(one === null ? other === null : Math.abs(Number(other) - Number(one)) <= 1);
  });
}

const digest = (n: number): Buffer => Buffer.alloc(DIGEST_BYTES, n);

const sealNamed = (name: string): Buffer => Buffer.from(name.padEnd(SEAL_BYTES));

const bodyUnder = (seal: string, text: string): Buffer => Buffer.concat([sealNamed(seal), Buffer.from(text)]);

const textOf = (body: Buffer): string => body.subarray(sealOf(body).length).toString();

function recordWith(n: number, write: Partial<BackendWrite> = {}): BackendWrite {
  const nothing = { expiresAt: null, group: null, owner: null, aliases: [], onlyIf: null, note: null };
  return { kind: 'client', key: digest(n), body: bodyUnder('A', `${n}`), ...nothing, ...write };
}

const noteWith = (body: Buffer) => ({ log: digest(100), until: epochSeconds(4_000_000_000), body });

async function* stretches(backend: Backend, limit: number, except: Buffer | null) {
  let next: string | null = null;
  do {
    const stretch = await backend.walk({ after: next, limit, except });
    yield stretch;
    next = stretch.next;
  } while (next !== null);
}

async function bodiesOf(backend: Backend, except: Buffer | null): Promise<BackendBody[]> {
  const met: BackendBody[] = [];
  for await (const { bodies } of stretches(backend, 3, except)) met.push(...bodies);
  return met;
}

/** Every body that is not under the seal of that name, as if sealed anew under it. */
async function anew(backend: Backend, seal: string): Promise<BackendBody[]> {
  const met = await bodiesOf(backend, sealNamed(seal));
  return met.map((each) => ({ ...each, body: bodyUnder(seal, textOf(each.body)) }));
}

const everything = (backend: Backend) => bodiesOf(backend, sealNamed('no seal of ours'));
