import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KnownReader, Readers } from '#src/jwks-readers/reader.ts';
import { type LackedKey, ReadinessGate, type ReadinessPolicy } from '#src/jwks-readers/readiness-gate.ts';
import { newResourceServer, type ResourceServer } from '#src/resources/resource-server.ts';
import { type DueKey, turnsSoon } from '#src/signing/ring-plan.ts';
import { after, days, type EpochSeconds, minutes, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { newRing, settled, standby, start } from '#test/signing/rings.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';

const ISSUER = 'https://id.example.com';
const KEY: DueKey = { alg: 'ES256', kid: 'next', due: after(start, days(90)) };

let count = 0;
function server(registration: object = {}): ResourceServer {
  count += 1;
  return newResourceServer(
    { identifier: `https://api-${count}.example.com`, ...registration },
    {
      issuer: ISSUER,
      algorithms: algorithmsWith('ES256', 'RS256'),
      accessTokenLifetimeMax: minutes(60),
      clientId: `${count}`,
      now: start,
    },
  );
}

const seen = (...kids: string[]): KnownReader['proven'] => ({
  lastAt: start,
  keys: Object.fromEntries(kids.map((kid) => [kid, start])),
  program: null,
  network: null,
});

/** A gate and what it sees, which can be changed. */
function open(over: { policy?: ReadinessPolicy; lookEvery?: number } = {}) {
  const world = { servers: [] as ResourceServer[], known: new Map<string, KnownReader>(), looks: 0 };
  const told: LackedKey[] = [];
  const gate = new ReadinessGate({
    readers: {
      all: async (): Promise<Readers> => {
        world.looks += 1;
        return { known: world.known, named: [], anonymous: [] };
      },
    },
    resources: {
      list: async function* () {
        yield* world.servers;
      },
    },
    policy: over.policy ?? 'wait',
    waitMax: days(7),
    lookEvery: seconds(over.lookEvery ?? 0),
  });
  gate.watch((lacked) => void told.push(lacked));
  const add = (reader: KnownReader | null, registration?: object) => {
    const added = server(registration);
    world.servers.push(added);
    if (reader !== null) world.known.set(added.clientId, reader);
    return added;
  };
  const held = async (now: EpochSeconds = KEY.due) => [...(await gate.held([KEY], now))];
  return { world, told, gate, add, held };
}

const proven = (...kids: string[]): KnownReader => ({ proven: seen(...kids), said: null });
const said = (...kids: string[]): KnownReader => ({ proven: null, said: seen(...kids) });

describe('the readiness gate', () => {
  test('holds a key that a resource server has not fetched, and lets it go once it has', async () => {
    const { world, add, held } = open();
    const ready = add(proven('now', 'next'));
    assert.deepEqual(await held(), []);
    world.known.set(ready.clientId, proven('now'));
    assert.deepEqual(await held(), ['next']);
    world.known.set(ready.clientId, said('now', 'next'));
    assert.deepEqual(await held(), []);
  });

  test('is held up by nobody who never showed who it is', async () => {
    const { add, held } = open();
    add(null);
    assert.deepEqual(await held(), []);
  });

  test('is held up by nobody who does not need the key', async () => {
    const { add, held } = open();
    add(proven('now'), { tokenFormat: 'opaque' });
    add(proven('now'), { signingAlgorithm: 'RS256' });
    assert.deepEqual(await held(), []);
  });

  test('believes what is only said, until the resource server has proved who it is', async () => {
    const { world, add, held } = open();
    const api = add(said('now'));
    assert.deepEqual(await held(), ['next']);
    world.known.set(api.clientId, { proven: seen('now'), said: seen('now', 'next') });
    assert.deepEqual(await held(), ['next'], 'a stranger cannot make it ready');
    world.known.set(api.clientId, { proven: seen('now', 'next'), said: seen('now') });
    assert.deepEqual(await held(), [], 'nor hold the key up');
  });

  test('holds a key no longer than the longest wait, to the second', async () => {
    const { add, held } = open();
    add(proven('now'));
    const last = after(KEY.due, seconds(days(7) - 1));
    assert.deepEqual(await held(last), ['next']);
    assert.deepEqual(await held(after(last, seconds(1))), []);
  });

  test('tells who is missing, once for each news, and when it waits no longer', async () => {
    const { world, told, add, held } = open();
    const first = add(proven('now'));
    await held();
    await held(after(KEY.due, seconds(1)));
    const second = add(said('now'));
    await held();
    world.known.set(first.clientId, proven('next'));
    await held();
    await held(after(KEY.due, days(7)));
    await held(after(KEY.due, days(8)));
    const until = after(KEY.due, days(7));
    assert.deepEqual(
      told.map(({ lackedBy, heldUntil }) => [
        lackedBy.map(({ resourceServer }) => resourceServer.identifier),
        heldUntil,
      ]),
      [
        [[first.identifier], until],
        [[first.identifier, second.identifier], until],
        [[second.identifier], until],
        [[second.identifier], null],
      ],
    );
  });

  test('with the policy warn holds nothing and tells; with proceed it does not even look', async () => {
    const warning = open({ policy: 'warn' });
    warning.add(proven('now'));
    assert.deepEqual(await warning.held(), []);
    assert.deepEqual(
      warning.told.map(({ kid, heldUntil }) => [kid, heldUntil]),
      [['next', null]],
    );
    const proceeding = open({ policy: 'proceed' });
    proceeding.add(proven('now'));
    assert.deepEqual(await proceeding.held(), []);
    assert.deepEqual([proceeding.told, proceeding.world.looks], [[], 0]);
  });

  test('looks again only when there can be news', async () => {
    const { world, add, held } = open({ lookEvery: 5 });
    add(proven('now'));
    for (let second = 0; second < 10; second += 1) await held(after(KEY.due, seconds(second)));
    assert.equal(world.looks, 2);
    await held(after(KEY.due, seconds(-100)));
    assert.equal(world.looks, 3, 'a clock that was set back does not blind it');
  });
});

test('a key is held from before its turn until everyone has it, and then signs as soon as all nodes know', async () => {
  const { world, add, gate } = open();
  const api = add(proven('something else'));
  let ring = newRing(start);
  const { kid } = standby(ring, start);
  let now = start;
  const pass = async (length: number) => {
    for (const until = after(now, seconds(length)); now < until; now = after(now, seconds(60))) {
      const coming = turnsSoon(ring, POLICY, now);
      ring = settled(ring, now, POLICY, coming.length > 0 ? await gate.held(coming, now) : undefined);
    }
  };
  now = after(start, seconds(days(90) - 3600));
  await pass(days(3));
  assert.equal(standby(ring, now).kid, kid, 'three days later it still waits');
  world.known.set(api.clientId, proven(kid));
  await pass(120);
  assert.notEqual(standby(ring, now).kid, kid);
});
