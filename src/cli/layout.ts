import { columnsOf, type Style, visible } from '#src/cli/terminal.ts';
import type { EpochSeconds } from '#src/units.ts';

const GAP = '  ';

/** What stands where there is nothing to show. */
const NOTHING = '-';

/** Rows under a heading, each column as wide as its widest cell. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  style: Style,
): string {
  const shown = rows.map((row) => row.map(cellText));
  const widths = heading.map((title, column) =>
    Math.max(columnsOf(title), ...shown.map((row) => columnsOf(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join(GAP)
      .trimEnd();
  return [style('faint', line(heading)), ...shown.map(line)].join('\n');
}

/** Two blocks of lines next to each other, if that is no wider than `columns`; otherwise one above the other. */
export function beside(left: string, right: string, columns: number): string {
  const [lefts, rights] = [left.split('\n'), right.split('\n')];
  const width = Math.max(...lefts.map(columnsOf));
  const both = width + BETWEEN.length + Math.max(...rights.map(columnsOf));
  if (both > columns) return `${left}\n\n${right}`;
  const lines = Array.from({ length: Math.max(lefts.length, rights.length) }, (_, at) =>
    `${padded(lefts[at] ?? '', width)}${BETWEEN}${rights[at] ?? ''}`.trimEnd(),
  );
  return lines.join('\n');
}

const BETWEEN = '    ';

/** Names with their values, one a line; a list takes a line for each of its items. What is `undefined` is left out. */
export function facts(
  entries: Readonly<Record<string, string | readonly string[] | null | undefined>>,
  style: Style,
): string {
  const known = Object.entries(entries).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...known.map(([name]) => columnsOf(name)));
  const lines = known.flatMap(([name, value]) => {
    const [first, ...more] = Array.isArray(value) ? value.map(cellText) : [cellText(value as string | null)];
    const label = style('faint', padded(name, width));
    return [
      `  ${label}${GAP}${first ?? NOTHING}`,
      ...more.map((each) => `  ${' '.repeat(width)}${GAP}${each}`),
    ];
  });
  return lines.join('\n');
}

/** A point in time as people read it: `2026-07-14 10:15:30 UTC`. */
export function moment(time: EpochSeconds): string {
  return `${new Date(time * 1000).toISOString().replace('T', ' ').slice(0, 19)} UTC`;
}

/** A point in time seen from another: `in 3 days`, `2 minutes ago`, `now`. */
export function distance(time: EpochSeconds, now: EpochSeconds): string {
  const length = time - now;
  if (length === 0) return 'now';
  const [unit, size] = UNITS.find(([, seconds]) => Math.abs(length) >= seconds) ?? SECOND;
  return new Intl.RelativeTimeFormat('en').format(Math.trunc(length / size), unit);
}

const SECOND = ['second', 1] as const;
const UNITS = [['day', 86_400], ['hour', 3600], ['minute', 60], SECOND] as const;

function cellText(value: string | null): string {
  return value === null || value === '' ? NOTHING : visible(value).replaceAll('\n', ' ');
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)));
}
