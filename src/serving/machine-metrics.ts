import type { Config } from '#src/config/schema.ts';
import { type MachineMeasures, machineExposition } from '#src/metrics/machine-exposition.ts';
import { SeriesSums } from '#src/metrics/series-sums.ts';
import { openMetricsPort } from '#src/serving/metrics-port.ts';

export interface MachineMetricsPorts {
  readonly measures: () => Promise<MachineMeasures>;
  readonly onFault: (fault: unknown) => void;
}

/** What all workers of a machine have measured. */
export class MachineMetrics {
  readonly #gone = new SeriesSums();

  /** A worker has ended, and had measured this. */
  workerGone(text: string): void {
    this.#gone.add(text);
  }

  /**
   * Answers whoever scrapes, each worker asked at that moment.
   * @throws SetupFault when the port cannot be had.
   */
  listen(
    config: Pick<Config, 'metrics' | 'http'>,
    port: number,
    { measures, onFault }: MachineMetricsPorts,
  ): Promise<AsyncDisposable> {
    const read = async () => machineExposition(await measures(), this.#gone);
    return openMetricsPort(config, port, { read, onFault });
  }
}
