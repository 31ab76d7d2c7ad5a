import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { epochSeconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { type PlainBody, rawBodies } from '#test/support/next-release.ts';

/** Promise 12: programs of several releases on one store. */
export function releaseContract(makeStore: MakeStore): void {
  const open = async (store: Awaited<ReturnType<MakeStore>>) => {
    const connected = await store.connect();
    return { ...connected, raw: rawBodies(connected, await store.openBackend()) };
  };
  const consent = { scope: ['openid'], resources: {}, claims: [] };
  const put = (records: Records, value: unknown, more: object = {}) =>
    records.put({ kind: 'consent', id: 'c', value, expiresAt: null, ...more });
  const versionOf = async (records: Records) => (await records.find('consent', 'c'))?.version ?? 0;
  const added = (members: PlainBody) => (body: PlainBody) => ({
    ...body,
    value: { ...(body.value as PlainBody), ...members },
  });

  describe('a record of another release', () => {
    test('is written with its schema, and one that was written without is read', async () => {
      await using store = await makeStore(new MovingClock());
      const { records, raw } = await open(store);
      await put(records, consent);
      assert.deepEqual(await raw.read('consent'), [{ id: 'c', schema: 1, value: consent }]);
      await raw.change('consent', ({ schema: _, ...body }) => body);
      assert.deepEqual((await records.find('consent', 'c'))?.value, consent);
    });

    test('keeps what a newer one has added when it is replaced, whatever else is written', async () => {
      await using store = await makeStore(new MovingClock());
      const { records, raw } = await open(store);
      await put(records, consent);
      await raw.change('consent', added({ until: 7, of: { a: ['deep'] } }));
      const version = await versionOf(records);
      const replaced = { ...consent, scope: ['openid', 'email'] };
      const first = await put(records, replaced, { onlyIf: { version } });
      assert.equal(first.outcome, 'stored');
      const whole = { ...replaced, until: 7, of: { a: ['deep'] } };
      assert.deepEqual((await records.find('consent', 'c'))?.value, whole);
      // By the version that the write answered, too.
      const second = first.outcome === 'stored' ? first.version : 0;
      await put(records, { ...consent, claims: ['name'] }, { onlyIf: { version: second } });
      const [body] = await raw.read('consent');
      assert.deepEqual(body?.value, { ...consent, claims: ['name'], until: 7, of: { a: ['deep'] } });
    });

    test('is not mixed with what the newer one writes meanwhile: of the two one is stale', async () => {
      await using store = await makeStore(new MovingClock());
      const { records, raw } = await open(store);
      await put(records, consent);
      await raw.change('consent', added({ until: 7 }));
      const version = await versionOf(records);
      await put(records, { ...consent, until: 8 });
      assert.equal((await put(records, consent, { onlyIf: { version } })).outcome, 'stale');
      assert.deepEqual((await records.find('consent', 'c'))?.value, { ...consent, until: 8 });
    });

    test('is forgotten with all that was added where nothing is to be left of it', async () => {
      await using store = await makeStore(new MovingClock());
      const { records, raw } = await open(store);
      await put(records, consent);
      await raw.change('consent', added({ birthday: '1815-12-10' }));
      const version = await versionOf(records);
      await put(records, consent, { onlyIf: { version }, forgets: true });
      assert.deepEqual((await records.find('consent', 'c'))?.value, consent);
    });

    test('that this one would read wrongly is a fault that says what to do, and stays as it is', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records, raw } = await open(store);
      await put(records, consent, { aliases: ['other'], owner: 'ada' });
      const version = await versionOf(records);
      await raw.change('consent', (body) => ({ ...body, schema: 2 }));
      const before = await raw.read('consent');
      const isNewer = (error: unknown) =>
        error instanceof StorageFault &&
        /^a newer Keyturn has written a record of kind consent with schema 2/.test(error.message);
      await assert.rejects(records.find('consent', 'c'), isNewer);
      await assert.rejects(records.findByAlias('consent', 'other'), isNewer);
      await assert.rejects(records.list('consent', { limit: 10 }), isNewer);
      await assert.rejects(records.listOwned('consent', 'ada', { limit: 10 }), isNewer);
      assert.deepEqual(await raw.read('consent'), before);
      assert.equal((await put(records, consent, { onlyIf: { version: version + 1 } })).outcome, 'stale');
      await records.remove('consent', 'c', { log: 'gone', until: epochSeconds(clock.now() + 60) });
      await assert.rejects(records.readLog('gone', { after: 0, limit: 10 }), isNewer);
    });
  });

  describe('an entry of a log of another release', () => {
    test('is written with its schema, read where it has none, and a fault where it is of a newer one', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records, raw } = await open(store);
      const until = epochSeconds(clock.now() + 60);
      await records.append({ log: 'l', until, entry: { what: 'key' } });
      const read = async () => (await records.readLog('l', { after: 0, limit: 10 })).entries[0]?.entry;
      assert.deepEqual(await raw.read('log'), [{ schema: 1, entry: { what: 'key' } }]);
      assert.deepEqual(await read(), { what: 'key' });
      await raw.change('log', ({ entry }) => entry as PlainBody);
      assert.deepEqual(await read(), { what: 'key' });
      await raw.change('log', (entry) => ({ schema: 2, entry }));
      await assert.rejects(read(), /a newer Keyturn has written an entry of a log with schema 2/);
    });
  });
}
