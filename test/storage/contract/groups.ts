import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecordWrite } from '#src/records.ts';
import { after, seconds } from '#src/units.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Promise 3: what ends together has ended when it is said to have. */
export function groupContract(makeStore: MakeStore): void {
  const code = (id: string, group?: string): RecordWrite<unknown> => ({
    kind: 'authorization-code',
    id,
    value: null,
    expiresAt: null,
    aliases: [`alias of ${id}`],
    ...(group === undefined ? {} : { group }),
  });

  describe('endGroup', () => {
    test('removes every record of the group, of whatever kind, with its aliases, and no other', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(code('a', 'g'));
      await records.put({ ...code('b', 'g'), kind: 'session' });
      await records.put(code('c', 'h'));
      await records.put(code('d'));
      await records.put(code('moved', 'g'));
      await records.put(code('moved', 'h'));
      await records.endGroup('g', after(clock.now(), seconds(60)));
      assert.equal(await records.find('authorization-code', 'a'), null);
      assert.equal(await records.findByAlias('authorization-code', 'alias of a'), null);
      assert.equal(await records.find('session', 'b'), null);
      for (const id of ['c', 'd', 'moved']) {
        assert.notEqual(await records.find('authorization-code', id), null);
      }
    });

    test('refuses new records of the group until the second given, and remembers the later of two', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const { records } = await store.connect();
      await records.put(code('a', 'h'));
      await records.endGroup('g', after(clock.now(), seconds(60)));
      await records.endGroup('g', after(clock.now(), seconds(5)));
      clock.move(seconds(59));
      assert.deepEqual(await records.put(code('a', 'g')), { outcome: 'group-ended' });
      assert.notEqual(await records.find('authorization-code', 'a'), null, 'the refused put changed nothing');
      clock.move(seconds(1));
      assert.equal((await records.put(code('a', 'g'))).outcome, 'stored');
    });

    test('leaves nothing of the group to be found, however many puts race it on two connections', async () => {
      const clock = new MovingClock();
      await using store = await makeStore(clock);
      const [first, second] = [await store.connect(), await store.connect()];
      const puts = Array.from({ length: 60 }, (_, i) =>
        (i % 2 ? first : second).records.put(code(`${i}`, 'g')),
      );
      const ended = second.records.endGroup('g', after(clock.now(), seconds(60)));
      const latePuts = Array.from({ length: 60 }, (_, i) =>
        (i % 2 ? first : second).records.put(code(`${60 + i}`, 'g')),
      );
      await ended;
      const found = await first.records.list('authorization-code', { limit: 200 });
      assert.deepEqual(found.records, []);
      await Promise.all([...puts, ...latePuts]);
      const foundLater = await second.records.list('authorization-code', { limit: 200 });
      assert.deepEqual(foundLater.records, []);
    });
  });
}
