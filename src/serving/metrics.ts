import type { RequestListener } from 'node:http';
import type { Config } from '#src/config/schema.ts';
import type { Admission, ShedReason } from '#src/http/admission.ts';
import type { Dispatcher } from '#src/outbox/dispatcher.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import type { Tracing } from '#src/serving/tracing.ts';
import { listings } from '#src/signing/key-listing.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** What measures a server. */
export interface Metrics {
  /** The same events, counted as well. */
  counted(events: ServerEvents): ServerEvents;
  /** The same application, timed as well. */
  timed(application: RequestListener): RequestListener;
  /** Counts a request that was turned away. */
  shed(reason: ShedReason): void;
  /** From now on what the server holds is measured, too. */
  watch(held: Held): void;
  /** Everything that has been measured, in the text format of Prometheus. */
  read(): Promise<string>;
}

/** What a server holds, beside its services. */
export interface Held {
  readonly dispatcher: Dispatcher;
  readonly admission: Admission;
  /** By the name of a set, how many it holds. */
  readonly sets: Readonly<Record<string, () => number>>;
  /** `null` where nothing is traced. */
  readonly traces: Tracing['counts'];
}

export interface MetricsParts extends Pick<Surroundings, 'clock'> {
  /** Which of several processes this is that serve on one machine, from 1; `null` for the only one. */
  readonly worker: number | null;
}

/** Measures the server, if the settings name a port for that; `null` if not, and then nothing of it is loaded. */
export async function openMetrics(services: Services, parts: MetricsParts): Promise<Metrics | null> {
  if (services.config.metrics.port === null) return null;
  const [prometheus, meters] = await Promise.all([import('prom-client'), loadMeters()]);
  const registry = new prometheus.Registry();
  const { worker, clock } = parts;
  // What is the same for all workers is told by one.
  const first = worker === null || worker === 1;
  if (worker !== null) registry.setDefaultLabels({ worker: String(worker) });
  prometheus.collectDefaultMetrics({ register: registry });
  new prometheus.Gauge({
    name: 'keyturn_build_info',
    help: 'Always 1; the version of the program is a label.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: PROGRAM_VERSION }, 1);
  const { rotation, store, hasher, fleet } = services;
  meters.measureKeys({ registry, clock, keys: () => listings(rotation.held.ring, clock.now()) });
  meters.measureHashing(registry, hasher.line);
  store.observe(meters.measureStore(registry));
  const protocol = meters.countProtocol(registry, limitsOf(services.config));
  const house = meters.countHouse(registry);
  const requests = meters.measureRequests({ registry, endpointOf: meters.endpointName });
  const { countedEvents } = meters;
  return {
    counted: (events) => countedEvents(events, protocol, house),
    timed: requests.timed,
    shed: requests.shed,
    watch: (held) => {
      requests.watch(held.admission);
      house.delivers(held.dispatcher.topics);
      const census = first ? () => store.census() : null;
      meters.measureHouse(registry, { ...held, census, nodes: () => fleet.living() });
      if (held.traces !== null) meters.measureTracing(registry, held.traces);
    },
    read: () => registry.metrics(),
  };
}

const limitsOf = ({ metrics }: Config) => ({ clientsMax: metrics.clientsMax });

async function loadMeters() {
  const all = await Promise.all([
    import('#src/metrics/hashing-metrics.ts'),
    import('#src/metrics/house-metrics.ts'),
    import('#src/metrics/key-metrics.ts'),
    import('#src/metrics/protocol-metrics.ts'),
    import('#src/metrics/request-metrics.ts'),
    import('#src/metrics/store-metrics.ts'),
    import('#src/serving/counted-events.ts'),
    import('#src/serving/endpoint-name.ts'),
    import('#src/metrics/tracing-metrics.ts'),
  ]);
  const [hashing, house, keys, protocol, requests, store, events, endpoints, traces] = all;
  const own = { ...hashing, ...house, ...keys, ...protocol, ...requests, ...store, ...traces };
  return { ...own, ...events, ...endpoints };
}
