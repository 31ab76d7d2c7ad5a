import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, judge, type Trial } from '#src/rehearsal/trial.ts';

const answered = (status: number): Answer => ({ outcome: 'answered', status, ms: 1 });
const FAILED: Answer = { outcome: 'failed', why: 'no answer', ms: 1 };
const [YES, NO] = [answered(200), answered(401)];

const judged = (control: Answer, forged: Answer, canary: Answer | null, finished = true) => {
  const { verdict, knew } = judge({ control, forged, canary } as Trial, finished);
  return `${verdict} ${knew}`;
};

test('a trial is judged by all of its answers, and only what they tell', () => {
  assert.equal(judged(YES, NO, YES), 'accepted new');
  assert.equal(judged(YES, NO, NO), 'refused only-old');
  assert.equal(
    judged(YES, FAILED, NO),
    'refused only-old',
    'a forged token that is not answered is not taken',
  );
  assert.equal(judged(YES, YES, YES), 'unchecked null');
  assert.equal(judged(NO, YES, null), 'unchecked null');
  assert.equal(judged(NO, NO, null), 'unusable none');
  assert.equal(judged(FAILED, FAILED, null), 'unusable null');
  assert.equal(judged(YES, NO, FAILED), 'unusable null', 'it went away, which is no refusal');
  assert.equal(judged(YES, NO, NO, false), 'unfinished null');
  assert.equal(judged(YES, NO, null), 'unfinished null');
  assert.equal(judged(YES, NO, YES, false), 'accepted new', 'also if it was interrupted afterwards');
});

test('2xx is yes, and nothing else (RFC 6750 section 3.1)', () => {
  for (const status of [199, 300, 302, 400, 401, 403, 500])
    assert.equal(judged(YES, NO, answered(status)), 'refused only-old', String(status));
  for (const status of [201, 204, 299]) assert.equal(judged(YES, NO, answered(status)), 'accepted new');
});
