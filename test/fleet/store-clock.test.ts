import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SetupFault } from '#src/fault.ts';
import { assertStoreClock } from '#src/fleet/store-clock.ts';
import { type EpochSeconds, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

const skewMax = seconds(30);

test('a store whose clock is further away than clocks may be is refused at the start, in plain words', async () => {
  const clock = new MovingClock();
  for (const [by, says] of [
    [31, /31 s ahead of the clock of this machine; they may differ by 30 s/],
    [-45, /45 s behind the clock of this machine/],
  ] as const) {
    const theirs = new MovingClock(clock.now());
    theirs.move(seconds(by));
    await assert.rejects(
      assertStoreClock(async () => theirs.now(), clock, skewMax),
      (fault) => fault instanceof SetupFault && says.test(fault.message) && /NTP/.test(fault.hint),
    );
  }
});

test('a store whose clock is near enough, or that has none of its own, is not', async () => {
  const clock = new MovingClock();
  const theirs = new MovingClock(clock.now());
  theirs.move(skewMax);
  await assertStoreClock(async () => theirs.now(), clock, skewMax);
  await assertStoreClock(async () => null, clock, skewMax);
});

test('a store that answers late is not taken for one whose clock is behind', async () => {
  const clock = new MovingClock();
  const slow = async (): Promise<EpochSeconds> => {
    const then = clock.now();
    clock.move(seconds(60));
    return then;
  };
  await assertStoreClock(slow, clock, skewMax);
});
