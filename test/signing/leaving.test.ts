import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { knownToAllFrom, leavingAlgorithms } from '#src/signing/leaving.ts';
import { settlingTime } from '#src/signing/ring-policy.ts';
import { after, days, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';

const BOTH = { ...POLICY, algorithms: ['ES256', 'RS256'] } as const;
const ONE = { ...POLICY, algorithms: ['ES256'] } as const;

describe('an algorithm that the settings name no longer', () => {
  test('is leaving for as long as a key signs with it, rotations or not, until it is given up', async () => {
    await using deployment = await deploy();
    const { clock } = deployment;
    await deployment.startNode(BOTH);
    const { rotation, holder } = await deployment.startNode(ONE);
    const leaving = () => leavingAlgorithms(rotation.held.ring, ONE, clock.now());
    assert.deepEqual(leaving(), ['RS256']);
    clock.move(days(365));
    await rotation.maintain();
    assert.deepEqual(leaving(), ['RS256']);
    assert.equal(holder.signs('RS256'), true);
    await rotation.end('RS256');
    assert.deepEqual(leaving(), []);
    assert.equal(holder.signs('RS256'), false);
  });

  test('is not one that the settings name, nor that of refresh tokens', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode(BOTH);
    assert.deepEqual(leavingAlgorithms(rotation.held.ring, BOTH, deployment.clock.now()), []);
  });
});

describe('the key of an algorithm is known to all', () => {
  test('from the first ring on, for nobody can hold an older one', async () => {
    await using deployment = await deploy();
    const { rotation } = await deployment.startNode(ONE);
    const now = deployment.clock.now();
    assert.equal(knownToAllFrom(rotation.held.ring, ONE, { alg: 'ES256', now }), now);
    assert.equal(knownToAllFrom(rotation.held.ring, ONE, { alg: 'RS256', now }), null);
  });

  test('when every cache that lacks it has run out, if the algorithm is new', async () => {
    await using deployment = await deploy();
    const { clock } = deployment;
    await deployment.startNode(ONE);
    clock.move(seconds(1));
    const { rotation } = await deployment.startNode(BOTH);
    const now = clock.now();
    const settled = after(now, settlingTime(BOTH, 'jwks'));
    assert.equal(knownToAllFrom(rotation.held.ring, BOTH, { alg: 'RS256', now }), settled);
  });
});
