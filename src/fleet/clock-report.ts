import { clockDistance, type ServerNode, STORE_CLOCK } from '#src/fleet/server-node.ts';
import { type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/**
 * How far the clock of a server is from the others', 0 if that is within bounds. Found by most of those who can tell: of
 * two servers nobody knows which is wrong, of three it is the one that both others find apart. A look from here tells
 * only of a clock that is ahead, since one that is behind looks like one that was read a while ago.
 */
export function clockOf(
  { id, clock, apart }: ServerNode,
  nodes: readonly ServerNode[],
  { now, skewMax }: { readonly now: EpochSeconds; readonly skewMax: Seconds },
): Seconds {
  const fromHere = clockDistance({ theirs: clock, ours: now, age: seconds(Number.POSITIVE_INFINITY) });
  if (fromHere > skewMax) return fromHere;
  const ofStore = apart.find(({ of }) => of === STORE_CLOCK);
  if (ofStore !== undefined) return seconds(-ofStore.by);
  const byOthers = nodes
    .filter((node) => node.id !== id)
    .map((node) => node.apart.find(({ of }) => of === id)?.by ?? seconds(0))
    .toSorted((a, b) => Math.abs(a) - Math.abs(b));
  return byOthers[Math.floor((byOthers.length - 1) / 2)] ?? seconds(0);
}

/** `agrees`, `45 s ahead`, `45 s behind` */
export function clockText(by: Seconds): string {
  if (by === 0) return 'agrees';
  return `${Math.abs(by)} s ${by > 0 ? 'ahead' : 'behind'}`;
}
