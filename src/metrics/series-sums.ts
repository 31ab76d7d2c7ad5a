/** A metric as a text of Prometheus tells of it. */
export interface Family {
  /** What it is called, what it says, and its type. */
  readonly head: string;
  /** It never falls while a process lives: a counter, or the parts of a histogram. */
  readonly counts: boolean;
  /** Each with its name and labels, and what it is at. */
  readonly series: readonly (readonly [string, string])[];
}

/** The metrics in a text of prom-client, which has an empty line between them. */
export function familiesIn(text: string): readonly Family[] {
  return text
    .trimEnd()
    .split('\n\n')
    .filter((family) => family !== '')
    .map((family) => {
      const [help = '', type = '', ...lines] = family.split('\n');
      const series = lines.map((line) => {
        const end = line.lastIndexOf(' ');
        return [line.slice(0, end), line.slice(end + 1)] as const;
      });
      return { head: `${help}\n${type}`, counts: / (?:counter|histogram)$/.test(type), series };
    });
}

/** Those of a metric that are remembered of processes that have ended; clients beyond it are counted as `other`. */
const SERIES_MAX = 2_000;

const CLIENT = /client_id="[^"]*"/;

/** What several processes have counted, series by series. */
export class SeriesSums {
  readonly #sums: Map<string, Map<string, number>>;

  /** Begins with what others are at. */
  constructor(others?: SeriesSums) {
    const known = others === undefined ? [] : [...others.#sums];
    this.#sums = new Map(known.map(([head, series]) => [head, new Map(series)]));
  }

  /** Adds what is counted in a text of Prometheus. */
  add(text: string): void {
    for (const { head, counts, series } of familiesIn(text)) {
      if (!counts) continue;
      const sums = this.#sums.get(head) ?? new Map<string, number>();
      this.#sums.set(head, sums);
      for (const [name, value] of series) {
        const known = sums.has(name) || sums.size < SERIES_MAX;
        const counted = known ? name : name.replace(CLIENT, 'client_id="other"');
        sums.set(counted, (sums.get(counted) ?? 0) + Number(value));
      }
    }
  }

  families(): readonly Pick<Family, 'head' | 'series'>[] {
    return [...this.#sums].map(([head, series]) => ({
      head,
      series: [...series].map(([name, value]) => [name, String(value)] as const),
    }));
  }
}
