import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  activeKey,
  type KeyRing,
  nextChange,
  publishedKeys,
  signsFrom,
  stateOf,
} from '#src/signing/key-ring.ts';
import { endAlgorithm, importKey, rehearse, revoke, rotateNow, withdraw } from '#src/signing/ring-change.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import { plan } from '#src/signing/ring-plan.ts';
import { type RingPolicy, retention } from '#src/signing/ring-policy.ts';
import { undo } from '#src/signing/ring-undo.ts';
import { after, type EpochSeconds, epochSeconds, hours, minutes, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
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

describe('an immediate rotation', () => {
  test('turns at once to a standby that everyone has', () => {
    const ring = newRing(start);
    const rotated = rotateNow(ring, POLICY, 'ES256', start);
    assert.equal(rotated.signsFrom, start);
    assert.equal(active(rotated.ring, start).kid, standby(ring, start).kid);
    assert.equal(active(rotated.ring, start, 'RS256').kid, active(ring, start, 'RS256').kid);
  });

  test('says when it will be, if the standby is too young', () => {
    const ring = settled(rotateNow(newRing(start), POLICY, 'ES256', start).ring, start);
    const again = rotateNow(ring, POLICY, 'ES256', start);
    assert.equal(again.signsFrom, after(start, settling));
    assert.equal(active(again.ring, start).kid, active(ring, start).kid);
    assert.equal(
      rotateNow(again.ring, POLICY, 'ES256', after(start, seconds(60))).signsFrom,
      again.signsFrom,
    );
  });

  test('lets refresh keys turn when every node has heard of it', () => {
    const rotated = rotateNow(newRing(start), POLICY, 'HS256', start);
    assert.equal(rotated.signsFrom, after(start, seconds(5 + 30)));
  });
});

describe('a revocation', () => {
  test('of the active key takes it out at once, and the standby signs in its place', () => {
    const now = after(start, hours(1));
    const ring = newRing(start);
    const { kid } = active(ring, now);
    const revoked = revoke(ring, POLICY, { kid, reason: 'leaked' }, now);
    assert.ok(revoked.outcome === 'revoked');
    assert.deepEqual(revoked.successor, {
      kid: standby(ring, now).kid,
      cachesMayLackIt: false,
    });
    assert.equal(active(revoked.ring, now).kid, standby(ring, now).kid);
    assert.equal(stateOf(revoked.ring, recordOf(revoked.ring, kid), now), 'revoked');
    assert.ok(!publishedKeys(revoked.ring, now).some((key) => key.kid === kid));
    assert.deepEqual(recordOf(revoked.ring, kid).jwk, { crv: 'P-256', kty: 'EC', x: 'x', y: 'y' });
  });

  test('says so when the standby is so young that caches may lack it', () => {
    const now = after(start, hours(1));
    const ring = settled(rotateNow(newRing(start), POLICY, 'ES256', now).ring, now);
    const revoked = revoke(ring, POLICY, { kid: active(ring, now).kid, reason: 'leaked' }, now);
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(revoked.successor?.cachesMayLackIt, true);
    assert.deepEqual(checkRing(settled(revoked.ring, now), POLICY, now), []);
  });

  test('never brings a retired key back', () => {
    const turn = after(start, POLICY.rotateEvery);
    const first = active(newRing(start), start);
    const ring = settled(newRing(start), turn);
    const revoked = revoke(ring, POLICY, { kid: active(ring, turn).kid, reason: 'leaked' }, turn);
    assert.ok(revoked.outcome === 'revoked');
    assert.notEqual(active(revoked.ring, turn).kid, first.kid);
  });

  test('by a node whose clock is behind promotes the standby of a key that signs elsewhere', () => {
    const ahead = after(start, POLICY.clockSkewMax);
    const ring = settled(rotateNow(newRing(start), POLICY, 'ES256', ahead).ring, ahead);
    const { kid } = active(ring, ahead);
    const revoked = revoke(ring, POLICY, { kid, reason: 'leaked' }, start);
    assert.ok(revoked.outcome === 'revoked');
    assert.deepEqual(revoked.successor, {
      kid: standby(ring, ahead).kid,
      cachesMayLackIt: true,
    });
    assert.equal(active(revoked.ring, ahead).kid, standby(ring, ahead).kid);
  });

  test('of the standby leaves the active key alone and makes another standby due', () => {
    const ring = newRing(start);
    const revoked = revoke(ring, POLICY, { kid: standby(ring, start).kid, reason: 'leaked' }, start);
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(revoked.successor, null);
    assert.equal(active(revoked.ring, start).kid, active(ring, start).kid);
    assert.deepEqual(
      plan(revoked.ring, POLICY, start).map(({ step }) => step),
      ['stage'],
    );
  });

  test('happens once, and only to a key that there is', () => {
    const ring = newRing(start);
    const { kid } = active(ring, start);
    const once = revoke(ring, POLICY, { kid, reason: 'leaked' }, start);
    assert.ok(once.outcome === 'revoked');
    assert.equal(revoke(once.ring, POLICY, { kid, reason: 'again' }, start).outcome, 'already-revoked');
    assert.equal(revoke(ring, POLICY, { kid: 'nobody', reason: '' }, start).outcome, 'no-such-key');
  });
});

describe('an undoing', () => {
  const rotated = (now: EpochSeconds) => settled(rotateNow(newRing(start), POLICY, 'ES256', now).ring, now);

  test('lets the key before the active one sign again, which never left the JWK Set', () => {
    const now = after(start, hours(1));
    const first = active(newRing(start), start);
    const ring = rotated(now);
    const second = active(ring, now);
    const later = after(now, minutes(30));
    const undone = undo(ring, POLICY, 'ES256', later);
    assert.ok(undone);
    assert.equal(undone.signsFrom, later);
    assert.equal(undone.kid, active(undone.ring, later).kid);
    assert.equal(stateOf(undone.ring, second, later), 'retired');
    const published = publishedKeys(undone.ring, later).map(({ kid }) => kid);
    assert.ok(published.includes(undone.kid) && published.includes(second.kid));
    assert.deepEqual(checkRing(settled(undone.ring, later), POLICY, later), []);
    assert.notEqual(first.kid, second.kid);
  });

  test('keeps both keys for what each of them signed', () => {
    const now = after(start, hours(1));
    const ring = rotated(now);
    const second = active(ring, now);
    const later = after(now, minutes(30));
    const undone = settled(undo(ring, POLICY, 'ES256', later)?.ring as KeyRing, later);
    const end = after(later, retention(POLICY, 'jwks'));
    assert.equal(stateOf(undone, second, epochSeconds(end - 1)), 'retired');
    assert.equal(stateOf(undone, second, end), 'removed');
  });

  test('of an undoing lets the other key sign again', () => {
    const now = after(start, hours(1));
    const ring = rotated(now);
    const undone = undo(ring, POLICY, 'ES256', now)?.ring as KeyRing;
    const again = undo(undone, POLICY, 'ES256', now);
    assert.equal(again?.kid, active(ring, now).kid);
  });

  test('is not to be had when the key before is gone, or about to go', () => {
    const now = after(start, hours(1));
    const ring = rotated(now);
    const end = after(now, retention(POLICY, 'jwks'));
    assert.notEqual(undo(ring, POLICY, 'ES256', epochSeconds(end - 36)), null);
    assert.equal(undo(ring, POLICY, 'ES256', epochSeconds(end - 35)), null);
    assert.equal(undo(newRing(start), POLICY, 'ES256', now), null);
  });

  test('calls off a rotation by hand that has not begun, and only then brings back the key before', () => {
    const now = after(start, hours(1));
    const ring = rotated(now);
    const [first, second] = [ring.keys.find(({ alg }) => alg === 'ES256'), active(ring, now)];
    const coming = rotateNow(ring, POLICY, 'ES256', now);
    assert.equal(coming.signsFrom, after(now, settling));
    const later = after(now, minutes(5));
    const off = undo(coming.ring, POLICY, 'ES256', later);
    assert.ok(off?.how === 'called-off');
    assert.deepEqual([off.kid, off.signsFrom], [coming.kid, after(now, POLICY.rotateEvery)]);
    assert.equal(active(off.ring, after(now, settling)).kid, second.kid);
    assert.deepEqual(checkRing(settled(off.ring, later), POLICY, later), []);
    const back = undo(off.ring, POLICY, 'ES256', later);
    assert.deepEqual([back?.how, back?.kid], ['brought-back', first?.kid]);
  });

  test('leaves a turn alone that is the schedule’s', () => {
    const near = epochSeconds(start + POLICY.rotateEvery - 60);
    const ring = settled(newRing(start), near);
    assert.equal(undo(ring, POLICY, 'ES256', near), null);
  });

  test('of refresh keys has all nodes turn back, where some may turn before they hear of it', () => {
    const ring = rotateNow(newRing(start), POLICY, 'HS256', start).ring;
    const [first, second] = [active(ring, start, 'HS256'), standby(ring, start, 'HS256')];
    const undone = undo(ring, POLICY, 'HS256', after(start, seconds(5)));
    assert.ok(undone?.how === 'brought-back');
    const kids = [5, 34, 35, 39, 40].map(
      (wait) => active(undone.ring, after(start, seconds(wait)), 'HS256').kid,
    );
    assert.deepEqual(kids, [first.kid, first.kid, second.kid, second.kid, first.kid]);
  });

  test('never brings back a key that was revoked', () => {
    const now = after(start, hours(1));
    const ring = rotated(now);
    const [first] = ring.keys;
    assert.ok(first);
    const revoked = revoke(ring, POLICY, { kid: first.kid, reason: 'leaked' }, now);
    assert.ok(revoked.outcome === 'revoked');
    assert.equal(undo(revoked.ring, POLICY, 'ES256', now), null);
  });

  test('of refresh keys comes on all nodes at the same second, and what was signed can be made again', () => {
    const ring = rotateNow(newRing(start), POLICY, 'HS256', start).ring;
    const turn = after(start, seconds(35));
    const [first, second] = [active(ring, start, 'HS256'), active(ring, turn, 'HS256')];
    const undone = undo(settled(ring, turn), POLICY, 'HS256', turn);
    assert.ok(undone);
    assert.equal(undone.signsFrom, after(turn, seconds(35)));
    const kids = [0, 34, 35, 69, 70].map(
      (wait) => active(undone.ring, after(start, seconds(wait)), 'HS256').kid,
    );
    assert.deepEqual(kids, [first.kid, first.kid, second.kid, second.kid, first.kid]);
  });
});

describe('a key from elsewhere', () => {
  test('is the next one to sign, when everyone has it, and the standby comes after it', () => {
    const ring = newRing(start);
    const before = standby(ring, start);
    const imported = importKey(ring, POLICY, generated('ES256'), start);
    assert.equal(imported.signsFrom, after(start, POLICY.rotateEvery));
    assert.equal(standby(imported.ring, start).kid, imported.kid);
    assert.equal(signsFrom(imported.ring, before), after(start, seconds(2 * POLICY.rotateEvery)));
    assert.deepEqual(checkRing(settled(imported.ring, start), POLICY, start), []);
    const now = after(start, hours(1));
    assert.equal(rotateNow(imported.ring, POLICY, 'ES256', now).kid, imported.kid);
  });

  test('does not sign early when the active one is revoked: one that everyone has does', () => {
    const ring = newRing(start);
    const ready = standby(ring, start);
    const imported = importKey(ring, POLICY, generated('ES256'), start);
    const revoked = revoke(imported.ring, POLICY, { kid: active(ring, start).kid, reason: 'leaked' }, start);
    assert.ok(revoked.outcome === 'revoked');
    assert.deepEqual(revoked.successor, { kid: ready.kid, cachesMayLackIt: false });
    assert.equal(stateOf(revoked.ring, recordOf(revoked.ring, imported.kid), start), 'next');
  });
});

describe('a key that is only tried out', () => {
  const tried = { ...generated('ES256'), alg: 'ES256' } as const;
  const until = after(start, minutes(10));

  test('is published, never signs, and leaves by the clock', () => {
    const ring = rehearse(newRing(start), POLICY, tried, { now: start, until });
    assert.deepEqual(checkRing(ring, POLICY, start), []);
    const record = recordOf(ring, tried.kid);
    assert.equal(stateOf(ring, record, start), 'rehearsal');
    assert.ok(publishedKeys(ring, start).some(({ kid }) => kid === tried.kid));
    assert.equal(stateOf(ring, record, until), 'removed');
    assert.ok(!publishedKeys(ring, until).some(({ kid }) => kid === tried.kid));
    assert.ok(!settled(ring, until).keys.some(({ kid }) => kid === tried.kid));
    assert.equal(nextChange(ring, start), until);
  });

  test('can be withdrawn, and no other key by the same means', () => {
    const ring = rehearse(newRing(start), POLICY, tried, { now: start, until });
    assert.ok(!withdraw(ring, tried.kid).keys.some(({ kid }) => kid === tried.kid));
    const { kid } = active(ring, start);
    assert.equal(withdraw(ring, kid), ring);
    assert.equal(withdraw(ring, 'nobody'), ring);
  });

  test('does not take the place of a revoked one', () => {
    let ring = rehearse(newRing(start), POLICY, tried, { now: start, until });
    for (const { kid } of ring.keys.filter(
      ({ alg, rehearsalUntil }) => alg === 'ES256' && rehearsalUntil === null,
    )) {
      const revoked = revoke(ring, POLICY, { kid, reason: 'leaked' }, start);
      assert.ok(revoked.outcome === 'revoked');
      ring = revoked.ring;
    }
    assert.notEqual(active(settled(ring, start), start).kid, tried.kid);
  });
});

describe('an algorithm that is given up', () => {
  const without: RingPolicy = { ...POLICY, algorithms: ['ES256'] };

  test('signs nothing more, and what it signed stays valid until it expires', () => {
    const now = after(start, hours(1));
    const ring = newRing(start);
    const last = active(ring, now, 'RS256');
    const ended = settled(endAlgorithm(ring, 'RS256', now), now, without);
    assert.equal(activeKey(ended, 'RS256', now), null);
    assert.deepEqual(
      publishedKeys(ended, now)
        .filter(({ alg }) => alg === 'RS256')
        .map(({ kid }) => kid),
      [last.kid],
    );
    const end = after(now, retention(POLICY, 'jwks'));
    assert.deepEqual(
      publishedKeys(ended, end).filter(({ alg }) => alg === 'RS256'),
      [],
    );
    assert.ok(!settled(ended, end, without).keys.some(({ alg }) => alg === 'RS256'));
    assert.equal(endAlgorithm(ended, 'RS256', end), ended);
  });

  test('can be taken up again', () => {
    const now = after(start, hours(1));
    const ended = settled(endAlgorithm(newRing(start), 'RS256', now), now, without);
    const later = after(now, minutes(5));
    const again = settled(ended, later);
    assert.equal(stateOf(again, active(again, later, 'RS256'), later), 'active');
    assert.deepEqual(checkRing(again, POLICY, later), []);
  });
});

test('a rotation that breaks the glass does not wait for caches, and the ring says why', () => {
  const now = after(start, hours(1));
  const ring = settled(rotateNow(newRing(start), POLICY, 'ES256', now).ring, now);
  const broken = rotateNow(ring, POLICY, 'ES256', now, 'the key is on a lost laptop');
  assert.equal(broken.signsFrom, now);
  assert.equal(active(broken.ring, now).kid, standby(ring, now).kid);
  assert.deepEqual(
    broken.ring.turns.filter(({ breakGlass }) => breakGlass !== null).map(({ kid }) => kid),
    [broken.kid],
  );
  const silent = { ...broken.ring, turns: broken.ring.turns.map((turn) => ({ ...turn, breakGlass: null })) };
  assert.deepEqual(checkRing(settled(silent, now), POLICY, now), [
    `${broken.kid} signs before everyone has it`,
  ]);
});
