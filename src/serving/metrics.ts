import { SetupFault } from '#src/fault.ts';
import { listen } from '#src/http/listen.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { listings } from '#src/signing/key-listing.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/**
 * Answers whoever scrapes, if the settings name a port for that; until then nothing of it is loaded.
 * @throws SetupFault when the port cannot be had.
 */
export async function openMetrics(
  { config, rotation }: Services,
  { clock, onFault }: Pick<Surroundings, 'clock'> & { readonly onFault: (fault: unknown) => void },
): Promise<AsyncDisposable> {
  const { port, host: addresses } = config.metrics;
  if (port === null) return { [Symbol.asyncDispose]: async () => {} };
  const [{ Gauge, Registry }, { exposition }, { measureKeys }] = await Promise.all([
    import('prom-client'),
    import('#src/metrics/exposition.ts'),
    import('#src/metrics/key-metrics.ts'),
  ]);
  const registry = new Registry();
  new Gauge({
    name: 'keyturn_build_info',
    help: 'Always 1; the version of the program is a label.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: PROGRAM_VERSION }, 1);
  measureKeys({ registry, clock, keys: () => listings(rotation.held.ring, clock.now()) });
  const listening = await orMetricsPort(
    listen(exposition(registry, onFault), { ...config.http, addresses, port, tls: null }),
  );
  return { [Symbol.asyncDispose]: () => listening.stop(config.http.stopGrace) };
}

async function orMetricsPort<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (problem) {
    if (!(problem instanceof SetupFault)) throw problem;
    throw new SetupFault(problem.message, 'check KEYTURN_METRICS_HOST and KEYTURN_METRICS_PORT', {
      cause: problem.cause,
    });
  }
}
