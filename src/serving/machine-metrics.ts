import type { Config } from '#src/config/schema.ts';
import { type MachineMeasures, machineExposition } from '#src/metrics/machine-exposition.ts';
import { openMetricsPort } from '#src/serving/metrics-port.ts';

/**
 * Answers whoever scrapes with what all workers of the machine have measured, each asked at that moment.
 * @throws SetupFault when the port cannot be had.
 */
export function openMachineMetrics(
  config: Pick<Config, 'metrics' | 'http'>,
  port: number,
  {
    measures,
    onFault,
  }: { readonly measures: () => Promise<MachineMeasures>; readonly onFault: (fault: unknown) => void },
): Promise<AsyncDisposable> {
  return openMetricsPort(config, port, { read: async () => machineExposition(await measures()), onFault });
}
