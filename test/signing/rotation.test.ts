import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { Refusal, SetupFault, StorageFault } from '#src/fault.ts';
import { type KeyListing, keyRevocationEntry } from '#src/signing/rotation.ts';
import { after, days, hours, minutes, seconds } from '#src/units.ts';
import { deploy, POLICY } from '#test/signing/signing-nodes.ts';

const counted = (keys: readonly KeyListing[], state: string) =>
  keys.filter((key) => key.state === state).length;
const kidsOf = (keys: readonly KeyListing[]) => keys.map(({ kid }) => kid);

describe('the first start', () => {
  test('makes an active and a next key for each algorithm and for refresh tokens', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const keys = await rotation.list();
    assert.deepEqual(
      keys.map(({ alg, purpose, state }) => `${alg} ${purpose} ${state}`),
      [
        'ES256 jwks active',
        'ES256 jwks next',
        'RS256 jwks active',
        'RS256 jwks next',
        'HS256 refresh active',
        'HS256 refresh next',
      ],
    );
  });

  test('of several nodes at once makes one ring', async () => {
    await using deployment = await deploy();
    const nodes = await Promise.all([1, 2, 3].map(() => deployment.startNode()));
    const [first, ...others] = await Promise.all(nodes.map(({ rotation }) => rotation.list()));
    for (const other of others) assert.deepEqual(other, first);
  });

  test('is followed by starts that find the same ring', async () => {
    await using deployment = await deploy();
    const before = await (await deployment.startNode()).rotation.list();
    assert.deepEqual(await (await deployment.startNode()).rotation.list(), before);
  });

  test('is refused with settings that contradict each other', async () => {
    await using deployment = await deploy();
    await assert.rejects(deployment.startNode({ ...POLICY, rotateEvery: minutes(10) }), SetupFault);
  });
});

describe('a scheduled rotation', () => {
  test('of several nodes at once is written once', async () => {
    await using deployment = await deploy();
    const nodes = await Promise.all([1, 2, 3].map(() => deployment.startNode()));
    deployment.clock.move(POLICY.rotateEvery);
    const done = await Promise.all(nodes.map(({ rotation }) => rotation.maintain()));
    assert.deepEqual(done.map((steps) => steps.length).sort(), [0, 0, 3]);
    const keys = await (nodes[0] as (typeof nodes)[0]).rotation.list();
    assert.deepEqual([counted(keys, 'retired'), counted(keys, 'active'), counted(keys, 'next')], [3, 3, 3]);
  });

  test('ends with the removal of the retired key when its last token has expired', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const [first] = await rotation.list();
    assert.ok(first?.removedAt);
    deployment.clock.move(seconds(first.removedAt - deployment.clock.now() - 1));
    await rotation.maintain();
    assert.ok(kidsOf(await rotation.list()).includes(first.kid));
    deployment.clock.move(seconds(1));
    await rotation.maintain();
    assert.ok(!kidsOf(await rotation.list()).includes(first.kid));
  });

  test('finds nothing to do when nothing is due, and writes nothing', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const { version } = rotation.held;
    deployment.clock.move(days(89));
    assert.deepEqual(await rotation.maintain(), []);
    assert.equal((await rotation.refresh()).version, version);
  });
});

describe('a rotation by hand', () => {
  test('turns every algorithm, and the refresh key when all nodes have heard of it', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const now = deployment.clock.now();
    const outcomes = await rotation.rotate();
    assert.deepEqual(
      outcomes.map(({ alg, outcome, signsFrom }) => ({ alg, outcome, in: signsFrom - now })),
      [
        { alg: 'ES256', outcome: 'signs-now', in: 0 },
        { alg: 'RS256', outcome: 'signs-now', in: 0 },
        { alg: 'HS256', outcome: 'scheduled', in: 35 },
      ],
    );
    const keys = await rotation.list();
    assert.equal(keys.find(({ kid }) => kid === outcomes[0]?.kid)?.state, 'active');
    assert.deepEqual(
      keys.filter(({ alg }) => alg === 'ES256').map(({ state }) => state),
      ['retired', 'active', 'next'],
    );
  });

  test('right after another is scheduled for when every cache has the key', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    await rotation.rotate('ES256');
    const [again] = await rotation.rotate('ES256');
    assert.equal(again?.outcome, 'scheduled');
    assert.equal(again?.signsFrom, after(deployment.clock.now(), seconds(600 + 5 + 30)));
    assert.deepEqual(await rotation.rotate('ES256'), [again]);
  });

  test('by two nodes at the same moment happens once', async () => {
    await using deployment = await deploy();
    const nodes = [await deployment.startNode(), await deployment.startNode()];
    const outcomes = await Promise.all(nodes.map(({ rotation }) => rotation.rotate('ES256')));
    const [one, two] = outcomes.map(([outcome]) => outcome);
    assert.deepEqual([one?.outcome, two?.outcome].sort(), ['already-rotated', 'signs-now']);
    assert.equal(one?.kid, two?.kid);
    const states = (await nodes[0]?.rotation.list())
      ?.filter(({ alg }) => alg === 'ES256')
      .map(({ state }) => state);
    assert.deepEqual(states, ['retired', 'active', 'next']);
  });

  test('of an algorithm that is not in the settings is refused', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    await assert.rejects(rotation.rotate('ES384'), (error) => {
      return error instanceof Refusal && error.code === 'unknown_algorithm';
    });
  });
});

describe('a revocation', () => {
  test('of the active key ends its tokens on every node, and another key signs', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const [leaked] = await rotation.list();
    assert.ok(leaked);
    const revoked = await rotation.revoke(leaked.kid, 'found in a log');
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(revoked.successor?.cachesMayLackIt, false);
    assert.equal(await deployment.records.anyRevoked([keyRevocationEntry(leaked.kid)]), true);
    const keys = (await rotation.list()).filter(({ alg }) => alg === 'ES256');
    assert.deepEqual(
      keys.map(({ state }) => state),
      ['revoked', 'active', 'next'],
    );
    assert.equal(keys[0]?.reason, 'found in a log');
    assert.equal(keys[0]?.revokedAt, deployment.clock.now());
  });

  test('is remembered until the last token of the key has expired everywhere', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const [leaked] = await rotation.list();
    assert.ok(leaked);
    await rotation.revoke(leaked.kid, 'found in a log');
    deployment.clock.move(seconds(hours(1) + 5 + 30));
    await rotation.maintain();
    assert.equal(await deployment.records.anyRevoked([keyRevocationEntry(leaked.kid)]), true);
    assert.ok(kidsOf(await rotation.list()).includes(leaked.kid));
    deployment.clock.move(seconds(30));
    await rotation.maintain();
    assert.ok(!kidsOf(await rotation.list()).includes(leaked.kid));
  });

  test('forgets the private part in the store as well', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    for (const { kid } of await rotation.list()) await rotation.revoke(kid, 'all of them');
    const { ring } = await rotation.refresh();
    for (const key of ring.keys.filter(({ revoked }) => revoked !== null)) {
      assert.equal(key.jwk.d ?? key.jwk.k, undefined);
    }
    assert.deepEqual(
      [counted(await rotation.list(), 'active'), counted(await rotation.list(), 'next')],
      [3, 3],
    );
  });

  test('by two nodes at the same moment happens once', async () => {
    await using deployment = await deploy();
    const nodes = [await deployment.startNode(), await deployment.startNode()];
    const [leaked] = (await nodes[0]?.rotation.list()) ?? [];
    assert.ok(leaked);
    const outcomes = await Promise.all(nodes.map(({ rotation }) => rotation.revoke(leaked.kid, 'leaked')));
    assert.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ['already-revoked', 'revoked']);
    const keys = (await nodes[1]?.rotation.list())?.filter(({ alg }) => alg === 'ES256');
    assert.deepEqual(
      keys?.map(({ state }) => state),
      ['revoked', 'active', 'next'],
    );
  });

  test('of a key that is not there changes nothing', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const { version } = rotation.held;
    assert.deepEqual(await rotation.revoke('nobody', 'guess'), { outcome: 'no-such-key' });
    assert.equal((await rotation.refresh()).version, version);
    assert.equal(await deployment.records.anyRevoked([keyRevocationEntry('nobody')]), false);
    await assert.rejects(rotation.revoke('nobody', 'x'.repeat(201)), Refusal);
  });
});

test('neither listing nor printing shows a private key', async () => {
  await using deployment = await deploy();
  const { rotation, holder } = await deployment.startNode();
  const shown = [await rotation.list(), rotation, holder].map((each) =>
    inspect(each, { depth: 9, showHidden: true }),
  );
  const secrets = rotation.held.ring.keys.map(({ jwk }) => String(jwk.d ?? jwk.k));
  assert.equal(secrets.length, 6);
  for (const secret of secrets) assert.ok(!shown.join().includes(secret));
  assert.ok(!JSON.stringify([await rotation.list(), rotation, holder]).includes('"d"'));
});

test('a ring that has vanished from the store is a fault, and is not made anew behind the back of those who hold it', async () => {
  await using deployment = await deploy();
  const { rotation } = await deployment.startNode();
  await deployment.records.remove('key-ring', 'signing');
  await assert.rejects(rotation.refresh(), StorageFault);
  await assert.rejects(rotation.rotate(), StorageFault);
  assert.equal(rotation.held.ring.keys.length, 6);
});
