import { after } from 'node:test';
import { Secret } from '#src/secret.ts';
import { readPage } from '#test/docs/markdown.ts';
import { recordsContract } from '#test/storage/records-contract.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const server = await startRedisServer();
after(() => server[Symbol.asyncDispose]());

/** As the user that the page describes, who may do nothing else. */
const { text } = readPage('docs/deployment.md');
const [, rights = ''] = /^ACL SETUSER keyturn (.*)$/m.exec(text) ?? [];
const acl = rights.replace('PASSWORD', 'hunter2').replace('{keyturn}', '{test-*}');
await server.cli('acl', 'setuser', 'keyturn', ...acl.split(' '));

recordsContract('Redis', (clock) =>
  makeRedisStore(clock, {
    location: `redis://keyturn@127.0.0.1:${server.port}`,
    password: new Secret('hunter2'),
  }),
);
