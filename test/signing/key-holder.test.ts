import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { StorageFault } from '#src/fault.ts';
import { parseJwt, signJwt, verifyJwt } from '#src/signing/jws.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';

const keysOf = (holder: KeyHolder) => (JSON.parse(holder.jwks().body.toString()) as JSONWebKeySet).keys;

/** Without RSA, whose keys take long to make. */
const QUICK: RingPolicy = { ...POLICY, algorithms: ['ES256', 'EdDSA'] };

describe('the JWK Set', () => {
  test('has the active and the next key of each algorithm, with public members only (RFC 7517 section 9.3)', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode();
    const members = keysOf(holder).map((key) => Object.keys(key).sort().join());
    assert.deepEqual(members, [
      'alg,crv,kid,kty,use,x,y',
      'alg,crv,kid,kty,use,x,y',
      'alg,e,kid,kty,n,use',
      'alg,e,kid,kty,n,use',
    ]);
  });

  test('is the same on every node, byte for byte', async () => {
    await using deployment = await deploy();
    const [one, two] = [await deployment.startNode(QUICK), await deployment.startNode(QUICK)];
    assert.deepEqual(one.holder.jwks(), two.holder.jwks());
  });

  test('changes when a key enters or leaves it, and at no other time', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode(QUICK);
    const begin = holder.jwks();
    deployment.clock.move(seconds(POLICY.rotateEvery - 1));
    assert.equal(holder.jwks(), begin);
    deployment.clock.move(seconds(1));
    assert.deepEqual(holder.jwks(), begin, 'the standby signs, and stands in the set as before');
    await rotation.maintain();
    const staged = holder.jwks();
    assert.notEqual(staged.etag, begin.etag);
    assert.equal(keysOf(holder).length, 6);
    deployment.clock.move(seconds(POLICY.longestToken + 5 + 60));
    assert.equal(
      keysOf(holder).length,
      4,
      'retired keys leave by the clock, before anyone has tidied the ring',
    );
    assert.match(holder.jwks().etag, /^"[\w-]+"$/);
    const left = holder.jwks();
    await rotation.maintain();
    assert.deepEqual(holder.jwks(), left);
  });

  test('never has a revoked key', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode(QUICK);
    const { kid } = holder.signer('ES256');
    await rotation.revoke(kid, 'leaked');
    assert.ok(!keysOf(holder).some((key) => key.kid === kid));
    assert.equal(holder.verifier(kid), null);
    assert.notEqual(holder.signer('ES256').kid, kid);
  });
});

describe('signing keys', () => {
  test('turn at the scheduled second, and the retired one verifies until its tokens have expired', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const first = holder.signer('ES256');
    deployment.clock.move(seconds(POLICY.rotateEvery - 1));
    assert.equal(holder.signer('ES256'), first);
    const jwt = parseJwt(await signJwt(first, { typ: 'at+jwt' }, {}));
    assert.ok(jwt);
    const verifies = () => verifyJwt(jwt, (kid) => holder.verifier(kid));
    deployment.clock.move(seconds(1));
    assert.notEqual(holder.signer('ES256').kid, first.kid);
    assert.equal(verifies(), true);
    deployment.clock.move(POLICY.longestToken);
    assert.equal(verifies(), true);
    deployment.clock.move(seconds(5 + 60));
    assert.equal(verifies(), false);
  });

  test('that the settings do not name are not there', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    assert.throws(() => holder.signer('RS256'), RangeError);
    assert.equal(holder.verifier('unknown'), null);
  });

  test('follow a corrected clock back', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const first = holder.signer('ES256').kid;
    deployment.clock.move(POLICY.rotateEvery);
    assert.notEqual(holder.signer('ES256').kid, first);
    deployment.clock.move(seconds(-POLICY.rotateEvery));
    assert.equal(holder.signer('ES256').kid, first);
    deployment.clock.move(seconds(-20));
    assert.equal(holder.signer('ES256').kid, first, 'also before the ring was made');
  });
});

describe('refresh keys', () => {
  test('are apart from the keys of the JWK Set', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const refresh = holder.refreshKeyAt(deployment.clock.now());
    assert.equal(holder.verifier(refresh.kid), null);
    assert.equal(holder.refreshKey(holder.signer('ES256').kid), null);
    assert.ok(!holder.jwks().body.includes(refresh.kid));
  });

  test('make the same signature on every node, also while a rotation has not reached one of them', async () => {
    await using deployment = await deploy();
    const { clock } = deployment;
    const [one, two] = [await deployment.startNode(QUICK), await deployment.startNode(QUICK)];
    const data = Buffer.from('header.claims');
    const signed: { at: EpochSeconds; signature: string }[] = [];
    const [rotated] = await one.rotation.rotate({ alg: 'HS256' });
    assert.ok(rotated);
    for (let second = 0; second < 40; second++) {
      if (second === POLICY.ringPoll) await two.rotation.refresh();
      const at = clock.now();
      const signature = two.holder.refreshKeyAt(at).sign(data).toString('base64url');
      assert.equal(one.holder.refreshKeyAt(at).sign(data).toString('base64url'), signature);
      signed.push({ at, signature });
      clock.move(seconds(1));
    }
    for (const { at, signature } of signed) {
      assert.equal(one.holder.refreshKeyAt(at).sign(data).toString('base64url'), signature);
    }
    assert.equal(new Set(signed.map(({ signature }) => signature)).size, 2);
    assert.equal(one.holder.refreshKeyAt(rotated.signsFrom).kid, rotated.kid);
    assert.notEqual(one.holder.refreshKeyAt(epochSeconds(rotated.signsFrom - 1)).kid, rotated.kid);
  });

  test('verify as long as the longest refresh token lives', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode(QUICK);
    const { kid } = holder.refreshKeyAt(deployment.clock.now());
    deployment.clock.move(seconds(POLICY.rotateEvery + POLICY.longestRefreshToken));
    await rotation.maintain();
    assert.equal(holder.refreshKey(kid)?.kid, kid);
    deployment.clock.move(seconds(5 + 60));
    assert.equal(holder.refreshKey(kid), null);
  });
});

test('rotations as fast as they may be cost no token and no cache anything, on two nodes', async () => {
  await using deployment = await deploy();
  const { clock } = deployment;
  const nodes = [await deployment.startNode(QUICK), await deployment.startNode(QUICK)] as const;
  const [rotating, following] = nodes;
  const served: { at: EpochSeconds; body: string }[] = [];
  const living: { token: string; exp: EpochSeconds }[] = [];
  const sets = new Map<string, ReturnType<typeof createLocalJWKSet>>();
  const verifies = (token: string, body: string) => {
    const set = sets.get(body) ?? createLocalJWKSet(JSON.parse(body));
    sets.set(body, set);
    return jwtVerify(token, set, { currentDate: new Date(clock.now() * 1000) });
  };
  const kids = new Set<string>();
  for (let round = 0; round < 60; round++) {
    await rotating.rotation.rotate();
    for (const { holder } of nodes) served.push({ at: clock.now(), body: holder.jwks().body.toString() });
    for (const { holder } of nodes) {
      for (const alg of QUICK.algorithms) {
        const signer = holder.signer(alg);
        const exp = after(clock.now(), POLICY.longestToken);
        living.push({ token: await signJwt(signer, { typ: 'at+jwt' }, { exp }), exp });
        kids.add(signer.kid);
      }
    }
    const cached = served.filter(({ at }) => after(at, POLICY.jwksMaxAge) > clock.now());
    const fresh = living.slice(-4);
    for (const body of new Set(cached.map((each) => each.body))) {
      for (const { token } of fresh) await verifies(token, body);
    }
    // The other node polls, and by then the clock has moved on a little less, or more, than one cache lifetime.
    clock.move(POLICY.ringPoll);
    await following.rotation.refresh();
    clock.move(seconds((round * 97) % 400));
    const valid = living.filter(({ exp }) => exp > clock.now());
    const body = following.holder.jwks().body.toString();
    for (const { token } of valid.filter((_, index) => index % 7 === round % 7)) await verifies(token, body);
  }
  assert.ok(kids.size > 20, `only ${kids.size} keys have signed`);
});

test('signing goes on while keys rotate in the same moment', async () => {
  await using deployment = await deploy();
  const { holder, rotation } = await deployment.startNode();
  const before = holder.jwks().body.toString();
  const tokens: Promise<string>[] = [];
  let rotated = false;
  const rotating = rotation.rotate().finally(() => {
    rotated = true;
  });
  const sign = () => {
    for (const alg of ['ES256', 'RS256'] as const) {
      tokens.push(Promise.resolve(signJwt(holder.signer(alg), { typ: 'at+jwt' }, {})));
    }
  };
  while (!rotated) {
    sign();
    await setImmediate();
  }
  sign();
  await rotating;
  const cached = createLocalJWKSet(JSON.parse(before));
  const kids = new Set<unknown>();
  for (const token of await Promise.all(tokens))
    kids.add((await jwtVerify(token, cached)).protectedHeader.kid);
  assert.equal(kids.size, 4);
});

describe('the poll', () => {
  /** Lets `ms` of mocked time pass, then waits for what the poll has set going. */
  async function pass(context: TestContext, ms: number, until: () => boolean): Promise<void> {
    context.mock.timers.tick(ms);
    while (!until()) await setImmediate();
  }

  test('turns a node to what another one has done', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    await using deployment = await deploy();
    const [one, two] = [await deployment.startNode(QUICK), await deployment.startNode(QUICK)];
    two.holder.start();
    const [rotated] = await one.rotation.rotate({ alg: 'ES256' });
    assert.notEqual(two.holder.signer('ES256').kid, rotated?.kid);
    await pass(context, 5000, () => two.holder.signer('ES256').kid === rotated?.kid);
    const { kid } = one.holder.signer('ES256');
    await one.rotation.revoke(kid, 'leaked');
    await pass(context, 5000, () => two.holder.verifier(kid) === null);
    assert.deepEqual(two.holder.jwks(), one.holder.jwks());
  });

  test('stages the next key once the standby signs', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    holder.start();
    deployment.clock.move(POLICY.rotateEvery);
    assert.equal(keysOf(holder).length, 4);
    await pass(context, 5000, () => keysOf(holder).length === 6);
  });

  test('that meets a fault reports it, signs on, and polls again', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    await using deployment = await deploy();
    const { holder, faults } = await deployment.startNode(QUICK);
    const { kid } = holder.signer('ES256');
    holder.start();
    await deployment.records.remove('key-ring', 'signing');
    await pass(context, 5000, () => faults.length === 1);
    await setImmediate();
    await pass(context, 5000, () => faults.length === 2);
    assert.ok(faults.every((fault) => fault instanceof StorageFault));
    assert.equal(holder.signer('ES256').kid, kid);
    deployment.clock.move(POLICY.rotateEvery);
    assert.notEqual(holder.signer('ES256').kid, kid, 'the scheduled rotation needs no store');
  });

  test('ends when the holder is disposed of', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    await using deployment = await deploy();
    const { holder, faults } = await deployment.startNode(QUICK);
    holder.start();
    await deployment.records.remove('key-ring', 'signing');
    await holder[Symbol.asyncDispose]();
    context.mock.timers.tick(60_000);
    await setImmediate();
    assert.deepEqual(faults, []);
  });
});
