import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Ended, type Entry, type Learned, type Outcome, tally } from '#test/e2e/faults/history.ts';
import {
  AUDITOR,
  answersUnlessKilled,
  endedForGood,
  type Invariant,
  livesOn,
  noCodeTwice,
  oneLivingSuccessor,
  registeredForGood,
} from '#test/e2e/faults/invariants.ts';

let now = 0;

function at(learned: Partial<Learned> = {}, who = 'a client') {
  now += 10;
  return {
    who,
    node: 0,
    outcome: 'done' as Outcome,
    detail: '',
    sentAt: now,
    answeredAt: now + 5,
    ...learned,
  };
}

const OF_FAMILY = { account: 'ada', code: 'c' };
const tokens = (number: number) => ({ refresh: `r${number}`, access: `a${number}` });
const redeemed = (code = 'c'): Entry => ({
  ...at({ tokens: tokens(0) }),
  ...OF_FAMILY,
  what: 'redeem',
  code,
});
const unredeemed = (outcome: Outcome): Entry => ({ ...at({ outcome }), ...OF_FAMILY, what: 'redeem' });
const refreshed = (from: number, to: number, who?: string): Entry => ({
  ...at({ tokens: tokens(to) }, who),
  ...OF_FAMILY,
  what: 'refresh',
  token: `r${from}`,
});
const failed = (from: number, outcome: Outcome): Entry => ({
  ...at({ outcome }),
  ...OF_FAMILY,
  what: 'refresh',
  token: `r${from}`,
});
const seen = (token: string, active: boolean, who = AUDITOR): Entry => ({
  ...at({ active }, who),
  ...OF_FAMILY,
  what: 'introspect',
  token,
});
const ended = (scope: Ended['scope'], name: string, outcome: Outcome = 'done'): Entry => ({
  ...at({ outcome }),
  what: 'end',
  scope,
  name,
});
const registered = (outcome: Outcome = 'done'): Entry => ({
  ...at({ outcome }),
  what: 'register',
  kind: 'account',
  name: 'ada',
});
const found = (kind: 'client' | 'account', outcome: Outcome = 'done'): Entry => ({
  ...at({ outcome }, AUDITOR),
  what: 'find',
  kind,
  name: 'ada',
});

const holds = (invariant: Invariant, history: readonly Entry[]) => assert.deepEqual(invariant(history), []);
const breached = (invariant: Invariant, history: readonly Entry[]) =>
  assert.equal(invariant(history).length, 1, JSON.stringify(invariant(history)));

describe('the invariants of a history', () => {
  test('a code is redeemed once, however often it is presented', () => {
    const refused = unredeemed('refused');
    holds(noCodeTwice, [redeemed(), refused, redeemed('d')]);
    breached(noCodeTwice, [redeemed(), refused, redeemed()]);
  });

  test('a refresh token has one successor, whoever retries', () => {
    holds(oneLivingSuccessor, [redeemed(), refreshed(0, 1), failed(0, 'lost'), refreshed(0, 1)]);
    breached(oneLivingSuccessor, [redeemed(), refreshed(0, 1), failed(0, 'lost'), refreshed(0, 2)]);
  });

  test('of the refresh tokens of a family one at most is active when all is over', () => {
    const chain = [redeemed(), refreshed(0, 1), seen('r0', true, 'a client')];
    holds(oneLivingSuccessor, [...chain, seen('r0', false), seen('r1', true), seen('a1', true)]);
    breached(oneLivingSuccessor, [...chain, seen('r0', true), seen('r1', true)]);
  });

  test('nothing that came from a code, or belongs to an account, lives on once its end was acknowledged', () => {
    for (const end of [() => ended('code', 'c'), () => ended('account', 'ada')]) {
      const before = [redeemed(), refreshed(0, 1), seen('a1', true), end()];
      holds(endedForGood, [...before, seen('a1', false), failed(1, 'refused')]);
      breached(endedForGood, [...before, seen('a1', true)]);
      breached(endedForGood, [...before, seen('r1', true, 'a client')]);
      breached(endedForGood, [...before, refreshed(1, 2)]);
      breached(endedForGood, [end(), redeemed()]);
    }
    holds(endedForGood, [redeemed(), ended('code', 'd'), ended('account', 'eve'), refreshed(0, 1)]);
  });

  test('an access token that was revoked is not active, and what came from the same code is', () => {
    const before = [redeemed(), ended('token', 'a0')];
    holds(endedForGood, [...before, seen('a0', false), seen('r0', true), refreshed(0, 1), seen('a1', true)]);
    breached(endedForGood, [...before, seen('a0', true)]);
  });

  test('an end that was not acknowledged promises nothing', () => {
    for (const outcome of ['lost', 'unavailable'] as const)
      holds(endedForGood, [redeemed(), ended('code', 'c', outcome), seen('a0', true), refreshed(0, 1)]);
  });

  test('what was sent before the end was acknowledged may still be answered by tokens', () => {
    const [given, end] = [redeemed(), ended('code', 'c')];
    holds(endedForGood, [given, end, { ...refreshed(0, 1), sentAt: end.sentAt }]);
  });

  test('an acknowledged registration is found, of the very kind', () => {
    holds(registeredForGood, [registered(), found('account')]);
    holds(registeredForGood, [registered('lost'), registered('unavailable')]);
    breached(registeredForGood, [registered()]);
    breached(registeredForGood, [registered(), found('client')]);
    breached(registeredForGood, [registered(), found('account', 'refused')]);
  });

  test('a family that was not ended is refused no refresh, and goes on in the end', () => {
    const before = [redeemed(), failed(0, 'lost'), refreshed(0, 1), failed(1, 'unavailable')];
    const last = [refreshed(1, 2, AUDITOR), seen('a2', true)];
    holds(livesOn, [...before, ended('token', 'a0'), ...last]);
    breached(livesOn, before);
    breached(livesOn, [...before, refreshed(1, 2, AUDITOR), seen('a2', false)]);
    breached(livesOn, [...before, failed(1, 'refused'), ...last]);
  });

  test('nothing is asked of a family that was ended, whose code was shown twice, or that was never given', () => {
    holds(livesOn, [redeemed(), ended('code', 'c', 'lost'), failed(0, 'refused')]);
    holds(livesOn, [redeemed(), ended('account', 'ada', 'lost'), failed(0, 'refused')]);
    holds(livesOn, [redeemed(), unredeemed('refused'), failed(0, 'refused')]);
    holds(livesOn, [unredeemed('lost')]);
  });

  test('whatever is asked is answered, unless the server that was asked was killed', () => {
    const asked = [redeemed(), failed(0, 'unavailable'), { ...failed(0, 'lost'), node: 1 }];
    holds(answersUnlessKilled(1), asked);
    breached(answersUnlessKilled(2), asked);
  });

  test('the tally tells the kinds of failure apart', () => {
    const history = [redeemed(), redeemed(), { ...failed(0, 'unavailable'), detail: '503' }];
    assert.deepEqual(
      [...tally(history)],
      [
        ['redeem done', 2],
        ['refresh unavailable (503)', 1],
      ],
    );
  });
});
