import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { after, minutes } from '#src/units.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { whenAnswered } from '#test/storage/store-faults.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const WRITERS = 8;
/** How many acknowledged operations there are before each kill. */
const KILLED_AFTER = [1, 50, 400];

interface Acknowledged {
  readonly did: 'put' | 'consume' | 'remove' | 'endGroup' | 'revoke';
  readonly id: string;
}

test('what was acknowledged survives kill -9 of a Redis with appendfsync always, time and again', async () => {
  await using server = await startRedisServer();
  const clock = new MovingClock();
  await using store = await makeRedisStore(clock, { location: `redis://127.0.0.1:${server.port}` });
  const { records } = await store.connect();
  const acknowledged = new Map<string, Acknowledged>();
  const until = after(clock.now(), minutes(10));
  const does: Record<Acknowledged['did'], (id: string) => Promise<unknown>> = {
    put: (id) =>
      records.put({ kind: 'session', id, value: id, expiresAt: until, group: id, aliases: [`of ${id}`] }),
    consume: (id) => records.consume('session', id),
    remove: (id) => records.remove('session', id),
    endGroup: (id) => records.endGroup(id, until),
    revoke: (id) => records.revoke([id], until),
  };
  const ways = ['consume', 'remove', 'endGroup', 'revoke'] as const;

  for (const [round, count] of KILLED_AFTER.entries()) {
    let done = 0;
    let killed = false;
    const write = async (writer: number) => {
      for (let number = 0; !killed; number += 1) {
        const id = `${round}-${writer}-${number}`;
        try {
          for (const did of ['put', ways[number % ways.length] ?? 'consume'] as const) {
            await does[did](id);
            acknowledged.set(id, { did, id });
            done += 1;
          }
        } catch (error) {
          // What was under way may have been done, or not.
          assert.ok(error instanceof StorageFault);
          acknowledged.delete(id);
        }
      }
    };
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
    while (done < count) await setTimeout(1);
    await server.kill();
    killed = true;
    await Promise.all(writers);
    await server.start();
    await whenAnswered(records);
    for (const operation of acknowledged.values()) await check(records, operation);
  }
  assert.equal(new Set([...acknowledged.values()].map(({ did }) => did)).size, ways.length);
});

async function check(records: Records, { did, id }: Acknowledged): Promise<void> {
  const found = await records.find('session', id);
  if (did === 'consume') assert.notEqual(found?.consumedAt ?? null, null, `${id} was consumed`);
  else if (did === 'revoke') assert.equal(await records.anyRevoked([id]), true, `${id} was revoked`);
  else assert.equal(found, null, `${id} was ended`);
}
