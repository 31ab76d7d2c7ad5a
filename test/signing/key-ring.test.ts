import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KeyRing, nextChange, publishedKeys, signsFrom, stateOf } from '#src/signing/key-ring.ts';
import { rotateNow } from '#src/signing/ring-change.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import { type RingOfOneTurn, readableRing } from '#src/signing/ring-format.ts';
import { plan, settle, turnsSoon } from '#src/signing/ring-plan.ts';
import { checkPolicy, type RingPolicy, reignOf, retention } from '#src/signing/ring-policy.ts';
import { after, days, epochSeconds, hours, minutes, type Seconds, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { DEEDS, type Deed, RingHistory } from '#test/signing/ring-history.ts';
import {
  active,
  generated,
  newRing,
  recordOf,
  settled,
  settling,
  standby,
  start,
} from '#test/signing/rings.ts';
import { fc } from '#test/support/properties.ts';

describe('the key ring', () => {
  test('a new ring has one active and one next key for every algorithm, and needs nothing', () => {
    const ring = newRing(start);
    for (const alg of ['ES256', 'RS256', 'HS256'] as const) {
      const states = ring.keys.filter((key) => key.alg === alg).map((key) => stateOf(ring, key, start));
      assert.deepEqual(states, ['active', 'next']);
    }
    assert.deepEqual(plan(ring, POLICY, start), []);
    assert.deepEqual(checkRing(ring, POLICY, start), []);
  });

  test('refresh keys are never among the published keys', () => {
    const ring = newRing(start);
    assert.deepEqual(new Set(publishedKeys(ring, start).map(({ alg }) => alg)), new Set(['ES256', 'RS256']));
  });

  test('the standby begins to sign at the scheduled second by the clock alone, and not a second before', () => {
    const ring = newRing(start);
    const turn = after(start, POLICY.rotateEvery);
    const [first, second] = [active(ring, start), standby(ring, start)];
    assert.equal(active(ring, epochSeconds(turn - 1)).kid, first.kid);
    assert.equal(active(ring, turn).kid, second.kid);
    assert.equal(stateOf(ring, first, turn), 'retired');
    assert.equal(nextChange(ring, start), turn);
  });

  test('a retired key verifies until the last token that it can have signed has expired, and is then removed', () => {
    const ring = newRing(start);
    const first = active(ring, start);
    const end = after(start, seconds(POLICY.rotateEvery + POLICY.longestToken + 5 + 2 * 30));
    assert.equal(stateOf(ring, first, epochSeconds(end - 1)), 'retired');
    assert.equal(stateOf(ring, first, end), 'removed');
    const removed = plan(ring, POLICY, end).filter(({ step }) => step === 'remove');
    assert.ok(removed.some((step) => step.step === 'remove' && step.kid === first.kid));
  });

  test('as soon as a standby signs, the next one is due, and it waits until every cache has it', () => {
    const turn = after(start, POLICY.rotateEvery);
    const steps = plan(newRing(start), POLICY, turn).filter((step) => step.step === 'stage');
    assert.deepEqual(
      steps.map(({ alg }) => alg),
      ['ES256', 'RS256', 'HS256'],
    );
    assert.equal(steps[0]?.readyAt, after(turn, settling));
    assert.equal(steps[0]?.signsFrom, after(turn, POLICY.rotateEvery));
  });

  test('a server that was off for a year comes back with an active key and stages the next', () => {
    const back = after(start, days(365));
    const ring = settled(newRing(start), back);
    assert.deepEqual(checkRing(ring, POLICY, back), []);
    assert.equal(signsFrom(ring, standby(ring, back)), after(back, settling));
    assert.deepEqual(Object.keys(standby(ring, back)), Object.keys(active(newRing(start), start)));
  });

  test('of what is wanted but not at hand, settling names every key', () => {
    const result = settle(newRing(start), POLICY, [generated('ES256')], after(start, POLICY.rotateEvery));
    assert.deepEqual(result, { outcome: 'wanting', wanting: ['RS256', 'HS256'] });
  });
});

describe('the schedule', () => {
  const jittery: RingPolicy = { ...POLICY, jitter: days(9) };

  test('has each key sign a little less than it might, by how much only its kid says', () => {
    const reigns = Array.from({ length: 200 }, (_, index) => reignOf(jittery, `kid-${index}`));
    assert.ok(reigns.every((reign) => reign > days(81) && reign <= days(90)));
    assert.ok(new Set(reigns.map((reign) => Math.floor(reign / days(1)))).size >= 8, 'they are spread');
    assert.equal(reignOf(jittery, 'kid-1'), reignOf(jittery, 'kid-1'));
  });

  test('of two algorithms does not rotate both in the same second', () => {
    const ring = newRing(start, jittery);
    const [one, other] = (['ES256', 'RS256'] as const).map((alg) =>
      signsFrom(ring, standby(ring, start, alg)),
    );
    assert.notEqual(one, other);
    assert.deepEqual(plan(ring, jittery, start), []);
  });

  test('puts off a standby that is held, for as long as it is held, and then has it sign as soon as all nodes know', () => {
    const ring = newRing(start);
    const { kid } = standby(ring, start);
    const held = new Set([kid]);
    const turn = after(start, POLICY.rotateEvery);
    const long = after(start, seconds(POLICY.rotateEvery - 200));
    assert.deepEqual(plan(ring, POLICY, long, held), [], 'not before its turn is near');
    assert.deepEqual(turnsSoon(ring, POLICY, long), []);
    const near = epochSeconds(turn - 100);
    assert.deepEqual(turnsSoon(ring, POLICY, near)[0], { alg: 'ES256', kid, due: turn });
    const once = settled(ring, near, POLICY, held);
    assert.equal(signsFrom(once, standby(once, near)), after(turn, days(1)));
    assert.notEqual(active(once, turn).kid, kid);
    const later = after(turn, (days(1) - minutes(1)) as Seconds);
    const twice = settled(once, later, POLICY, held);
    assert.equal(signsFrom(twice, standby(twice, later)), after(turn, days(2)));
    assert.deepEqual(turnsSoon(twice, POLICY, later)[0], { alg: 'ES256', kid, due: turn });
    const freed = settled(twice, later, POLICY, new Set());
    assert.equal(signsFrom(freed, standby(freed, later)), after(later, seconds(35)));
    assert.equal(active(freed, after(later, seconds(35))).kid, kid);
  });

  test('does not put off what not every node would hear of in time', () => {
    const ring = newRing(start);
    const near = epochSeconds(start + POLICY.rotateEvery - 35);
    assert.deepEqual(plan(ring, POLICY, near, new Set([standby(ring, start).kid])), []);
  });
});

describe('changed settings', () => {
  test('shorter lifetimes do not orphan a longer token that is already out', () => {
    const shorter = { ...POLICY, longestToken: minutes(5) };
    const now = after(start, hours(1));
    const before = settled(newRing(start), now, shorter);
    const ring = rotateNow(before, shorter, 'ES256', now).ring;
    const retired = recordOf(ring, active(before, now).kid);
    assert.equal(stateOf(ring, retired, after(now, minutes(59))), 'retired');
  });

  test('longer lifetimes are kept for, from the moment they apply', () => {
    const longer = { ...POLICY, longestToken: hours(12) };
    const ring = settled(newRing(start), after(start, hours(1)), longer);
    const kept = ring.keys.filter(({ purpose }) => purpose === 'jwks').map(({ keptFor }) => keptFor);
    assert.ok(kept.every((length) => length === retention(longer, 'jwks')));
  });

  test('rotating more often brings the standby forward, never into the past', () => {
    const oftener = { ...POLICY, rotateEvery: days(7) };
    const now = after(start, days(30));
    const ring = settled(newRing(start), now, oftener);
    assert.equal(signsFrom(ring, standby(ring, now)), after(now, seconds(5 + 30)));
    assert.deepEqual(plan(ring, oftener, now), []);
  });

  test('a new algorithm signs at once, and one that is gone stays published', () => {
    const other: RingPolicy = { ...POLICY, algorithms: ['ES256', 'EdDSA'] };
    const now = after(start, hours(1));
    const ring = settled(newRing(start), now, other);
    assert.equal(stateOf(ring, active(ring, now, 'EdDSA'), now), 'active');
    assert.ok(publishedKeys(ring, now).some(({ alg }) => alg === 'RS256'));
    assert.deepEqual(checkRing(ring, other, now), []);
  });

  test('a POLICY that contradicts itself is told in one go', () => {
    assert.deepEqual(checkPolicy(POLICY), []);
    const problems = checkPolicy({
      ...POLICY,
      algorithms: [],
      rotateEvery: minutes(10),
      ringPoll: 0.5 as Seconds,
    });
    assert.equal(problems.length, 4);
  });
});

test('a ring that was stored when each key had one turn is read as what it was', () => {
  const rotated = rotateNow(newRing(start), POLICY, 'ES256', after(start, hours(1))).ring;
  const now = after(start, hours(2));
  const ring = settled(rotated, now);
  const stored: RingOfOneTurn = {
    createdAt: ring.createdAt,
    keys: ring.keys.map(({ rehearsalUntil: _, outside: __, ...key }) => ({
      ...key,
      signsFrom: signsFrom(ring, recordOf(ring, key.kid)) ?? now,
    })),
  };
  const read = readableRing(JSON.parse(JSON.stringify(stored)));
  const states = (each: KeyRing) => each.keys.map((key) => `${key.kid} ${stateOf(each, key, now)}`);
  assert.deepEqual(states(read), states(ring));
  assert.deepEqual(checkRing(read, POLICY, now), []);
  assert.equal(readableRing(read), read);
});

test('whatever nodes, administrators and clocks do, no living token loses its key and no cache lacks one', () => {
  const shared = {
    ringPoll: seconds(5),
    clockSkewMax: seconds(30),
    jwksMaxAge: minutes(10),
    jitter: seconds(300),
  };
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
    deed: fc.constantFrom(...DEEDS),
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
