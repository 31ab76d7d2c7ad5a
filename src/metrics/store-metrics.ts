import { Counter, Histogram, type Registry } from 'prom-client';

/** From a read of what SQLite has in memory to a Redis that is about to be given up, in seconds. */
const BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** Told of each operation of the store when it has come to its end. */
export type StoreObserver = (operation: string, ms: number, failed: boolean) => void;

/** Measures the store as the server sees it: with the wait for the disk, for other processes, and for the network. */
export function measureStore(registry: Registry): StoreObserver {
  const durations = new Histogram({
    name: 'keyturn_store_operation_duration_seconds',
    help: 'How long the store took, by operation.',
    labelNames: ['operation'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const faults = new Counter({
    name: 'keyturn_store_faults_total',
    help: 'Operations of the store that failed.',
    labelNames: ['operation'],
    registers: [registry],
  });
  // Looking for a series by its labels costs more than counting.
  const series = new Map<string, ReturnType<typeof durations.labels>>();
  return (operation, ms, failed) => {
    let of = series.get(operation);
    if (of === undefined) {
      of = durations.labels(operation);
      series.set(operation, of);
      // Of a series that begins with its first event nobody sees that it has risen.
      faults.inc({ operation }, 0);
    }
    of.observe(ms / 1000);
    if (failed) faults.inc({ operation });
  };
}
