import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GeneratedKey, JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  firstRing,
  type KeyRing,
  nextChange,
  publishedKeys,
  type SigningKeyRecord,
  standbyKey,
  stateOf,
} from '#src/signing/key-ring.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import { plan, revoke, rotateNow, settle } from '#src/signing/ring-plan.ts';
import { checkPolicy, type RingPolicy, retention, ringAlgorithms } from '#src/signing/ring-policy.ts';
import {
  after,
  days,
  type EpochSeconds,
  epochSeconds,
  hours,
  minutes,
  type Seconds,
  seconds,
} from '#src/units.ts';
import { type Deed, RingHistory } from '#test/signing/ring-history.ts';
import { fc } from '#test/support/properties.ts';

const start = epochSeconds(1_784_024_130);
const policy: RingPolicy = {
  algorithms: ['ES256', 'RS256'],
  rotateEvery: days(90),
  jwksMaxAge: minutes(10),
  longestToken: hours(1),
  longestRefreshToken: days(90),
  ringPoll: seconds(5),
  clockSkewMax: seconds(30),
};
/** jwksMaxAge + ringPoll + clockSkewMax */
const settling = seconds(635);

let count = 0;
function generated(alg: JwsAlgorithm): GeneratedKey {
  const jwk = alg === 'HS256' ? { kty: 'oct', k: 'k' } : { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' };
  return { kid: `${alg}-${++count}`, alg, jwk };
}

function newRing(now: EpochSeconds, rules = policy): KeyRing {
  return firstRing(
    rules,
    ringAlgorithms(rules).flatMap((alg) => [generated(alg), generated(alg)]),
    now,
  );
}

function settled(ring: KeyRing, now: EpochSeconds, rules = policy): KeyRing {
  const spare = ringAlgorithms(rules).flatMap((alg) => [generated(alg), generated(alg)]);
  const result = settle(ring, rules, spare, now);
  assert.equal(result.outcome, 'settled');
  return (result as Extract<typeof result, { outcome: 'settled' }>).ring;
}

const active = (ring: KeyRing, now: EpochSeconds, alg: JwsAlgorithm = 'ES256') =>
  activeKey(ring, alg, now) as SigningKeyRecord;
const standby = (ring: KeyRing, now: EpochSeconds, alg: JwsAlgorithm = 'ES256') =>
  standbyKey(ring, alg, now) as SigningKeyRecord;
const keyOf = (ring: KeyRing, kid: string) => ring.keys.find((key) => key.kid === kid) as SigningKeyRecord;

describe('the key ring', () => {
  test('a new ring has one active and one next key for every algorithm, and needs nothing', () => {
    const ring = newRing(start);
    for (const alg of ['ES256', 'RS256', 'HS256'] as const) {
      const states = ring.keys.filter((key) => key.alg === alg).map((key) => stateOf(ring, key, start));
      assert.deepEqual(states, ['active', 'next']);
    }
    assert.deepEqual(plan(ring, policy, start), []);
    assert.deepEqual(checkRing(ring, policy, start), []);
  });

  test('refresh keys are never among the published keys', () => {
    const ring = newRing(start);
    assert.deepEqual(new Set(publishedKeys(ring, start).map(({ alg }) => alg)), new Set(['ES256', 'RS256']));
  });

  test('the standby begins to sign at the scheduled second by the clock alone, and not a second before', () => {
    const ring = newRing(start);
    const turn = after(start, policy.rotateEvery);
    const [first, second] = [active(ring, start), standby(ring, start)];
    assert.equal(active(ring, epochSeconds(turn - 1)).kid, first.kid);
    assert.equal(active(ring, turn).kid, second.kid);
    assert.equal(stateOf(ring, first, turn), 'retired');
    assert.equal(nextChange(ring, start), turn);
  });

  test('a retired key verifies until the last token that it can have signed has expired, and is then removed', () => {
    const ring = newRing(start);
    const first = active(ring, start);
    const end = after(start, seconds(policy.rotateEvery + policy.longestToken + 5 + 2 * 30));
    assert.equal(stateOf(ring, first, epochSeconds(end - 1)), 'retired');
    assert.equal(stateOf(ring, first, end), 'removed');
    const removed = plan(ring, policy, end).filter(({ step }) => step === 'remove');
    assert.ok(removed.some((step) => step.step === 'remove' && step.kid === first.kid));
  });

  test('as soon as a standby signs, the next one is due, and it waits until every cache has it', () => {
    const turn = after(start, policy.rotateEvery);
    const steps = plan(newRing(start), policy, turn).filter((step) => step.step === 'stage');
    assert.deepEqual(
      steps.map(({ alg }) => alg),
      ['ES256', 'RS256', 'HS256'],
    );
    assert.equal(steps[0]?.readyAt, after(turn, settling));
    assert.equal(steps[0]?.signsFrom, after(turn, policy.rotateEvery));
  });

  test('a server that was off for a year comes back with an active key and stages the next', () => {
    const back = after(start, days(365));
    const ring = settled(newRing(start), back);
    assert.deepEqual(checkRing(ring, policy, back), []);
    assert.equal(standby(ring, back).signsFrom, after(back, settling));
    assert.deepEqual(Object.keys(standby(ring, back)), Object.keys(active(newRing(start), start)));
  });

  test('of what is wanted but not at hand, settling names every key', () => {
    const result = settle(newRing(start), policy, [generated('ES256')], after(start, policy.rotateEvery));
    assert.deepEqual(result, { outcome: 'wanting', wanting: ['RS256', 'HS256'] });
  });
});

describe('an immediate rotation', () => {
  test('turns at once to a standby that everyone has', () => {
    const ring = newRing(start);
    const rotated = rotateNow(ring, policy, 'ES256', start);
    assert.equal(rotated.signsFrom, start);
    assert.equal(active(rotated.ring, start).kid, standby(ring, start).kid);
    assert.equal(active(rotated.ring, start, 'RS256').kid, active(ring, start, 'RS256').kid);
  });

  test('says when it will be, if the standby is too young', () => {
    const ring = settled(rotateNow(newRing(start), policy, 'ES256', start).ring, start);
    const again = rotateNow(ring, policy, 'ES256', start);
    assert.equal(again.signsFrom, after(start, settling));
    assert.equal(active(again.ring, start).kid, active(ring, start).kid);
    assert.equal(
      rotateNow(again.ring, policy, 'ES256', after(start, seconds(60))).signsFrom,
      again.signsFrom,
    );
  });

  test('lets refresh keys turn when every node has heard of it', () => {
    const rotated = rotateNow(newRing(start), policy, 'HS256', start);
    assert.equal(rotated.signsFrom, after(start, seconds(5 + 30)));
  });
});

describe('a revocation', () => {
  test('of the active key takes it out at once, and the standby signs in its place', () => {
    const now = after(start, hours(1));
    const ring = newRing(start);
    const { kid } = active(ring, now);
    const revoked = revoke(ring, policy, { kid, reason: 'leaked' }, now);
    assert.ok(revoked.outcome === 'revoked');
    assert.deepEqual(revoked.successor, { kid: standby(ring, now).kid, cachesMayLackIt: false });
    assert.equal(active(revoked.ring, now).kid, standby(ring, now).kid);
    assert.equal(stateOf(revoked.ring, keyOf(revoked.ring, kid), now), 'revoked');
    assert.ok(!publishedKeys(revoked.ring, now).some((key) => key.kid === kid));
    assert.deepEqual(keyOf(revoked.ring, kid).jwk, { crv: 'P-256', kty: 'EC', x: 'x', y: 'y' });
  });

  test('says so when the standby is so young that caches may lack it', () => {
    const now = after(start, hours(1));
    const ring = settled(rotateNow(newRing(start), policy, 'ES256', now).ring, now);
    const revoked = revoke(ring, policy, { kid: active(ring, now).kid, reason: 'leaked' }, now);
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(revoked.successor?.cachesMayLackIt, true);
    assert.deepEqual(checkRing(settled(revoked.ring, now), policy, now), []);
  });

  test('never brings a retired key back', () => {
    const turn = after(start, policy.rotateEvery);
    const first = active(newRing(start), start);
    const ring = settled(newRing(start), turn);
    const revoked = revoke(ring, policy, { kid: active(ring, turn).kid, reason: 'leaked' }, turn);
    assert.ok(revoked.outcome === 'revoked');
    assert.notEqual(active(revoked.ring, turn).kid, first.kid);
  });

  test('by a node whose clock is behind promotes the standby of a key that signs elsewhere', () => {
    const ahead = after(start, policy.clockSkewMax);
    const ring = settled(rotateNow(newRing(start), policy, 'ES256', ahead).ring, ahead);
    const { kid } = active(ring, ahead);
    const revoked = revoke(ring, policy, { kid, reason: 'leaked' }, start);
    assert.ok(revoked.outcome === 'revoked');
    assert.deepEqual(revoked.successor, { kid: standby(ring, ahead).kid, cachesMayLackIt: true });
    assert.equal(active(revoked.ring, ahead).kid, standby(ring, ahead).kid);
  });

  test('of the standby leaves the active key alone and makes another standby due', () => {
    const ring = newRing(start);
    const revoked = revoke(ring, policy, { kid: standby(ring, start).kid, reason: 'leaked' }, start);
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(revoked.successor, null);
    assert.equal(active(revoked.ring, start).kid, active(ring, start).kid);
    assert.deepEqual(
      plan(revoked.ring, policy, start).map(({ step }) => step),
      ['stage'],
    );
  });

  test('happens once, and only to a key that there is', () => {
    const ring = newRing(start);
    const { kid } = active(ring, start);
    const once = revoke(ring, policy, { kid, reason: 'leaked' }, start);
    assert.ok(once.outcome === 'revoked');
    assert.equal(revoke(once.ring, policy, { kid, reason: 'again' }, start).outcome, 'already-revoked');
    assert.equal(revoke(ring, policy, { kid: 'nobody', reason: '' }, start).outcome, 'no-such-key');
  });
});

describe('changed settings', () => {
  test('shorter lifetimes do not orphan a longer token that is already out', () => {
    const shorter = { ...policy, longestToken: minutes(5) };
    const now = after(start, hours(1));
    const before = settled(newRing(start), now, shorter);
    const ring = rotateNow(before, shorter, 'ES256', now).ring;
    const retired = keyOf(ring, active(before, now).kid);
    assert.equal(stateOf(ring, retired, after(now, minutes(59))), 'retired');
  });

  test('longer lifetimes are kept for, from the moment they apply', () => {
    const longer = { ...policy, longestToken: hours(12) };
    const ring = settled(newRing(start), after(start, hours(1)), longer);
    const kept = ring.keys.filter(({ purpose }) => purpose === 'jwks').map(({ keptFor }) => keptFor);
    assert.ok(kept.every((length) => length === retention(longer, 'jwks')));
  });

  test('rotating more often brings the standby forward, never into the past', () => {
    const oftener = { ...policy, rotateEvery: days(7) };
    const now = after(start, days(30));
    const ring = settled(newRing(start), now, oftener);
    assert.equal(standby(ring, now).signsFrom, after(now, seconds(5 + 30)));
    assert.deepEqual(plan(ring, oftener, now), []);
  });

  test('a new algorithm signs at once, and one that is gone stays published', () => {
    const other: RingPolicy = { ...policy, algorithms: ['ES256', 'EdDSA'] };
    const now = after(start, hours(1));
    const ring = settled(newRing(start), now, other);
    assert.equal(stateOf(ring, active(ring, now, 'EdDSA'), now), 'active');
    assert.ok(publishedKeys(ring, now).some(({ alg }) => alg === 'RS256'));
    assert.deepEqual(checkRing(ring, other, now), []);
  });

  test('a policy that contradicts itself is told in one go', () => {
    assert.deepEqual(checkPolicy(policy), []);
    const problems = checkPolicy({
      ...policy,
      algorithms: [],
      rotateEvery: minutes(10),
      ringPoll: 0.5 as Seconds,
    });
    assert.equal(problems.length, 4);
  });
});

test('whatever nodes, administrators and clocks do, no living token loses its key and no cache lacks one', () => {
  const shared = { ringPoll: seconds(5), clockSkewMax: seconds(30), jwksMaxAge: minutes(10) };
  const first: RingPolicy = {
    ...shared,
    algorithms: ['ES256'],
    rotateEvery: seconds(5000),
    longestToken: seconds(900),
    longestRefreshToken: seconds(7000),
  };
  const second: RingPolicy = {
    ...shared,
    algorithms: ['ES256', 'EdDSA'],
    rotateEvery: seconds(2000),
    longestToken: seconds(3000),
    longestRefreshToken: seconds(4000),
  };
  const deed: fc.Arbitrary<Deed> = fc.record({
    deed: fc.constantFrom(
      'tick' as const,
      'tick' as const,
      'rotate' as const,
      'revoke' as const,
      'restart' as const,
    ),
    wait: fc.oneof(fc.constantFrom(0, 1, 5, 30, 60, 300, 634, 635, 1000, 5000, 20_000), fc.nat(3000)),
    ahead: fc.constantFrom(0, 15, 30),
    choice: fc.nat(12),
  });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const history = new RingHistory([first, second], start);
      for (const each of deeds) history.play(each);
    }),
    { numRuns: 400 },
  );
});
