import { table } from '#src/cli/layout.ts';
import type { Style } from '#src/cli/terminal.ts';

/** How many entries of each kind there are, for people. */
export function countsTable(counts: ReadonlyMap<string, number>, style: Style): string {
  const rows = sorted(counts).map(([kind, count]) => [kind, count.toLocaleString('en')]);
  return table(['KIND', 'ENTRIES'], rows, style);
}

export const countsDocument = (counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> =>
  Object.fromEntries(sorted(counts));

const sorted = (counts: ReadonlyMap<string, number>) =>
  [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
