import type { Config } from '#src/config/schema.ts';
import { SetupFault } from '#src/fault.ts';
import { listen } from '#src/http/listen.ts';
import { exposition } from '#src/metrics/exposition.ts';

/**
 * Answers whoever scrapes, at the port that the settings name for it.
 * @throws SetupFault when the port cannot be had.
 */
export async function openMetricsPort(
  { metrics, http }: Pick<Config, 'metrics' | 'http'>,
  port: number,
  { read, onFault }: { readonly read: () => Promise<string>; readonly onFault: (fault: unknown) => void },
): Promise<AsyncDisposable> {
  const { host: addresses, token } = metrics;
  const listener = exposition({ read, token, onFault });
  try {
    const listening = await listen(listener, { ...http, addresses, port, tls: null });
    return { [Symbol.asyncDispose]: () => listening.stop(http.stopGrace) };
  } catch (problem) {
    if (!(problem instanceof SetupFault)) throw problem;
    throw new SetupFault(problem.message, 'check KEYTURN_METRICS_HOST and KEYTURN_METRICS_PORT', {
      cause: problem.cause,
    });
  }
}
