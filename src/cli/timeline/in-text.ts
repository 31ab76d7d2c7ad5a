import type { Emphasis, Style } from '#src/cli/terminal.ts';
import { ticksOf } from '#src/cli/timeline/axis.ts';
import {
  type Bar,
  type Chart,
  histogram,
  type Lane,
  type Mark,
  rowsOf,
  type Span,
} from '#src/cli/timeline/chart.ts';

/** One column of the drawing. */
interface Cell {
  readonly sign: string;
  readonly emphasis: Emphasis | null;
}

/** How a state looks, done and planned. */
const STATES: Readonly<
  Record<
    Span['state'],
    {
      readonly sign: string;
      readonly planned: string;
      readonly emphasis: Emphasis | null;
      readonly word: string;
    }
  >
> = {
  next: { sign: '░', planned: '░', emphasis: null, word: 'published' },
  active: { sign: '█', planned: '▓', emphasis: 'good', word: 'signs' },
  retired: { sign: '▒', planned: '▒', emphasis: 'faint', word: 'retired' },
  revoked: { sign: '×', planned: '×', emphasis: 'bad', word: 'revoked' },
  rehearsal: { sign: '┄', planned: '┄', emphasis: 'notable', word: 'rehearsed' },
  up: { sign: '─', planned: '─', emphasis: 'faint', word: 'runs' },
};

/** The signs of what happened, the more notable first: of two in one column the first is shown. */
const MARKS: Readonly<Record<Mark['sign'], { readonly sign: string; readonly emphasis: Emphasis }>> = {
  revocation: { sign: '✕', emphasis: 'bad' },
  undo: { sign: '↶', emphasis: 'notable' },
  restart: { sign: '↻', emphasis: 'notable' },
  hand: { sign: '▼', emphasis: 'strong' },
  schedule: { sign: '▽', emphasis: 'faint' },
};

const TOLD_STATES: ReadonlySet<Span['state']> = new Set(['active', 'revoked']);

const HEIGHTS = '▁▂▃▄▅▆▇█';
const NOTHING: Cell = { sign: ' ', emphasis: null };

const GUTTER = 8;
const PLOT_MIN = 24;
/** Room for what is written at a tick. */
const COLUMNS_PER_TICK = { elapsed: 8, calendar: 14 } as const;

/** The chart as lines of at most `columns` columns. */
export function chartInText(chart: Chart, columns: number, style: Style): string {
  const plot = new Plot(chart, Math.max(PLOT_MIN, columns - GUTTER), style);
  return [
    plot.axis(),
    ...plot.marks(),
    ...chart.lanes.flatMap((lane) => plot.lane(lane)),
    ...plot.series(),
    '',
    ...plot.legend(columns),
  ].join('\n');
}

class Plot {
  readonly #chart: Chart;
  readonly #width: number;
  readonly #style: Style;
  /** How long a column is, in seconds. */
  readonly #each: number;

  constructor(chart: Chart, width: number, style: Style) {
    this.#chart = chart;
    this.#width = width;
    this.#style = style;
    this.#each = (chart.until - chart.from) / width;
  }

  axis(): string {
    let line = '';
    for (const { at, label } of ticksOf(
      this.#chart,
      Math.floor(this.#width / COLUMNS_PER_TICK[this.#chart.axis]),
    )) {
      const column = this.#columnOf(at);
      if (column >= line.length + (line === '' ? 0 : 2) && column + label.length <= this.#width)
        line = line.padEnd(column) + label;
    }
    return this.#line(
      '',
      [...line].map((sign) => ({ sign, emphasis: 'faint' })),
    );
  }

  marks(): readonly string[] {
    const { marks } = this.#chart;
    if (marks.length === 0) return [];
    const cells = this.#empty();
    for (const [kind, cell] of Object.entries(MARKS).reverse()) {
      for (const { at, sign } of marks) if (sign === kind) cells[this.#columnOf(at)] = cell;
    }
    return [this.#line('', cells)];
  }

  lane(lane: Lane): readonly string[] {
    const rows = rowsOf(lane, { ...this.#chart, gap: this.#each });
    return rows.map((bars, index) => {
      const cells = this.#empty();
      for (const bar of bars) this.#draw(bar, cells);
      return this.#line(index === 0 ? lane.title : '', cells);
    });
  }

  series(): readonly string[] {
    const { series } = this.#chart;
    const lines = series.map((each) => {
      const counts = histogram(each, this.#chart, this.#width);
      const most = Math.max(1, ...counts);
      const cells = counts.map((count): Cell => {
        if (count === 0) return NOTHING;
        const height = Math.ceil((count / most) * HEIGHTS.length) - 1;
        return { sign: HEIGHTS[height] ?? ' ', emphasis: each.tone };
      });
      const drawn = each.times.length === 0 ? [] : [this.#line('', cells)];
      return [...drawn, `${' '.repeat(GUTTER)}${each.times.length} ${each.title}`];
    });
    return lines.flat();
  }

  legend(columns: number): readonly string[] {
    const { lanes, marks, now, until } = this.#chart;
    const spans = lanes.flatMap(({ bars }) => bars.flatMap((bar) => bar.spans));
    const states = Object.entries(STATES)
      .filter(([state]) => state !== 'up' && spans.some((span) => span.state === state))
      .map(([, { sign, emphasis, word }]) => [this.#styled({ sign, emphasis }), word] as const);
    const planned =
      now < until
        ? [[this.#styled({ sign: STATES.active.planned, emphasis: 'good' }), 'will sign'] as const]
        : [];
    const signs = Object.entries(MARKS).flatMap(([kind, cell]) => {
      const mark = marks.find(({ sign }) => sign === kind);
      return mark === undefined ? [] : [[this.#styled(cell), mark.label] as const];
    });
    return wrapped([...states, ...planned, ...signs.reverse()], columns);
  }

  #draw({ label, spans }: Bar, cells: Cell[]): void {
    const { from, until, now } = this.#chart;
    for (const column of cells.keys()) {
      const begin = from + column * this.#each;
      const parts = spans.map((span) => ({
        span,
        share: Math.min(span.until ?? until, begin + this.#each) - Math.max(span.from, begin),
      }));
      const [largest] = parts
        .filter(({ share }) => share > 0)
        .toSorted((one, other) => other.share - one.share);
      if (largest === undefined) continue;
      const { sign, planned, emphasis } = STATES[largest.span.state];
      cells[column] = { sign: begin < now ? sign : planned, emphasis };
    }
    // However short it was: who looks for a key looks for when it signed, and when it was revoked.
    for (const span of spans.filter(({ state, from }) => TOLD_STATES.has(state) && from < until)) {
      const first = this.#columnOf(span.from);
      const { sign, planned, emphasis } = STATES[span.state];
      cells[first] = { sign: span.from < now ? sign : planned, emphasis };
    }
    this.#label(label, spans, cells);
  }

  /** In the middle of where the key signs longest, if it fits in there. */
  #label(label: string, spans: readonly Span[], cells: Cell[]): void {
    const { until } = this.#chart;
    const [longest] = spans
      .filter(({ state }) => state === 'active' || state === 'up')
      .map((span) => [this.#columnOf(span.from), this.#columnOf(span.until ?? until)] as const)
      .toSorted((one, other) => other[1] - other[0] - (one[1] - one[0]));
    if (longest === undefined || longest[1] - longest[0] < label.length + 2) return;
    const start = Math.floor((longest[0] + longest[1] - label.length) / 2);
    for (const [index, sign] of [...label].entries()) cells[start + index] = { sign, emphasis: 'strong' };
  }

  #columnOf(at: number): number {
    const column = Math.floor((at - this.#chart.from) / this.#each);
    return Math.min(this.#width - 1, Math.max(0, column));
  }

  #empty(): Cell[] {
    return Array.from({ length: this.#width }, () => NOTHING);
  }

  #line(title: string, cells: readonly Cell[]): string {
    const runs: { emphasis: Cell['emphasis']; text: string }[] = [];
    for (const { sign, emphasis } of cells) {
      const last = runs.at(-1);
      if (last !== undefined && last.emphasis === emphasis) last.text += sign;
      else runs.push({ emphasis, text: sign });
    }
    const drawn = runs.map(({ emphasis, text }) => this.#styled({ sign: text, emphasis })).join('');
    return `${this.#style('strong', title.padEnd(GUTTER))}${drawn}`.trimEnd();
  }

  #styled({ sign, emphasis }: Cell): string {
    return emphasis === null || sign.trim() === '' ? sign : this.#style(emphasis, sign);
  }
}

/** Signs with their words, as many to a line as fit. */
function wrapped(
  entries: readonly (readonly [sign: string, word: string])[],
  columns: number,
): readonly string[] {
  const lines: { text: string; width: number }[] = [];
  for (const [sign, word] of entries) {
    const width = word.length + 2;
    const last = lines.at(-1);
    if (last !== undefined && last.width + 3 + width <= columns - GUTTER) {
      last.text += `   ${sign} ${word}`;
      last.width += 3 + width;
    } else {
      lines.push({ text: `${' '.repeat(GUTTER)}${sign} ${word}`, width });
    }
  }
  return lines.map(({ text }) => text);
}
