import type { Samples, Series } from '#src/cli/top/samples.ts';

/** What has come to a counter between two samples, for each group of its series, by the values of the labels. */
export class Rates {
  readonly #before: Samples;
  readonly #now: Samples;
  /** In seconds. */
  readonly length: number;

  constructor(before: Samples, now: Samples) {
    this.#before = before;
    this.#now = now;
    this.length = Math.max(0.001, (now.at - before.at) / 1000);
  }

  /** How often a second, by the values of these labels. What did not happen is left out. */
  perSecond(counter: string, labels: readonly string[]): readonly { key: readonly string[]; rate: number }[] {
    return [...this.#increases(counter, labels)]
      .filter(([, increase]) => increase > 0)
      .map(([key, increase]) => ({ key: JSON.parse(key) as string[], rate: increase / this.length }))
      .toSorted((a, b) => b.rate - a.rate);
  }

  total(counter: string): number {
    return this.perSecond(counter, [])[0]?.rate ?? 0;
  }

  /** The value that this share of what a histogram has counted was not above; `null` if nothing was counted. */
  quantile(histogram: string, share: number, where: Readonly<Record<string, string>> = {}): number | null {
    const matches = ({ labels }: Series) =>
      Object.entries(where).every(([name, value]) => labels[name] === value);
    const buckets = [...this.#increases(`${histogram}_bucket`, ['le'], matches)]
      .map(([key, count]) => ({ le: boundOf((JSON.parse(key) as string[])[0]), count }))
      .toSorted((a, b) => a.le - b.le);
    return quantileOf(buckets, share);
  }

  #increases(counter: string, by: readonly string[], matches: (series: Series) => boolean = () => true) {
    const earlier = new Map(this.#before.of(counter).map((series) => [nameOf(series), series.value]));
    const increases = new Map<string, number>();
    for (const series of this.#now.of(counter).filter(matches)) {
      const before = earlier.get(nameOf(series)) ?? 0;
      // One that is lower has begun anew meanwhile.
      const increase = series.value >= before ? series.value - before : series.value;
      const key = JSON.stringify(by.map((label) => series.labels[label] ?? ''));
      increases.set(key, (increases.get(key) ?? 0) + increase);
    }
    return increases;
  }
}

/** The series that has these labels, whatever their order. */
function nameOf({ labels }: Series): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const boundOf = (le: string | undefined) => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le));

/** As Prometheus estimates it: evenly spread within a bucket, and in the last the lower bound. */
function quantileOf(buckets: readonly { le: number; count: number }[], share: number): number | null {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return null;
  const rank = share * all;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const { le, count } = buckets[index] as { le: number; count: number };
  const { le: lower, count: below } = buckets[index - 1] ?? { le: 0, count: 0 };
  if (le === Number.POSITIVE_INFINITY) return lower;
  return lower + (le - lower) * ((rank - below) / (count - below));
}
