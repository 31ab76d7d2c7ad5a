/** What several workers have measured, as whoever looks after them knows it. */
export interface MachineMeasures {
  /** Each with its place; `null` for one that did not answer. */
  readonly workers: readonly { readonly place: number; readonly text: string | null }[];
  /** How many workers have ended by themselves. */
  readonly crashes: number;
}

/** One exposition of all that several workers have measured. Their series are told apart by the label `worker`. */
export function machineExposition({ workers, crashes }: MachineMeasures): string {
  const up = workers.map(
    ({ place, text }) => `keyturn_worker_up{worker="${place}"} ${text === null ? 0 : 1}`,
  );
  const own = [
    '# HELP keyturn_worker_up Whether a worker said what it has measured.',
    '# TYPE keyturn_worker_up gauge',
    ...up,
    '',
    '# HELP keyturn_worker_crashes_total Workers that ended by themselves, and were replaced.',
    '# TYPE keyturn_worker_crashes_total counter',
    `keyturn_worker_crashes_total ${crashes}`,
  ];
  return joined([own.join('\n'), ...workers.flatMap(({ text }) => text ?? [])]);
}

/** All series of a family stand together in the format. In each text they do, with an empty line between families. */
function joined(texts: readonly string[]): string {
  const families = new Map<string, string[]>();
  for (const text of texts) {
    for (const family of text.trimEnd().split('\n\n')) {
      const [help = '', type = '', ...series] = family.split('\n');
      const name = `${help}\n${type}`;
      families.set(name, [...(families.get(name) ?? []), ...series]);
    }
  }
  return [...families].map(([head, series]) => `${[head, ...series].join('\n')}\n`).join('\n');
}
