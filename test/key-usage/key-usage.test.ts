import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { KeyUsage } from '#src/key-usage/key-usage.ts';
import { UsageCounter } from '#src/key-usage/usage-counter.ts';
import { UsageWriter, type UsageWriterPorts } from '#src/key-usage/usage-writer.ts';
import { systemRandom } from '#src/random.ts';
import { Authorizations } from '#src/tokens/authorization.ts';
import { after, days, hours, minutes, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const ISSUER = 'https://id.example.com';
const KEY = { kid: 'first', alg: 'ES256' } as const;
const REFRESH = { idle: days(14), absolute: days(90), grace: seconds(10) };

async function openUsage() {
  await using opened = new AsyncDisposableStack();
  const { clock, records } = opened.use(await openTemporaryStore());
  const faults: unknown[] = [];
  const startNode = (over: Partial<UsageWriterPorts> = {}) => {
    const counter = new UsageCounter({ clock, issuer: ISSUER });
    const onFault = (fault: unknown) => void faults.push(fault);
    const common = { counter, records, clock, random: systemRandom, onFault };
    const writer = new UsageWriter({ ...common, writeEvery: seconds(10), usesKept: days(400), ...over });
    const sign = (lifetime = minutes(5), aud = 'https://api.example.com', key = KEY) =>
      counter.note(key, {
        typ: 'at+jwt',
        claims: { client_id: 'web', aud, exp: after(clock.now(), lifetime) },
      });
    return { counter, writer, sign };
  };
  const closing = opened.move();
  return {
    clock,
    records,
    faults,
    startNode,
    usage: new KeyUsage({ records, refreshLifetimes: REFRESH }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

describe('the tokens of a key that have not expired', () => {
  test('are counted together over all servers, and over each lifetime of a server', async () => {
    await using world = await openUsage();
    const { clock, usage } = world;
    const [one, two] = [world.startNode(), world.startNode()];
    one.sign();
    one.sign();
    two.sign(minutes(10));
    await one.writer[Symbol.asyncDispose]();
    await two.writer.write();
    const restarted = world.startNode();
    restarted.sign();
    await restarted.writer.write();
    const { byKid, countedAt } = await usage.tokens(clock.now());
    assert.deepEqual(byKid.get('first'), {
      access: 4,
      id: 0,
      lastExpiresAt: after(clock.now(), minutes(10)),
    });
    assert.equal(countedAt, clock.now());
    clock.move(minutes(5));
    assert.equal((await usage.tokens(clock.now())).byKid.get('first')?.access, 1);
    clock.move(minutes(5));
    assert.deepEqual([...(await usage.tokens(clock.now())).byKid], []);
  });

  test('are as many at least after kill -9, with what had been written down', async () => {
    await using world = await openUsage();
    const { clock, usage } = world;
    const killed = world.startNode();
    killed.sign();
    await killed.writer.write();
    clock.move(seconds(9));
    killed.sign();
    const { byKid, countedAt } = await usage.tokens(clock.now());
    assert.equal(byKid.get('first')?.access, 1);
    assert.equal(countedAt, clock.now() - 9);
  });

  test('are written down every so often, also after a fault, which costs no token its place', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    await using world = await openUsage();
    const { clock, usage, records, faults } = world;
    let fails = true;
    const node = world.startNode({
      records: {
        put: (record) => (fails ? Promise.reject(new Error('the disk is full')) : records.put(record)),
      },
    });
    node.writer.start();
    node.sign();
    context.mock.timers.tick(10_000);
    while (faults.length === 0) await setImmediate();
    await setImmediate();
    node.sign();
    fails = false;
    context.mock.timers.tick(10_000);
    await node.writer[Symbol.asyncDispose]();
    assert.equal(faults.length, 1);
    assert.equal((await usage.tokens(clock.now())).byKid.get('first')?.access, 2);
  });
});

describe('who was last given something by an algorithm', () => {
  test('is told with when, whichever server it was, and forgotten after a long time', async () => {
    await using world = await openUsage();
    const { clock, usage } = world;
    const [one, two] = [world.startNode(), world.startNode()];
    one.sign();
    await one.writer.write();
    clock.move(hours(1));
    two.sign();
    await two.writer.write();
    const lastAt = clock.now();
    const all = async () =>
      (await Array.fromAsync(usage.uses())).toSorted((a, b) => (a.role < b.role ? -1 : 1));
    assert.deepEqual(await all(), [
      { alg: 'ES256', role: 'holder', name: 'web', lastAt },
      { alg: 'ES256', role: 'resource-server', name: 'https://api.example.com', lastAt },
    ]);
    clock.move(days(400));
    assert.deepEqual(await all(), []);
  });

  test('is written down in bounded steps, and all of it when the server stops', async () => {
    await using world = await openUsage();
    const node = world.startNode();
    for (let each = 0; each < 700; each += 1) node.sign(minutes(5), `https://api-${each}.example.com`);
    const known = async () => (await Array.fromAsync(world.usage.uses())).length;
    await node.writer.write();
    assert.equal(await known(), 500);
    await node.writer[Symbol.asyncDispose]();
    assert.equal(await known(), 701);
  });
});

describe('the sign-ins that a refresh key has signed for', () => {
  test('are the families whose current token is by it, and whose authorization stands', async () => {
    await using deployment = await deploy();
    const { clock, records } = deployment;
    const { rotation } = await deployment.startNode({ ...POLICY, algorithms: ['ES256'] });
    const authorizations = new Authorizations({
      records,
      clock,
      lifetimes: { refresh: REFRESH, longestToken: hours(1) },
    });
    const open = async (id: string, subject: string) => {
      const common = { clientId: 'web', signedInAt: clock.now(), grant: {}, family: null, sessionUid: null };
      await authorizations.open(id, { subject, ...common });
      await authorizations.startFamily(id, {});
    };
    for (const id of ['one', 'two', 'three', 'four']) await open(id, id === 'one' ? 'ada' : 'bob');
    await authorizations.open('unrefreshed', {
      subject: 'eve',
      clientId: 'web',
      signedInAt: clock.now(),
      grant: {},
      family: null,
      sessionUid: null,
    });
    const [active] = (await rotation.list()).filter(
      ({ alg, state }) => alg === 'HS256' && state === 'active',
    );
    const [turned] = await rotation.rotate({ alg: 'HS256' });
    assert.ok(active && turned);
    clock.move(seconds(60));
    await authorizations.use('two', 1);
    await authorizations.end('four');
    const usage = new KeyUsage({ records, refreshLifetimes: REFRESH });
    const count = async (max = 100) =>
      usage.signIns((await rotation.refresh()).ring, { now: clock.now(), max });
    const { byKid, complete } = await count();
    assert.equal(complete, true);
    const started = clock.now() - 60;
    assert.deepEqual(byKid.get(active.kid), {
      families: 2,
      people: new Set(['ada', 'bob']),
      lastExpiresAt: started + REFRESH.idle,
    });
    assert.deepEqual(byKid.get(turned.kid), {
      families: 1,
      people: new Set(['bob']),
      lastExpiresAt: clock.now() + REFRESH.idle,
    });
    assert.equal((await count(2)).complete, false);

    await rotation.revoke(active.kid, 'stolen');
    assert.equal((await count()).byKid.get(active.kid)?.families, 2, 'those are the ones that have ended');
    await open('five', 'eve');
    await rotation.revoke(turned.kid, 'stolen too');
    assert.equal((await count()).byKid.get(turned.kid)?.families, 2, 'with the one of the same second');
    clock.move(days(14));
    assert.equal((await count()).byKid.size, 0);
  });
});
