import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusal, StorageFault } from '#src/fault.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import { after, minutes } from '#src/units.ts';
import { refusal } from '#test/support/refusal.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const COUNTER = { kind: 'protocol', id: 'counter' } as const;
const oneMore = (current: number | null) => ({ value: (current ?? 0) + 1, expiresAt: null });

describe('changing a record', () => {
  test('by fifty at once loses no change', async () => {
    await using store = await openTemporaryStore();
    const written = await Promise.all(
      Array.from({ length: 50 }, () => changeRecord<number>(store.records, COUNTER, oneMore)),
    );
    assert.deepEqual(
      written.toSorted((one, other) => one - other),
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    assert.equal((await store.records.find<number>(COUNTER.kind, COUNTER.id))?.value, 50);
  });

  test('that is not there begins with null, and so does one that has expired', async () => {
    await using store = await openTemporaryStore();
    const expiresAt = after(store.clock.now(), minutes(1));
    const seen: unknown[] = [];
    const note = (current: string | null) => {
      seen.push(current);
      return { value: 'written', expiresAt };
    };
    await changeRecord<string>(store.records, COUNTER, note);
    await changeRecord<string>(store.records, COUNTER, note);
    store.clock.move(minutes(1));
    await changeRecord<string>(store.records, COUNTER, note);
    assert.deepEqual(seen, [null, 'written', null]);
  });

  test('ends with whatever the change throws, and nothing is written', async () => {
    await using store = await openTemporaryStore();
    await changeRecord<number>(store.records, COUNTER, oneMore);
    const refused = changeRecord<number>(store.records, COUNTER, () => {
      throw new Refusal('not_now', 'not now');
    });
    await assert.rejects(refused, refusal('not_now'));
    assert.equal((await store.records.find<number>(COUNTER.kind, COUNTER.id))?.value, 1);
  });

  test('into the alias of another record, or a group that has ended, faults instead of trying for ever', async () => {
    await using store = await openTemporaryStore();
    const { records, clock } = store;
    await records.put({ kind: 'protocol', id: 'owner', value: 0, expiresAt: null, aliases: ['name'] });
    await records.endGroup('ended', after(clock.now(), minutes(1)));
    for (const more of [{ aliases: ['name'] }, { group: 'ended' }]) {
      let asked = 0;
      const changed = changeRecord<number>(records, COUNTER, (current) => {
        asked += 1;
        return { ...oneMore(current), ...more };
      });
      await assert.rejects(changed, StorageFault);
      assert.equal(asked, 1);
    }
    assert.equal(await records.find(COUNTER.kind, COUNTER.id), null);
  });

  test('gives up when someone else is faster each time', async () => {
    await using store = await openTemporaryStore();
    const { records } = store;
    const overtaken: Pick<typeof records, 'find' | 'put'> = {
      find: async (kind, id) => {
        const found = await records.find<never>(kind, id);
        await records.put({ kind, id, value: 'faster', expiresAt: null });
        return found;
      },
      put: (record) => records.put(record),
    };
    await assert.rejects(changeRecord<number>(overtaken, COUNTER, oneMore), StorageFault);
  });
});

describe('every value of a kind', () => {
  test('is given once, over as many pages as there are', async () => {
    await using store = await openTemporaryStore();
    const ids = Array.from({ length: 450 }, (_, index) => index);
    await Promise.all(
      ids.map((id) => store.records.put({ kind: 'consent', id: `${id}`, value: id, expiresAt: null })),
    );
    await store.records.put({ kind: 'client', id: 'other', value: -1, expiresAt: null });
    const values = await Array.fromAsync(everyValue<number>(store.records, 'consent'));
    assert.deepEqual(
      values.toSorted((one, other) => one - other),
      ids,
    );
  });

  test('is nothing where there is none', async () => {
    await using store = await openTemporaryStore();
    assert.deepEqual(await Array.fromAsync(everyValue(store.records, 'consent')), []);
  });
});
