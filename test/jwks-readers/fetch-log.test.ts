import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type JwksFetch, JwksFetchLog } from '#src/jwks-readers/fetch-log.ts';
import { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { days, minutes, seconds } from '#src/units.ts';
import { resourcesOn } from '#test/resources/resources-on.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const KEPT = days(180);

const documentOf = (...kids: string[]) => ({
  body: Buffer.from(
    JSON.stringify({ keys: [...kids.map((kid) => ({ kid, alg: 'ES256' })), { kid: 'e', use: 'enc' }] }),
  ),
});
const BEFORE = documentOf('now');
const AFTER = documentOf('now', 'next');

const ANYONE: JwksFetch = { credentials: null, hint: null, program: 'jose/v6.1.0', network: '192.0.2.0/24' };

async function openReaders({ othersMax = 3 } = {}) {
  await using opened = new AsyncDisposableStack();
  const store = opened.use(await openTemporaryStore());
  const { clock, records } = store;
  const { secrets, resources } = resourcesOn(store, 'https://id.example.com', 'ES256');
  const readers = new JwksReaders({ records, clock, kept: KEPT, othersMax });
  const faults: unknown[] = [];
  const newLog = (over: Partial<ConstructorParameters<typeof JwksFetchLog>[0]> = {}) =>
    new JwksFetchLog({
      readers,
      resources,
      secrets,
      clock,
      writeEvery: seconds(5),
      onFault: (fault) => faults.push(fault),
      ...over,
    });
  const add = async (identifier: string) => {
    const { resourceServer, secret } = await resources.add({ identifier });
    const credentials = { id: resourceServer.clientId, secret: secret.reveal() };
    return { identifier, clientId: resourceServer.clientId, credentials };
  };
  const closing = opened.move();
  return {
    clock,
    resources,
    readers,
    faults,
    newLog,
    log: newLog(),
    add,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

describe('whoever fetches the JWK Set', () => {
  test('is remembered with when, and with exactly the signing keys of the documents that it got', async () => {
    await using world = await openReaders();
    const { log, readers, clock } = world;
    const api = await world.add('https://api.example.com');
    const fetch = { ...ANYONE, credentials: api.credentials };
    const began = clock.now();
    log.note(fetch, BEFORE);
    await log.write();
    assert.deepEqual((await readers.all()).known.get(api.clientId), {
      proven: { lastAt: began, keys: { now: began }, program: 'jose/v6.1.0', network: '192.0.2.0/24' },
      said: null,
    });
    clock.move(minutes(10));
    log.note({ ...fetch, network: '198.51.100.0/24' }, AFTER);
    await log.write();
    const later = began + 600;
    assert.deepEqual((await readers.all()).known.get(api.clientId)?.proven, {
      lastAt: later,
      keys: { next: later, now: later },
      program: 'jose/v6.1.0',
      network: '198.51.100.0/24',
    });
  });

  test('is the resource server whose credentials it has, or is said to be the one that it names', async () => {
    await using world = await openReaders();
    const { log, readers } = world;
    const api = await world.add('https://api.example.com');
    const billing = await world.add('https://billing.example.com');
    // Once before the resource servers are in memory, and once after.
    for (const round of [1, 2]) {
      log.note({ ...ANYONE, credentials: api.credentials, hint: billing.identifier }, BEFORE);
      log.note({ ...ANYONE, hint: 'https://billing.example.com/' }, BEFORE);
      await log.write();
      const { known, named, anonymous } = await readers.all();
      const shown = [...known].map(([id, { proven, said }]) => [id, proven !== null, said !== null]);
      assert.deepEqual(
        new Set(shown),
        new Set([
          [api.clientId, true, false],
          [billing.clientId, false, true],
        ]),
        `${round}`,
      );
      assert.deepEqual([...named, ...anonymous], []);
    }
  });

  test('is nobody in particular with wrong credentials, those of before, or none', async () => {
    await using world = await openReaders({ othersMax: 10 });
    const { log, readers, resources } = world;
    const api = await world.add('https://api.example.com');
    await log.write();
    const { credentials } = api;
    log.note(
      { ...ANYONE, program: 'wrong', credentials: { ...credentials, secret: 'keyturn_cs_guess' } },
      BEFORE,
    );
    log.note({ ...ANYONE, program: 'unknown', credentials: { id: 'rs_nobody', secret: '' } }, BEFORE);
    log.note({ ...ANYONE, program: 'empty', hint: '' }, BEFORE);
    log.note({ ...ANYONE, program: 'long', hint: 'x'.repeat(513) }, BEFORE);
    log.note({ ...ANYONE, program: 'longer than a name', hint: 'x'.repeat(101) }, BEFORE);
    log.note({ ...ANYONE, program: 'retired', credentials }, BEFORE);
    // The secret that it came with has ended when it is written down.
    await resources.rollSecret(api.identifier);
    await resources.retireOldSecret(api.identifier);
    await log.write();
    const { known, named, anonymous } = await readers.all();
    assert.deepEqual([known.size, named.length], [0, 0]);
    const programs = anonymous.map(({ sighting }) => sighting.program).toSorted();
    assert.deepEqual(programs, ['empty', 'long', 'longer than a name', 'retired', 'unknown', 'wrong']);
  });

  test('is known by a secret that is newer than what the server has in memory', async () => {
    await using world = await openReaders();
    const { log, readers, resources } = world;
    const api = await world.add('https://api.example.com');
    await log.write();
    const { secret } = await resources.rollSecret(api.identifier);
    log.note({ ...ANYONE, credentials: { id: api.clientId, secret: secret.reveal() } }, BEFORE);
    await log.write();
    assert.ok((await readers.all()).known.get(api.clientId)?.proven);
  });

  test('is another one where a resource server was removed and registered anew', async () => {
    await using world = await openReaders();
    const { log, readers, resources } = world;
    const before = await world.add('https://api.example.com');
    await log.write();
    log.note({ ...ANYONE, hint: before.identifier }, BEFORE);
    await log.write();
    await resources.remove(before.identifier);
    const anew = await world.add('https://api.example.com');
    assert.equal((await readers.all()).known.get(anew.clientId), undefined);
  });

  test('has a name of its own where it gives one that nobody has', async () => {
    await using world = await openReaders();
    const { log, readers } = world;
    log.note({ ...ANYONE, hint: 'nightly report' }, AFTER);
    await log.write();
    const [reader] = (await readers.all()).named;
    assert.equal(reader?.name, 'nightly report');
    assert.deepEqual(Object.keys(reader.sighting.keys).toSorted(), ['next', 'now']);
  });
});

describe('a flood of strangers', () => {
  test('leaves a bounded number of them, those that came last, and every resource server', async () => {
    await using world = await openReaders();
    const { log, readers, clock } = world;
    const servers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => world.add(`https://api-${index}.example.com`)),
    );
    await log.write();
    for (const { credentials } of servers.slice(0, 5)) log.note({ ...ANYONE, credentials }, AFTER);
    for (const { identifier } of servers.slice(5)) log.note({ ...ANYONE, hint: identifier }, AFTER);
    for (let number = 0; number < 1000; number += 1) {
      clock.move(seconds(1));
      log.note({ ...ANYONE, hint: `name ${number}` }, AFTER);
      log.note({ ...ANYONE, program: `program ${number}` }, AFTER);
      log.note({ ...ANYONE, credentials: { id: `rs_${number}`, secret: 'guess' } }, AFTER);
      if (number % 100 === 99) await log.write();
    }
    await log.write();
    const { known, named, anonymous } = await readers.all();
    assert.equal(known.size, 10);
    for (const { proven, said } of known.values()) assert.ok((proven ?? said)?.keys.next);
    assert.ok(named.length > 0 && named.length <= 3, `${named.length}`);
    assert.equal(named[0]?.name, 'name 999');
    assert.deepEqual(
      anonymous.map(({ sighting }) => sighting.program),
      ['jose/v6.1.0', 'program 999', 'program 998'],
    );
  });

  test('with none of them to be remembered, leaves none', async () => {
    await using world = await openReaders({ othersMax: 0 });
    world.log.note({ ...ANYONE, hint: 'some name' }, AFTER);
    world.log.note(ANYONE, AFTER);
    await world.log.write();
    assert.deepEqual(await world.readers.all(), { known: new Map(), named: [], anonymous: [] });
  });
});

describe('servers on one store', () => {
  test('put together what each has seen, and a late one takes nothing back', async () => {
    await using world = await openReaders();
    const { readers, clock } = world;
    const api = await world.add('https://api.example.com');
    const fetch = { ...ANYONE, credentials: api.credentials };
    const logs = Array.from({ length: 20 }, () => world.newLog());
    const [late, ...others] = logs;
    const began = clock.now();
    late?.note(fetch, BEFORE);
    clock.move(seconds(30));
    for (const log of others) log.note(fetch, AFTER);
    // At once, and the one with the oldest news after them.
    await Promise.all(others.map((log) => log.write()));
    await late?.write();
    assert.deepEqual((await readers.all()).known.get(api.clientId)?.proven, {
      lastAt: began + 30,
      keys: { next: began + 30, now: began + 30 },
      program: ANYONE.program,
      network: ANYONE.network,
    });
  });

  test('keep what they could not write, and write it when they can', async () => {
    await using world = await openReaders();
    const { readers } = world;
    const api = await world.add('https://api.example.com');
    let away = true;
    const log = world.newLog({
      readers: {
        othersMax: 3,
        add: async (seen) => {
          if (away) throw new Error('the store is away');
          await readers.add(seen);
        },
      },
    });
    log.note({ ...ANYONE, credentials: api.credentials }, BEFORE);
    await assert.rejects(log.write(), /away/);
    log.note({ ...ANYONE, hint: 'somebody' }, AFTER);
    await assert.rejects(log.write(), /away/);
    away = false;
    await log.write();
    const { known, named } = await readers.all();
    assert.ok(known.get(api.clientId)?.proven);
    assert.equal(named.length, 1);
  });

  test('write down the rest when they stop, and tell of what they could not', async () => {
    await using world = await openReaders();
    const api = await world.add('https://api.example.com');
    const log = world.newLog();
    log.start();
    log.note({ ...ANYONE, credentials: api.credentials }, BEFORE);
    await log[Symbol.asyncDispose]();
    assert.ok((await world.readers.all()).known.get(api.clientId)?.proven);

    const fault = new Error('the store is away');
    const failing = world.newLog({
      readers: { othersMax: 3, add: () => Promise.reject(fault) },
    });
    failing.note(ANYONE, BEFORE);
    await failing[Symbol.asyncDispose]();
    assert.deepEqual(world.faults, [fault]);
  });
});

describe('a reader that has not been seen for long', () => {
  test('is forgotten at the exact second, whether others of its record are fresh or not', async () => {
    await using world = await openReaders();
    const { log, readers, clock } = world;
    const api = await world.add('https://api.example.com');
    log.note({ ...ANYONE, credentials: api.credentials }, BEFORE);
    log.note({ ...ANYONE, hint: 'early' }, BEFORE);
    await log.write();
    clock.move(days(1));
    log.note({ ...ANYONE, hint: api.identifier }, BEFORE);
    log.note({ ...ANYONE, hint: 'late' }, BEFORE);
    await log.write();
    const shown = async () => {
      const { known, named } = await readers.all();
      const { proven, said } = known.get(api.clientId) ?? { proven: null, said: null };
      return [proven !== null, said !== null, named.map(({ name }) => name)];
    };
    clock.move(seconds(KEPT - days(1) - 1));
    assert.deepEqual(await shown(), [true, true, ['late', 'early']]);
    clock.move(seconds(1));
    assert.deepEqual(await shown(), [false, true, ['late']]);
    clock.move(days(1));
    assert.deepEqual(await shown(), [false, false, []]);
  });
});
