import { after } from 'node:test';
import { recordsContract } from '#test/storage/records-contract.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { startRedisCluster } from '#test/support/redis-cluster.ts';

const cluster = await startRedisCluster();
after(() => cluster[Symbol.asyncDispose]());

recordsContract('a Redis Cluster', (clock) => makeRedisStore(clock, { location: cluster.location }));
