import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';
import { keysOf } from '#src/storage/redis/keys.ts';
import { SCRIPTS } from '#src/storage/redis/scripts.ts';
import type { RedisSettings } from '#src/storage/redis/settings.ts';
import { hours, after as later, seconds } from '#src/units.ts';
import { readPage } from '#test/docs/markdown.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { freePort } from '#test/support/free-port.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const server = await startRedisServer();
after(() => server[Symbol.asyncDispose]());
const here = `127.0.0.1:${server.port}`;

type Wishes = Partial<RedisSettings> & { location?: string };

async function examined(wishes: Wishes = {}) {
  await using store = await makeRedisStore(systemClock, { location: `redis://${here}`, ...wishes });
  const findings = await (await store.connect()).examine();
  return new Map(findings.map((finding) => [finding.subject, finding]));
}

async function assertRefused(wishes: Wishes, message: RegExp, hint: RegExp): Promise<void> {
  const error = await examined(wishes).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SetupFault, String(error));
  assert.match(error.message, message);
  assert.match(error.hint, hint);
  assert.doesNotMatch(`${error.message} ${error.hint} ${error.cause}`, /hunter2/);
}

const configure = async (...pairs: string[]) => {
  assert.equal(await server.cli('config', 'set', ...pairs), 'OK');
};

describe('a Redis that is to be the store', () => {
  afterEach(async () => {
    await configure('maxmemory-policy', 'noeviction', 'maxmemory', '0');
    await configure('appendonly', 'yes', 'appendfsync', 'always');
    await server.cli('replicaof', 'no', 'one');
    await server.cli('acl', 'deluser', 'ada');
  });

  test('is found well in every respect when it is set up as it should be', async () => {
    const findings = await examined();
    assert.deepEqual(
      [...findings.values()].map(({ state }) => state),
      [...findings].map(() => 'well'),
    );
    assert.match(findings.get('redis')?.says ?? '', /^(Redis|Valkey) \d+\.\d+/);
  });

  test('is refused when it would throw records away, and is looked at while it runs', async () => {
    await configure('maxmemory-policy', 'allkeys-lru');
    await assertRefused({}, /maxmemory-policy allkeys-lru/, /set maxmemory-policy noeviction/);
    await configure('maxmemory-policy', 'noeviction');
    await using store = await makeRedisStore(systemClock, { location: `redis://${here}` });
    const { examine } = await store.connect();
    await configure('maxmemory-policy', 'volatile-ttl');
    assert.deepEqual(
      (await examine()).filter(({ state }) => state !== 'well').map(({ subject }) => subject),
      ['redis memory'],
    );
    const used = Number(/used_memory:(\d+)/.exec(await server.cli('info', 'memory'))?.[1]);
    await configure('maxmemory-policy', 'noeviction', 'maxmemory', `${Math.round(used * 1.1)}`);
    assert.match(
      (await examine()).find(({ state }) => state === 'notable')?.says ?? '',
      /% of maxmemory is used/,
    );
  });

  test('is refused without an append-only file, unless the settings accept the loss', async () => {
    await configure('appendonly', 'no');
    await assertRefused({}, /no append-only file/, /set appendonly yes.*redis\.acceptLoss/);
    assert.equal((await examined({ acceptLoss: true })).get('redis disk')?.state, 'notable');
    await configure('appendonly', 'yes', 'appendfsync', 'no');
    await assertRefused({}, /appendfsync no/, /set appendfsync always/);
    await configure('appendfsync', 'everysec');
    assert.match((await examined()).get('redis disk')?.says ?? '', /can lose the last two seconds/);
  });

  test('is refused as a replica, and with fewer replicas than writes wait for', async () => {
    await assertRefused({ waitReplicas: 1 }, /has 0 replicas.*waits for 1/, /start the missing replicas/);
    await server.cli('replicaof', '127.0.0.1', String(await freePort()));
    await assertRefused({}, /this is a replica/, /name the primary/);
  });

  test('is refused when its clock and ours are further apart than the settings allow', async () => {
    await using store = await makeRedisStore(new MovingClock(), {
      location: `redis://${here}`,
      clockSkewMax: seconds(30),
    });
    await assert.rejects(
      store.connect(),
      (error) => error instanceof SetupFault && /clock.* apart/.test(error.message) && /NTP/.test(error.hint),
    );
  });

  test('is refused by what its user lacks, each right by its name', async () => {
    await server.cli(
      'acl',
      'setuser',
      'ada',
      'on',
      '>hunter2',
      '~{test-acl}:*',
      '+@all',
      '-zadd',
      '-evalsha',
    );
    const ada = { location: `redis://ada@${here}`, password: new Secret('hunter2'), prefix: 'test-acl' };
    await assertRefused(ada, /the user ada may not use zadd, evalsha$/, /ACL SETUSER ada \+zadd \+evalsha$/);
    const elsewhere = { ...ada, prefix: 'elsewhere' };
    await assertRefused(elsewhere, /the keys \{elsewhere\}:\*/, /ACL SETUSER ada .*~\{elsewhere\}:\*$/);
    await server.cli('acl', 'setuser', 'ada', '+zadd', '+evalsha');
    assert.equal((await examined(ada)).get('redis user')?.says, 'ada may do all that is needed');
  });

  test('needs to grant no more than the documented rights', async () => {
    await server.cli('acl', 'setuser', 'ada', ...ACL);
    const ada = { location: `redis://ada@${here}`, password: new Secret('hunter2'), prefix: 'acl' };
    await using store = await makeRedisStore(systemClock, ada);
    const { records, examine } = await store.connect();
    assert.deepEqual(
      (await examine()).filter(({ state }) => state === 'ill'),
      [],
    );
    const until = later(systemClock.now(), hours(1));
    const note = { log: 'log', entry: 1, until };
    const record = { kind: 'session', expiresAt: until, value: 1, note, owner: 'o' } as const;
    await records.put({ ...record, id: 'a', aliases: ['b'], group: 'g' });
    await records.put({ ...record, id: 'b', group: 'h' });
    await records.consume('session', 'a');
    await records.endGroup('h', until);
    await records.revoke(['a'], until);
    await records.hit('c', seconds(3600));
    await records.sweep(10);
    await records.ping();
    // Which are then all there.
    const documented = page.rows.filter(([, kind = '']) => ['hash', 'zset', 'string'].includes(kind));
    const keys = Object.values(keysOf('acl'));
    assert.deepEqual(
      documented.map(([name = '']) => `{acl}:${name.replaceAll('`', '')}`).toSorted(),
      keys.toSorted(),
    );
    for (const [name = '', kind] of documented) {
      assert.equal(await server.cli('type', `{acl}:${name.replaceAll('`', '')}`), kind, name);
    }
  });

  test('is refused when its user lacks any of them, or a command that a script runs', async () => {
    const ada = { location: `redis://ada@${here}`, password: new Secret('hunter2'), prefix: 'acl' };
    const run = Object.values(SCRIPTS).flatMap(({ lua }) => [...lua.matchAll(/redis\.call\('([A-Z]+)'/g)]);
    const documented = ACL.filter((right) => right.startsWith('+')).map((right) => right.slice(1));
    for (const command of new Set([...run.map(([, name = '']) => name.toLowerCase()), ...documented])) {
      await server.cli('acl', 'setuser', 'ada', ...ACL, `-${command}`);
      await assertRefused(
        ada,
        new RegExp(`may not use ${command}$`),
        new RegExp(`ACL SETUSER ada \\+${command}$`),
      );
    }
  });
});

const page = readPage('docs/deployment.md');

/** As docs/deployment.md has it, for another prefix. */
const [, DOCUMENTED = ''] = /^ACL SETUSER keyturn (.*)$/m.exec(page.text) ?? [];
const ACL = DOCUMENTED.replace('PASSWORD', 'hunter2').replace('{keyturn}', '{acl}').split(' ');

describe('a Redis that cannot be opened', () => {
  test('because nobody listens is named with its address and no password', async () => {
    const port = await freePort();
    const location = `redis://ada:hunter2@127.0.0.1:${port}`;
    await assertRefused(
      { location },
      new RegExp(`redis://ada@127.0.0.1:${port} .*ECONNREFUSED`),
      /see that it runs/,
    );
  });

  test('because of its user or password says which settings hold them', async () => {
    const location = `redis://ada:hunter2@${here}`;
    await assertRefused({ location }, /WRONGPASS/, /redis\.password/);
    await using closed = await startRedisServer({
      config: ['requirepass hunter2'],
      cliArgs: ['-a', 'hunter2'],
    });
    await assertRefused({ location: `redis://127.0.0.1:${closed.port}` }, /NOAUTH/, /redis\.password/);
    assert.ok(await examined({ location: `redis://:hunter2@127.0.0.1:${closed.port}` }));
  });

  test('because it is of another sort than the location says', async () => {
    await assertRefused(
      { location: `redis+cluster://${here}` },
      /cluster support disabled/,
      /write redis:\/\//,
    );
    await assertRefused({ location: `rediss://${here}`, timeoutMs: 500 }, /cannot be opened/, /./);
    await assertRefused(
      { location: `redis+sentinel://${here}/main`, timeoutMs: 500 },
      /entinel/,
      /sentinels run/,
    );
  });

  test('because a newer Keyturn keeps its records in another way', async () => {
    await using store = await makeRedisStore(systemClock, { location: `redis://${here}` });
    await store.connect();
    await server.cli('set', `{${store.prefix}}:layout`, '2');
    await assert.rejects(
      store.connect(),
      (error) => error instanceof SetupFault && /layout 2/.test(error.message),
    );
  });
});
