import type { KeyLife, KeySpan, KeyTurn } from '#src/signing/key-timeline.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What there is to be drawn, in the terminal or as an image: bars along a time line, and what happened beside them. */
export interface Chart {
  readonly title: string;
  /** One sentence that says the most important. */
  readonly summary: string;
  readonly from: EpochSeconds;
  readonly until: EpochSeconds;
  /** What lies behind it is planned. */
  readonly now: EpochSeconds;
  /** Whether the axis counts from the beginning or shows the date. */
  readonly axis: 'elapsed' | 'calendar';
  readonly lanes: readonly Lane[];
  readonly marks: readonly Mark[];
  readonly series: readonly Series[];
}

/** Bars that belong together. Those that do not meet share a row. */
export interface Lane {
  readonly title: string;
  readonly about: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  /** A few letters, to stand in the bar. */
  readonly label: string;
  readonly name: string;
  readonly spans: readonly Span[];
}

/** `up`: a node runs. */
export interface Span extends Omit<KeySpan, 'state'> {
  readonly state: KeySpan['state'] | 'up';
}

/** Something that happened, or will. */
export interface Mark {
  readonly at: EpochSeconds;
  readonly sign: KeyTurn['cause'] | 'restart';
  readonly label: string;
}

/** Something that happened often. */
export interface Series {
  readonly title: string;
  readonly tone: 'good' | 'faint' | 'notable' | 'bad';
  readonly times: readonly EpochSeconds[];
}

/** A lane for each algorithm, in the order of the lives. */
export function keyLanes(
  lives: readonly KeyLife[],
  about: (alg: KeyLife['alg']) => string,
  labelOf: (kid: string, index: number) => string,
): readonly Lane[] {
  const algorithms = [...new Set(lives.map(({ alg }) => alg))];
  return algorithms.map((alg) => ({
    title: alg,
    about: about(alg),
    bars: lives
      .filter((life) => life.alg === alg)
      .map(({ kid, spans }, index) => ({ label: labelOf(kid, index), name: `${alg} ${kid}`, spans })),
  }));
}

/** What the marks of turns say, in a word. */
const CAUSES: Readonly<Record<KeyTurn['cause'], string>> = {
  schedule: 'by the schedule',
  hand: 'by hand',
  undo: 'undone',
  revocation: 'revoked',
};

/** A mark for each moment in which keys turned for the same reason, however many did. */
export function turnMarks(turns: readonly KeyTurn[]): readonly Mark[] {
  const marks = new Map(
    turns.map(({ from, cause }) => [`${from} ${cause}`, { at: from, sign: cause, label: CAUSES[cause] }]),
  );
  return [...marks.values()];
}

/** The bars of a lane in as few rows as they fit in, each in the first that has room for it. */
export function rowsOf({ bars }: Lane, { from, until, gap }: RowOptions): readonly (readonly Bar[])[] {
  const rows: { readonly bars: Bar[]; end: number }[] = [];
  for (const bar of bars) {
    const begin = bar.spans[0]?.from ?? until;
    const end = bar.spans.at(-1)?.until ?? until;
    if (begin >= until || end <= from) continue;
    const row = rows.find((each) => each.end + gap <= begin);
    if (row === undefined) rows.push({ bars: [bar], end });
    else {
      row.bars.push(bar);
      row.end = end;
    }
  }
  return rows.map((row) => row.bars);
}

export interface RowOptions extends Pick<Chart, 'from' | 'until'> {
  /** The least time between two bars of a row. */
  readonly gap: number;
}

/** How often each of `count` equal parts of the time was hit. */
export function histogram(
  { times }: Series,
  { from, until }: Pick<Chart, 'from' | 'until'>,
  count: number,
): number[] {
  const parts = Array.from({ length: count }, () => 0);
  for (const time of times) {
    const part = Math.min(count - 1, Math.floor(((time - from) / (until - from)) * count));
    if (part >= 0) parts[part] = (parts[part] ?? 0) + 1;
  }
  return parts;
}
