import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { Refusal, SetupFault, StorageFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import { generateKey } from '#src/signing/algorithm.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import { keyRevocationEntry } from '#src/signing/rotation.ts';
import { after, days, epochSeconds, hours, minutes, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';

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
    await rotation.rotate({ alg: 'ES256' });
    const [again] = await rotation.rotate({ alg: 'ES256' });
    assert.equal(again?.outcome, 'scheduled');
    assert.equal(again?.signsFrom, after(deployment.clock.now(), seconds(600 + 5 + 30)));
    assert.deepEqual(await rotation.rotate({ alg: 'ES256' }), [again]);
  });

  test('by two nodes at the same moment happens once', async () => {
    await using deployment = await deploy();
    const nodes = [await deployment.startNode(), await deployment.startNode()];
    const outcomes = await Promise.all(nodes.map(({ rotation }) => rotation.rotate({ alg: 'ES256' })));
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
    await assert.rejects(rotation.rotate({ alg: 'ES384' }), (error) => {
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

  test('that is cut off leaves no key that signs what is inactive from birth, and is completed by another', async () => {
    await using deployment = await deploy();
    const { records } = deployment;
    const { rotation } = await deployment.startNode(POLICY, {
      records: {
        find: records.find.bind(records),
        put: records.put.bind(records),
        readLog: records.readLog.bind(records),
        revoke: () => Promise.reject(new StorageFault('cut off')),
      },
    });
    const [leaked] = await rotation.list();
    assert.ok(leaked);
    await assert.rejects(rotation.revoke(leaked.kid, 'leaked'), StorageFault);
    assert.equal((await rotation.list())[0]?.state, 'revoked');
    assert.equal(await records.anyRevoked([keyRevocationEntry(leaked.kid)]), false);
    const { rotation: again } = await deployment.startNode();
    assert.deepEqual(await again.revoke(leaked.kid, 'leaked'), { outcome: 'already-revoked' });
    assert.equal(await records.anyRevoked([keyRevocationEntry(leaked.kid)]), true);
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

describe('an undoing', () => {
  test('brings back the key before, of every algorithm that has one', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const [first] = await rotation.list();
    await rotation.rotate({ alg: 'ES256' });
    const outcomes = await rotation.undo();
    assert.deepEqual(
      outcomes.map(({ alg, outcome }) => `${alg} ${outcome}`),
      ['ES256 signs-now', 'RS256 nothing-before', 'HS256 nothing-before'],
    );
    assert.equal(outcomes[0]?.kid, first?.kid);
    assert.equal((await rotation.list())[0]?.state, 'active');
  });

  test('calls off a rotation that has not begun, and brings back no key', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    await rotation.rotate();
    deployment.clock.move(minutes(1));
    const [coming] = await rotation.rotate({ alg: 'ES256' });
    assert.equal(coming?.outcome, 'scheduled');
    const before = await rotation.list();
    const nodes = [rotation, (await deployment.startNode()).rotation];
    const outcomes = await Promise.all(nodes.map((each) => each.undo({ alg: 'ES256' })));
    const active = before.find(({ alg, state }) => alg === 'ES256' && state === 'active');
    assert.deepEqual(outcomes.map(([each]) => [each?.outcome, each?.kid]).sort(), [
      ['already-rotated', active?.kid],
      ['called-off', coming.kid],
    ]);
    const [after] = (await rotation.list()).filter(({ kid }) => kid === coming.kid);
    assert.equal(after?.state, 'next');
    assert.equal(after?.signsFrom, (active?.signsFrom ?? 0) + POLICY.rotateEvery);
    const { events } = await rotation.history({ after: 0, limit: 100 });
    assert.deepEqual([events.at(-1)?.what, events.at(-1)?.kid], ['postpone', coming.kid]);
  });

  test('by two nodes at the same moment happens once', async () => {
    await using deployment = await deploy();
    const nodes = [await deployment.startNode(), await deployment.startNode()];
    const [first] = (await nodes[0]?.rotation.list()) ?? [];
    await nodes[0]?.rotation.rotate({ alg: 'ES256' });
    const outcomes = await Promise.all(nodes.map(({ rotation }) => rotation.undo({ alg: 'ES256' })));
    assert.deepEqual(outcomes.map(([each]) => each?.outcome).sort(), ['already-rotated', 'signs-now']);
    assert.ok(outcomes.every(([each]) => each?.kid === first?.kid));
  });
});

describe('a rotation that was asked for before another one came', () => {
  test('leaves that alone, and so does an undoing', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const since = epochSeconds(deployment.clock.now() - 1);
    const [first] = await rotation.rotate({ alg: 'ES256', since });
    assert.equal(first?.outcome, 'signs-now', 'that the first key began then is no rotation');
    const late = [
      await rotation.rotate({ alg: 'ES256', since, breakGlass: 'twice' }),
      await rotation.undo({ alg: 'ES256', since }),
    ];
    for (const [each] of late) assert.deepEqual(each, { ...first, outcome: 'already-rotated' });
    const [next] = await rotation.rotate({
      alg: 'ES256',
      since: deployment.clock.now(),
      breakGlass: 'once more',
    });
    assert.equal(next?.outcome, 'signs-now');
  });
});

describe('a key from elsewhere', () => {
  test('enters the ring once, as the next one to sign', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode();
    const imported = await generateKey('ES256', systemRandom);
    const outcome = await rotation.import(imported);
    assert.equal(outcome.outcome, 'scheduled');
    const listed = (await rotation.list()).find(({ kid }) => kid === imported.kid);
    assert.equal(listed?.state, 'next');
    assert.equal(listed?.signsFrom, outcome.signsFrom);
    await assert.rejects(rotation.import(imported), hasCode('key_exists'));
    await assert.rejects(rotation.import({ ...imported, alg: 'ES384' }), hasCode('unknown_algorithm'));
  });
});

describe('a rehearsal', () => {
  test('publishes a key for a while that never signs, and withdraws it', async () => {
    await using deployment = await deploy();
    const { rotation, holder } = await deployment.startNode();
    const { kid: signing } = holder.signer('ES256');
    const until = after(deployment.clock.now(), minutes(5));
    const { kid } = await rotation.rehearse('ES256', until);
    assert.ok(holder.jwks().body.includes(kid));
    assert.equal(holder.signer('ES256').kid, signing);
    await rotation.withdraw(kid);
    assert.ok(!holder.jwks().body.includes(kid));
    const { version } = rotation.held;
    await rotation.withdraw(signing);
    assert.equal((await rotation.refresh()).version, version);
  });

  test('that nobody ends is over at its time', async () => {
    await using deployment = await deploy();
    const { rotation, holder } = await deployment.startNode();
    const { kid } = await rotation.rehearse('ES256', after(deployment.clock.now(), minutes(5)));
    deployment.clock.move(minutes(5));
    assert.ok(!holder.jwks().body.includes(kid));
    await rotation.maintain();
    assert.ok(!kidsOf(await rotation.list()).includes(kid));
  });
});

test('a standby that is held does not begin by the schedule, on any node', async () => {
  await using deployment = await deploy();
  const held = new Set<string>();
  const ports = { held: async () => held };
  const nodes = [await deployment.startNode(POLICY, ports), await deployment.startNode(POLICY, ports)];
  const [first, standby] = (await nodes[0]?.rotation.list()) ?? [];
  assert.ok(first && standby);
  held.add(standby.kid);
  deployment.clock.move(seconds(POLICY.rotateEvery - 60));
  await nodes[0]?.rotation.maintain();
  await nodes[1]?.rotation.refresh();
  deployment.clock.move(seconds(120));
  for (const { holder } of nodes) assert.equal(holder.signer('ES256').kid, first.kid);
  held.clear();
  await nodes[1]?.rotation.maintain();
  await nodes[0]?.rotation.refresh();
  deployment.clock.move(seconds(35));
  for (const { holder } of nodes) assert.equal(holder.signer('ES256').kid, standby.kid);
});

test('an algorithm is given up only when the settings no longer name it', async () => {
  await using deployment = await deploy();
  const { rotation } = await deployment.startNode();
  await assert.rejects(rotation.end('RS256'), hasCode('algorithm_in_use'));
  const without = await deployment.startNode({ ...POLICY, algorithms: ['ES256'] });
  assert.equal(without.holder.signer('RS256').alg, 'RS256', 'it goes on until it is given up');
  await without.rotation.end('RS256');
  assert.throws(() => without.holder.signer('RS256'), RangeError);
  const states = (await without.rotation.list())
    .filter(({ alg }) => alg === 'RS256')
    .map(({ state }) => state);
  assert.deepEqual(states, ['retired']);
});

test('what happened to the keys can be read afterwards, by whom and why, written with the change itself', async () => {
  await using deployment = await deploy();
  const { rotation } = await deployment.startNode();
  const [first] = await rotation.list();
  assert.ok(first);
  await rotation.rotate({ alg: 'ES256' });
  await rotation.undo({ alg: 'ES256' });
  await rotation.rotate({ alg: 'RS256', breakGlass: 'a laptop was lost' });
  await rotation.revoke(first.kid, 'found in a log');
  const { events, atEnd } = await rotation.history({ after: 0, limit: 100 });
  assert.equal(atEnd, true);
  assert.deepEqual(
    events.filter(({ what }) => what !== 'stage').map(({ what, alg, kid }) => [what, alg, kid === first.kid]),
    [
      ['rotate', 'ES256', false],
      ['undo', 'ES256', true],
      ['rotate', 'RS256', false],
      ['revoke', 'ES256', true],
      ['reschedule', 'ES256', false],
    ],
  );
  const broken = events.find(({ alg, what }) => alg === 'RS256' && what === 'rotate');
  assert.deepEqual([broken?.brokeGlass, broken?.reason], [true, 'a laptop was lost']);
  assert.equal(events.at(-1)?.at, deployment.clock.now());
  const beginning = events.filter(({ what, signsFrom, at }) => what === 'stage' && signsFrom === at);
  assert.deepEqual(beginning.map(({ kid }) => kid).includes(first.kid), true);
  assert.deepEqual(beginning.map(({ alg }) => alg).toSorted(), ['ES256', 'HS256', 'RS256']);
  const reasonless = rotation.rotate({ breakGlass: '  ' });
  await assert.rejects(reasonless, hasCode('reason_missing'));
});

const hasCode = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

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
