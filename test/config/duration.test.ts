import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from '#src/config/duration.ts';
import { days, hours, minutes, seconds } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';

test('a duration is whole numbers with units from long to short, or a bare number of seconds', () => {
  assert.equal(parseDuration('90d'), days(90));
  assert.equal(parseDuration('12h'), hours(12));
  assert.equal(parseDuration('5m'), minutes(5));
  assert.equal(parseDuration('10s'), seconds(10));
  assert.equal(parseDuration('1h30m'), minutes(90));
  assert.equal(parseDuration('0s'), seconds(0));
  assert.equal(parseDuration('300'), seconds(300));
});

test('what could mean two things, or nothing, is no duration', () => {
  for (const text of [
    '',
    ' ',
    '5M',
    '5 m',
    '250ms',
    '1.5h',
    '-5m',
    '+5m',
    '30m1h',
    '5m5m',
    'PT5M',
    '1w',
    '1e3',
    '٥m',
  ]) {
    assert.equal(parseDuration(text), null, text);
  }
});

test('a duration too long to count exactly is refused', () => {
  assert.equal(parseDuration('9007199254740992'), null);
  assert.equal(parseDuration('104249991375d'), null);
});

test('every duration that is written is read back as the same number of seconds', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (count) => {
      assert.equal(parseDuration(formatDuration(seconds(count))), count);
    }),
  );
});

test('no text makes the reading of durations throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\ddhms]{0,12}$/)), (text) => {
      const length = parseDuration(text);
      assert.ok(length === null || (Number.isSafeInteger(length) && length >= 0));
    }),
  );
});
