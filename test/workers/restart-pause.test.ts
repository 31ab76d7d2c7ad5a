import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seconds } from '#src/units.ts';
import { crashesInRow, restartPauseMs } from '#src/workers/restart-pause.ts';
import { readSeat, writeSeat } from '#src/workers/seat-message.ts';
import { shareOf } from '#src/workers/share.ts';
import { fc } from '#test/support/properties.ts';

describe('a worker that ends by itself', () => {
  test('is replaced at once the first time, and after longer and longer pauses when it ends again and again', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 8, 9, 1000].map(restartPauseMs),
      [0, 500, 1000, 2000, 30_000, 30_000, 30_000],
    );
  });

  test('begins anew to be counted once it has served for a minute', () => {
    assert.equal(crashesInRow(5, seconds(59)), 6);
    assert.equal(crashesInRow(5, seconds(60)), 1);
  });
});

describe('what there is for the whole machine', () => {
  const seats = fc.integer({ min: 1, max: 128 });

  test('is shared out among the workers without a rest, and none has more than one more than another', () => {
    fc.assert(
      fc.property(fc.nat(10_000), seats, (total, of) => {
        const shares = Array.from({ length: of }, (_, index) => shareOf(total, { number: index + 1, of }));
        assert.equal(
          shares.reduce((sum, share) => sum + share, 0),
          total,
        );
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
      }),
    );
  });
});

describe('a place', () => {
  test('is told as it is read', () => {
    assert.deepEqual(readSeat(writeSeat({ number: 2, of: 12 })), { number: 2, of: 12 });
    for (const none of [undefined, '', '2', '2/', '/2', 'a/b', ' 1/2', '-1/2'])
      assert.equal(readSeat(none), null, none);
  });
});
