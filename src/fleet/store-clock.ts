import type { Clock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import { clockDistance } from '#src/fleet/server-node.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** The clock of the store, `null` where it has none but that of this process. Throws `StorageFault`. */
export type StoreClock = () => Promise<EpochSeconds | null>;

/** How far the store's clock is from ours at least, as `clockDistance` says. Throws `StorageFault`. */
export async function storeClockDistance(storeClock: StoreClock, clock: Clock): Promise<Seconds> {
  const asked = clock.now();
  const theirs = await storeClock();
  if (theirs === null) return seconds(0);
  const ours = clock.now();
  return clockDistance({ theirs, ours, age: between(asked, ours) });
}

/** Throws `SetupFault` if the store's clock is further from ours than clocks may be. */
export async function assertStoreClock(
  storeClock: StoreClock,
  clock: Clock,
  skewMax: Seconds,
): Promise<void> {
  const by = await storeClockDistance(storeClock, clock);
  if (Math.abs(by) <= skewMax) return;
  throw new SetupFault(
    `the clock of the store is ${Math.abs(by)} s ${by > 0 ? 'ahead of' : 'behind'} the clock of this machine; ` +
      `they may differ by ${skewMax} s`,
    'have both set their clocks by NTP, or allow more by keys.clockSkewMax',
  );
}
