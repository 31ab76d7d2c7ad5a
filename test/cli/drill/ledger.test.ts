import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Answered, Ledger, type Manner } from '#src/cli/drill/ledger.ts';
import { after, type EpochSeconds, epochSeconds, minutes, seconds } from '#src/units.ts';

const start = epochSeconds(1_784_024_130);
const at = (second: number): EpochSeconds => after(start, seconds(second));

/** Good for ten minutes from the beginning. */
const TOKEN = { text: 'token', kid: 'one', issuedAt: start, expiresAt: after(start, minutes(10)) };

const ASKS: Manner = { who: 'asks', slowest: seconds(0), fastest: seconds(30), lingersFor: seconds(0) };
const KEEPS: Manner = { ...ASKS, who: 'keeps', fastest: seconds(0), lingersFor: minutes(2) };

const answer = (second: number, accepted: boolean, more: Partial<Answered> = {}): Answered => ({
  ...{ who: 'asks', at: at(second), token: TOKEN, accepted, why: accepted ? null : 'no' },
  ...more,
});

describe('an answer about a token is', () => {
  test('right while the token is good and is accepted, and never wrong by that', () => {
    const ledger = new Ledger();
    assert.equal(ledger.answered(answer(599, true), ASKS), 'accepted');
    assert.equal(ledger.answered(answer(599, false), ASKS), 'good-refused');
    assert.deepEqual(
      ledger.wrongs.map(({ judgement }) => judgement),
      ['good-refused'],
    );
  });

  test('right if the token has expired by the slowest clock, from that very second on, and is refused', () => {
    const ledger = new Ledger();
    assert.equal(ledger.answered(answer(600, false), ASKS), 'expired');
    assert.equal(ledger.answered(answer(600, true), ASKS), 'expired-accepted');
    const behind = { ...ASKS, slowest: seconds(-5) };
    assert.equal(ledger.answered(answer(604, true), behind), 'accepted');
    assert.equal(ledger.answered(answer(605, true), behind), 'expired-accepted');
  });

  test('wrong at once if whoever asks the server accepts what a revoked key signed', () => {
    const ledger = new Ledger();
    ledger.revoked('one', at(60));
    assert.equal(ledger.answered(answer(60, false), ASKS), 'revoked');
    assert.equal(ledger.answered(answer(60, true), ASKS), 'revoked-accepted');
    const other = { ...TOKEN, kid: 'other' };
    assert.equal(ledger.answered(answer(60, true, { token: other }), ASKS), 'accepted');
    assert.equal(ledger.answered(answer(60, false, { token: other }), ASKS), 'good-refused');
    assert.equal(ledger.lastRevoked, 'one');
  });

  test('within the bound for as long as whoever only verifies signatures may take it, and not in the second after', () => {
    const ledger = new Ledger();
    ledger.revoked('one', at(60));
    assert.equal(ledger.answered(answer(179, true, { who: 'keeps' }), KEEPS), 'lingered');
    assert.equal(ledger.answered(answer(180, true, { who: 'keeps' }), KEEPS), 'revoked-accepted');
    assert.equal(ledger.of('keeps').lingered, 120);
  });
});

test('each has an account of its own, and the total is of all', () => {
  const ledger = new Ledger();
  assert.deepEqual(ledger.of('keeps').tally, ledger.total, 'of whom nothing is known there is nothing');
  ledger.answered(answer(100, true), ASKS);
  ledger.answered(answer(400, true, { who: 'keeps', unknown: true }), KEEPS);
  ledger.answered(answer(500, false, { who: 'keeps', unknown: true }), KEEPS);
  assert.deepEqual([ledger.of('asks').oldestAccepted, ledger.of('keeps').oldestAccepted], [100, 400]);
  assert.equal(ledger.of('keeps').unknownKeys, 1, 'a key that was not known, of a token that was good');
  assert.deepEqual([ledger.total.accepted, ledger.total['good-refused']], [2, 1]);
  assert.deepEqual(ledger.times('accepted'), [at(100), at(400)]);
  assert.deepEqual(ledger.times('accepted', 'good-refused'), [at(100), at(400), at(500)]);
  assert.equal(ledger.of('asks').lingered, null);
});

test('of what went wrong the first twenty are kept, and all are counted', () => {
  const ledger = new Ledger();
  for (let second = 0; second < 25; second += 1) ledger.answered(answer(second, false), ASKS);
  assert.equal(ledger.wrongs.length, 20);
  assert.equal(ledger.total['good-refused'], 25);
});
