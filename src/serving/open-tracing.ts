import type { Services } from '#src/services.ts';
import { type Tracing, type TracingParts, UNTRACED } from '#src/serving/tracing.ts';

/** Traces the server, if the settings name a collector; if not, nothing of it is loaded. */
export async function openTracing(services: Services, parts: TracingParts): Promise<Tracing> {
  const { otlpEndpoint } = services.config.tracing;
  if (otlpEndpoint === null) return UNTRACED;
  const { traced } = await import('#src/serving/traced.ts');
  return traced(services, otlpEndpoint, parts);
}
