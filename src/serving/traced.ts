import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '#src/config/schema.ts';
import { headersIn } from '#src/config/tracing-settings.ts';
import { trustedPeers } from '#src/http/client-address.ts';
import type { Services } from '#src/services.ts';
import { endpointName } from '#src/serving/endpoint-name.ts';
import { routeTemplate } from '#src/serving/route-template.ts';
import { tracedFetch, tracedSenders, tracedSigner } from '#src/serving/traced-calls.ts';
import { tellingMiddleware, tracedEvents, tracedLog, tracedLogAnswer } from '#src/serving/traced-events.ts';
import type { Tracing, TracingParts } from '#src/serving/tracing.ts';
import { noteHashing, noteStore } from '#src/tracing/noted-work.ts';
import type { Resource } from '#src/tracing/otlp.ts';
import { RequestSpans } from '#src/tracing/request-spans.ts';
import { SpanExporter } from '#src/tracing/span-exporter.ts';
import { Tracer } from '#src/tracing/tracer.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** What would be most of all traces and tells nothing, and what lasts for hours. */
const UNTRACED: ReadonlySet<string> = new Set(['health', 'revocation_stream']);

/** Traces a server for the collector at this address. */
export function traced(
  { config, store, hasher }: Services,
  url: string,
  { random, log, worker }: TracingParts,
): Tracing {
  const { tracing, issuer } = config;
  const exporter = new SpanExporter({
    url,
    headers: (tracing.headers === null ? null : headersIn(tracing.headers)) ?? [],
    resource: resourceOf(tracing, worker),
    every: tracing.exportEvery,
    timeout: tracing.exportTimeout,
    batchMax: tracing.batchMax,
    queueMax: tracing.queueMax,
    onAway: (reason) => log.warn({ reason }, 'traces cannot be sent to the collector'),
    onBack: () => log.info('traces are sent to the collector again'),
  });
  const { sampleRatio } = tracing;
  const onEnd = exporter.add.bind(exporter);
  const tracer = new Tracer({ sampleRatio, random, epochMs: () => Date.now(), onEnd });
  const requests = new RequestSpans({
    tracer,
    issuer,
    isTraced: (target) => !UNTRACED.has(endpointName(target)),
    routeOf: routeTemplate,
    isFollowed: trustedPeers({ kind: 'addresses', blocks: tracing.followFrom }),
  });
  store.observe(noteStore(tracer, config.store.startsWith('sqlite:') ? 'sqlite' : 'redis'));
  hasher.line.observe(noteHashing(tracer));
  return {
    counts: () => exporter.counts,
    middleware: [tellingMiddleware(tracer)],
    arriving: (application) => requests.arriving(application),
    within: (application) => requests.within(application),
    log: (written) => tracedLog(tracer, written),
    logAnswer: (logAnswer) => tracedLogAnswer(tracer, logAnswer),
    events: (events) => tracedEvents(tracer, events),
    fetch: (fetch) => tracedFetch(tracer, fetch),
    senders: (senders) => tracedSenders(tracer, senders),
    signer: (signer) => tracedSigner(tracer, signer),
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}

/** Who this is: OpenTelemetry, semantic conventions for resources. */
function resourceOf({ serviceName, resourceAttributes }: Config['tracing'], worker: number | null): Resource {
  const further = resourceAttributes.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return new Map([
    ['service.name', serviceName],
    ['service.version', PROGRAM_VERSION],
    ['service.instance.id', randomUUID()],
    ['host.name', hostname()],
    ...(worker === null ? [] : [['keyturn.worker', String(worker)] as const]),
    ...further,
  ]);
}
