import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Secret } from '#src/secret.ts';
import { readPage } from '#test/docs/markdown.ts';
import { recordsContract } from '#test/storage/records-contract.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisCluster } from '#test/support/redis-cluster.ts';

const cluster = await startRedisCluster();
after(() => cluster[Symbol.asyncDispose]());

test('a cluster needs to grant no more than the documented rights', async () => {
  const { text } = readPage('docs/deployment.md');
  const [, rights = ''] = /^ACL SETUSER keyturn (.*)$/m.exec(text) ?? [];
  const [, more = ''] = /In a cluster it needs `([^`]+)` as well/.exec(text) ?? [];
  const acl = `${rights} ${more}`.replace('PASSWORD', 'hunter2').replace('{keyturn}', '{acl}').split(' ');
  for (const server of cluster.servers) await server.cli('acl', 'setuser', 'ada', ...acl);
  const location = cluster.location.replace('//', '//ada@');
  const wishes = { location, password: new Secret('hunter2'), prefix: 'acl', waitReplicas: 1 };
  await using store = await makeRedisStore(new MovingClock(), wishes);
  const { records, examine } = await store.connect();
  await records.put({ kind: 'session', id: 'a', value: 1, expiresAt: null });
  assert.equal((await records.find('session', 'a'))?.value, 1);
  assert.deepEqual(
    (await examine()).filter(({ state }) => state === 'ill'),
    [],
  );
});

recordsContract('a Redis Cluster', (clock) => makeRedisStore(clock, { location: cluster.location }));
