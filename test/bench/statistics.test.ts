import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { median, percentile, slope } from '#test/bench/statistics.ts';
import { fc } from '#test/support/properties.ts';

const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 50 });

describe('the median', () => {
  test('is the value in the middle, or halfway between the two', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([10, 9]), 9.5);
  });

  test('is not moved by one value that is far off', () => {
    assert.equal(median([1, 1, 1, 1e9, 1]), 1);
  });

  test('of nothing is refused', () => {
    assert.throws(() => median([]), RangeError);
  });
});

describe('a percentile', () => {
  test('is a value that was measured, by the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.equal(percentile(hundred, 50), 50);
    assert.equal(percentile(hundred, 99), 99);
    assert.equal(percentile(hundred, 100), 100);
    assert.equal(percentile([7], 99), 7);
  });

  test('is not exceeded by at least so many percent, and by no fewer for any smaller value', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const found = percentile(all, percent);
        assert.ok(all.includes(found));
        const within = (limit: number) => all.filter((each) => each <= limit).length / all.length;
        assert.ok(within(found) >= percent / 100);
        const smaller = all.filter((each) => each < found);
        if (smaller.length > 0) assert.ok(within(Math.max(...smaller)) < percent / 100);
      }),
    );
  });

  test('outside of 0 to 100, or of nothing, is refused', () => {
    assert.throws(() => percentile([1], 101), RangeError);
    assert.throws(() => percentile([1], Number.NaN), RangeError);
    assert.throws(() => percentile([], 50), RangeError);
  });
});

test('the slope is that of the line through the points, and 0 where they have no width', () => {
  assert.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  );
  assert.equal(
    slope([
      [1, 1],
      [1, 9],
    ]),
    0,
  );
});
