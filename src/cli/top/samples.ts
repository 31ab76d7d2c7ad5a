/** A series of a metric, and what it is at. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a server said that it has measured: the series of each metric, by its name. */
export class Samples {
  readonly #series: ReadonlyMap<string, readonly Series[]>;
  /** When it was said, in milliseconds from any beginning. */
  readonly at: number;

  constructor(series: ReadonlyMap<string, readonly Series[]>, at: number) {
    this.#series = series;
    this.at = at;
  }

  of(metric: string): readonly Series[] {
    return this.#series.get(metric) ?? [];
  }
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g;

/** Reads the text format of Prometheus. What is none of it is left out. */
export function readSamples(text: string, at: number): Samples {
  const series = new Map<string, Series[]>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const pairs = [...labels.matchAll(LABEL)].map(([, label = '', escaped = '']) => [
      label,
      unescaped(escaped),
    ]);
    const all = series.get(name) ?? [];
    all.push({ labels: Object.fromEntries(pairs), value: numberOf(value) });
    series.set(name, all);
  }
  return new Samples(series, at);
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
}

/** `+Inf` is not what JavaScript calls it. */
function numberOf(text: string): number {
  return text.endsWith('Inf') ? Number(`${text}inity`) : Number(text);
}
