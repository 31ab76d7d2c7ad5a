import { type Family, familiesIn, SeriesSums } from '#src/metrics/series-sums.ts';

/** What a worker has measured, as whoever looks after it knows it. */
export interface WorkerMeasures {
  readonly place: number;
  /** Another has its place, and it serves what it has begun. */
  readonly leaving: boolean;
  /** `null` if it does not say just now, or there is nobody at that place. */
  readonly text: string | null;
  /** What it said last; `null` if it has never said anything. */
  readonly last: string | null;
}

export interface MachineMeasures {
  readonly workers: readonly WorkerMeasures[];
  /** How many workers have ended by themselves. */
  readonly crashes: number;
}

/**
 * One exposition of all that several workers have measured. Their series are told apart by the label `worker`, which is
 * that of the place. What is counted goes on where the place changes hands: it includes what was counted by those who had
 * it before, and by one that is about to leave, so that neither a series nor a sum of them ever falls.
 */
export function machineExposition({ workers, crashes }: MachineMeasures, gone: SeriesSums): string {
  const seated = workers.filter(({ leaving }) => !leaving);
  const up = seated.map(({ place, text }) => `keyturn_worker_up{worker="${place}"} ${text === null ? 0 : 1}`);
  const own = [
    '# HELP keyturn_worker_up Whether a worker said what it has measured.',
    '# TYPE keyturn_worker_up gauge',
    ...up,
    '',
    '# HELP keyturn_workers_leaving Workers that serve what they have begun, while others have their places.',
    '# TYPE keyturn_workers_leaving gauge',
    `keyturn_workers_leaving ${workers.length - seated.length}`,
    '',
    '# HELP keyturn_worker_crashes_total Workers that ended by themselves, and were replaced.',
    '# TYPE keyturn_worker_crashes_total counter',
    `keyturn_worker_crashes_total ${crashes}`,
  ];
  const counted = new SeriesSums(gone);
  for (const { text, last } of workers) counted.add(text ?? last ?? '');
  const states = seated.flatMap(({ text }) => familiesIn(text ?? '').filter(({ counts }) => !counts));
  return `${[own.join('\n'), ...joined(states), ...counted.families().map(written)].join('\n\n')}\n`;
}

/** All series of a family stand together in the format. */
function joined(families: readonly Family[]): readonly string[] {
  const byHead = Map.groupBy(families, ({ head }) => head);
  return [...byHead].map(([head, all]) => written({ head, series: all.flatMap(({ series }) => series) }));
}

function written({ head, series }: Pick<Family, 'head' | 'series'>): string {
  return [head, ...series.map(([name, value]) => `${name} ${value}`)].join('\n');
}
