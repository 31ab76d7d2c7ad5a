import { after } from 'node:test';
import { recordsContract } from '#test/storage/records-contract.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const server = await startRedisServer();
after(() => server[Symbol.asyncDispose]());

recordsContract('Redis', (clock) => makeRedisStore(clock, { location: `redis://127.0.0.1:${server.port}` }));
