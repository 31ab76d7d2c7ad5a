import { moment } from '#src/cli/layout.ts';
import { elapsed, ticksOf } from '#src/cli/timeline/axis.ts';
import {
  type Bar,
  type Chart,
  histogram,
  type Lane,
  type Mark,
  rowsOf,
  type Series,
  type Span,
} from '#src/cli/timeline/chart.ts';
import type { EpochSeconds } from '#src/units.ts';

/** All lengths are in units of the drawing, which is shown at the size of CSS pixels. */
const WIDTH = 1080;
const MARGIN = 28;
const GUTTER = 124;
const ROW = 22;
const BAR = 16;
/** A key that is published and does not sign is a thin line. */
const LINE = 5;
const LANE_GAP = 18;
const SERIES_HEIGHT = 44;
const LETTER = 5.9;
const MARK_LINE = 15;
const MARK_LINES_MAX = 3;
const MARK_GAP = 10;

const PLOT = { left: MARGIN + GUTTER, right: WIDTH - MARGIN };
const BINS = 120;
const BAR_GAP = 3;
/** A revocation is to be seen, however little time is left to its key. */
const REVOKED_MIN = 4;

/**
 * The chart as an SVG document of its own. It follows the reader's light or dark scheme, needs no font but the
 * system's, holds no script, and says in its title and description what it shows.
 */
export function chartInSvg(chart: Chart): string {
  const drawing = new Drawing(chart);
  const { height, parts } = drawing.draw();
  const { title, summary } = chart;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="t d">
<title id="t">${escaped(title)}</title>
<desc id="d">${escaped(summary)}</desc>
<style>${STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12"/>
${parts.join('\n')}
</svg>
`;
}

/** A mark with a line and a word. */
interface ToldMark extends Omit<Mark, 'sign'> {
  readonly sign: Mark['sign'] | 'now';
}

/** A piece of a bar. */
interface Part {
  readonly state: Span['state'];
  readonly x: number;
  readonly width: number;
  readonly planned: boolean;
}

class Drawing {
  readonly #chart: Chart;
  readonly #drawn: string[] = [];
  #y = MARGIN;

  constructor(chart: Chart) {
    this.#chart = chart;
  }

  draw(): { readonly height: number; readonly parts: readonly string[] } {
    const { title, summary, lanes, series } = this.#chart;
    this.#text(MARGIN, this.#y + 14, title, 'title');
    this.#text(MARGIN, this.#y + 36, summary, 'muted');
    this.#y += 62;
    this.#legend();
    this.#markLabels();
    const top = this.#y;
    const behind = this.#drawn.length;
    for (const lane of lanes) this.#lane(lane);
    for (const each of series) this.#series(each);
    const bottom = this.#y;
    this.#axis(bottom);
    this.#drawn.splice(behind, 0, ...this.#grid(top, bottom), ...this.#markLines(top, bottom));
    return { height: this.#y + MARGIN - 8, parts: this.#drawn };
  }

  #legend(): void {
    const { lanes, now, until } = this.#chart;
    const states = new Set(
      lanes.flatMap(({ bars }) => bars.flatMap(({ spans }) => spans.map(({ state }) => state))),
    );
    const words = STATES.filter(({ state }) => states.has(state));
    let x = PLOT.left;
    for (const { state, word } of words) {
      this.#drawn.push(shape(state, { x, width: 26, middle: this.#y }, ''));
      this.#text(x + 33, this.#y + 4, word, 'small');
      x += 33 + word.length * LETTER + 22;
    }
    if (now < until) {
      this.#drawn.push(shape('active', { x, width: 26, middle: this.#y }, ' planned'));
      this.#text(x + 33, this.#y + 4, 'planned', 'small');
    }
    this.#y += 28;
  }

  /** What happened, above the lanes; each in the first line that has room for it. */
  #markLabels(): void {
    const placed: {
      readonly x: number;
      readonly left: number;
      readonly line: number;
      readonly mark: ToldMark;
    }[] = [];
    const ends: number[] = [];
    let last = { label: '', end: 0 };
    for (const mark of this.#toldMarks()) {
      const x = this.#x(mark.at);
      const width = mark.label.length * LETTER;
      const left = Math.min(x - 3, PLOT.right - width);
      // The same word close behind itself says nothing new.
      if (last.label === mark.label && left < last.end) continue;
      last = { label: mark.label, end: left + width };
      const free = ends.findIndex((end) => end < left);
      const line = free < 0 ? ends.length : free;
      if (line === MARK_LINES_MAX) continue;
      ends[line] = left + width + MARK_GAP;
      placed.push({ x, left, line, mark });
    }
    const bottom = this.#y + ends.length * MARK_LINE;
    for (const { x, left, line, mark } of placed) {
      const y = this.#y + 10 + line * MARK_LINE;
      this.#drawn.push(upright(`lead ${mark.sign}`, x, y + 4, bottom));
      this.#text(left, y, mark.label, `small ${mark.sign}`);
    }
    this.#y = ends.length === 0 ? this.#y : bottom + 8;
  }

  #lane(lane: Lane): void {
    const { from, until } = this.#chart;
    const gap = ((until - from) / (PLOT.right - PLOT.left)) * BAR_GAP;
    const rows = rowsOf(lane, { from, until, gap });
    this.#text(MARGIN, this.#y + 15, lane.title, 'strong');
    this.#text(MARGIN, this.#y + 31, lane.about, 'small muted');
    for (const bars of rows) {
      for (const bar of bars) this.#bar(bar, this.#y + ROW / 2);
      this.#y += ROW;
    }
    this.#y += LANE_GAP + Math.max(0, 2 - rows.length) * (ROW / 2);
  }

  #bar({ label, name, spans }: Bar, middle: number): void {
    const parts = spans.flatMap((span) => this.#partsOf(span));
    const shapes = parts.map(({ state, x, width, planned }) => {
      const least = state === 'revoked' ? REVOKED_MIN : 1.5;
      return shape(state, { x, width: Math.max(least, width), middle }, planned ? ' planned' : '');
    });
    this.#drawn.push(`<g><title>${escaped(this.#story(name, spans))}</title>${shapes.join('')}</g>`);
    for (const span of spans) {
      const [widest] = this.#partsOf(span).toSorted((one, other) => other.width - one.width);
      if (widest === undefined || widest.width < label.length * LETTER + 12) continue;
      const { state, x, width, planned } = widest;
      if (state === 'active')
        this.#text(x + width / 2, middle + 4, label, planned ? 'label' : 'label active');
      if (state === 'up') this.#text(x + 12, middle + 4, label, 'label up');
    }
  }

  /** What can be seen of a span: what has been of it, and what is planned. */
  #partsOf({ state, from: begin, until: end }: Span): readonly Part[] {
    const { from, until, now } = this.#chart;
    const stretches = [
      { from: Math.max(from, begin), until: Math.min(now, end ?? until, until), planned: false },
      { from: Math.max(now, begin), until: Math.min(end ?? until, until), planned: true },
    ];
    return stretches
      .filter((stretch) => stretch.until > stretch.from)
      .map((stretch) => {
        const x = this.#x(stretch.from);
        return { state, x, width: this.#x(stretch.until) - x, planned: stretch.planned };
      });
  }

  #series(series: Series): void {
    const counts = histogram(series, this.#chart, BINS);
    const most = Math.max(1, ...counts);
    const width = (PLOT.right - PLOT.left) / BINS;
    const base = this.#y + SERIES_HEIGHT - 4;
    const bars = counts.map((count, index) => {
      const height = (count / most) * (SERIES_HEIGHT - 22);
      const x = PLOT.left + index * width;
      return count === 0 ? '' : `M${n(x)} ${n(base)}v${n(-Math.max(2, height))}h${n(width - 1)}V${n(base)}z`;
    });
    this.#text(PLOT.left, this.#y + 8, `${grouped(series.times.length)} ${series.title}`, 'small');
    this.#drawn.push(
      `<line class="base" x1="${PLOT.left}" x2="${PLOT.right}" y1="${base + 0.5}" y2="${base + 0.5}"/>`,
    );
    this.#drawn.push(`<path class="series ${series.tone}" d="${bars.join('')}"/>`);
    this.#y += SERIES_HEIGHT + 8;
  }

  #axis(y: number): void {
    for (const { at, label } of this.#ticks()) {
      const x = Math.min(this.#x(at), WIDTH - 8 - (label.length * LETTER) / 2);
      this.#text(x, y + 14, label, 'small muted middle');
    }
    this.#y = y + 22;
  }

  #grid(top: number, bottom: number): readonly string[] {
    return this.#ticks().map(({ at }) => upright('grid', this.#x(at), top, bottom));
  }

  /** What comes by the schedule is seen in the bars. */
  #toldMarks(): readonly ToldMark[] {
    const { marks, now, until } = this.#chart;
    const told = marks.filter(({ sign }) => sign !== 'schedule');
    const present = now < until ? [{ at: now, sign: 'now' as const, label: 'now' }] : [];
    return [...told, ...present].toSorted((one, other) => one.at - other.at);
  }

  #markLines(top: number, bottom: number): readonly string[] {
    return this.#toldMarks().map(({ at, sign }) => upright(`lead ${sign}`, this.#x(at), top - 8, bottom));
  }

  #ticks() {
    return ticksOf(this.#chart, 10);
  }

  #x(at: number): number {
    const { from, until } = this.#chart;
    const share = Math.min(1, Math.max(0, (at - from) / (until - from)));
    return PLOT.left + share * (PLOT.right - PLOT.left);
  }

  #text(x: number, y: number, text: string, kind: string): void {
    this.#drawn.push(`<text class="${kind}" x="${n(x)}" y="${n(y)}">${escaped(text)}</text>`);
  }

  /** What a bar says when it is pointed at. */
  #story(name: string, spans: readonly Span[]): string {
    return [name, ...spans.map(({ state, from }) => `${WORDS.get(state)} from ${this.#moment(from)}`)].join(
      '\n',
    );
  }

  #moment(at: EpochSeconds): string {
    return this.#chart.axis === 'elapsed' ? elapsed(at - this.#chart.from) : moment(at);
  }
}

/** The states in the order of a key's life, with a word for each. */
const STATES = [
  { state: 'next', word: 'published, does not sign yet' },
  { state: 'active', word: 'signs' },
  { state: 'retired', word: 'retired, still verifies' },
  { state: 'revoked', word: 'revoked' },
  { state: 'rehearsal', word: 'rehearsed' },
] as const;

const WORDS: ReadonlyMap<Span['state'], string> = new Map([
  ...STATES.map(({ state, word }) => [state, word] as const),
  ['up', 'runs'] as const,
]);

function shape(
  state: Span['state'],
  { x, width, middle }: { readonly x: number; readonly width: number; readonly middle: number },
  more: string,
): string {
  const height = state === 'active' || state === 'up' ? BAR : LINE;
  const radius = state === 'active' ? 3 : 1;
  const box = `x="${n(x)}" y="${n(middle - height / 2)}" width="${n(width)}" height="${height}" rx="${radius}"`;
  return `<rect class="${state}${more}" ${box}/>`;
}

const upright = (kind: string, x: number, from: number, to: number): string =>
  `<line class="${kind}" x1="${n(x)}" x2="${n(x)}" y1="${n(from)}" y2="${n(to)}"/>`;

/** A number with as many digits as can be seen. */
const n = (value: number): string => String(Math.round(value * 10) / 10);

const grouped = (count: number): string => new Intl.NumberFormat('en').format(count);

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (sign) => entities[sign] ?? sign);
}

/** Colours that differ for the colour-blind too, and shapes that differ without colours. */
const STYLE = `
svg{--card:#fff;--edge:#d9dee5;--ink:#1b2430;--muted:#5d6978;--grid:#edf0f4;--next:#7aa7dc;--active:#0f7b6c;--on:#fff;--retired:#b9b2a4;--revoked:#c8323c;--hand:#6b4fc4;--undo:#b3661b;--up:#e3e8ee;color-scheme:light dark}
@media(prefers-color-scheme:dark){svg{--card:#14181e;--edge:#2c343f;--ink:#e6eaf0;--muted:#98a4b3;--grid:#202731;--next:#4f82c0;--active:#35b99f;--on:#08221d;--retired:#6f695d;--revoked:#ff6d73;--hand:#a894f2;--undo:#e6a257;--up:#29313c}}
text{font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--ink);font-variant-numeric:tabular-nums}
.card{fill:var(--card);stroke:var(--edge)}
.title{font-size:18px;font-weight:650}.strong{font-weight:600}.small{font-size:11px;paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}.muted{fill:var(--muted)}.middle,.label{text-anchor:middle}
.label{font-size:11px;font-weight:600;stroke:none}.label.active{fill:var(--on)}.label.up{fill:var(--muted)}
.grid{stroke:var(--grid)}.base{stroke:var(--edge)}
rect.next,rect.rehearsal{fill:var(--next)}rect.active{fill:var(--active)}rect.retired{fill:var(--retired)}rect.revoked{fill:var(--revoked)}rect.up{fill:var(--up)}
rect.rehearsal{fill-opacity:.5}.planned{fill-opacity:.4}
.lead{stroke-dasharray:2 3;stroke-opacity:.7}line.hand{stroke:var(--hand)}line.undo{stroke:var(--undo)}line.revocation{stroke:var(--revoked)}line.restart{stroke:var(--muted)}line.now{stroke:var(--ink)}
text.hand{fill:var(--hand)}text.undo{fill:var(--undo)}text.revocation{fill:var(--revoked)}text.restart{fill:var(--muted)}
.series.good{fill:var(--active);fill-opacity:.75}.series.faint{fill:var(--retired)}.series.notable{fill:var(--undo)}.series.bad{fill:var(--revoked)}
`;
