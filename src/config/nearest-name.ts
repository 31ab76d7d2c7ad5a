/**
 * The name that someone most likely meant by `word`, or `null` if none is close. Case and separators count for
 * nothing, and a name may be given without the group that it stands in.
 */
export function nearestName(word: string, names: readonly string[]): string | null {
  const meant = squeeze(word);
  let best: string | null = null;
  let bestDistance = slipsAllowed(meant) + 1;
  for (const name of names) {
    const alone = name.slice(name.lastIndexOf('.') + 1);
    const distance = Math.min(slips(meant, squeeze(name)), slips(meant, squeeze(alone)));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

const squeeze = (name: string): string => name.replaceAll(/[^a-z0-9]/gi, '').toLowerCase();

/** One slip in four letters is a typo; more is another word. */
const slipsAllowed = (word: string): number => Math.floor(word.length / 4);

/** How many letters must be added, dropped, changed or swapped with their neighbour to come from one word to the other. */
function slips(from: string, to: string): number {
  const table: number[][] = [];
  const at = (row: number, column: number): number => table[row]?.[column] ?? 0;
  for (let row = 0; row <= from.length; row += 1) {
    table.push([row]);
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const ways = row === 0 ? [column] : [at(row - 1, column) + 1, at(row, column - 1) + 1];
      if (row > 0) ways.push(at(row - 1, column - 1) + (same ? 0 : 1));
      if (swapped) ways.push(at(row - 2, column - 2) + 1);
      table[row]?.push(Math.min(...ways));
    }
  }
  return at(from.length, to.length);
}
