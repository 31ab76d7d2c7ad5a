import type { RequestListener, ServerResponse } from 'node:http';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** From a cached document to a sign-in behind a long line, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const SHED_REASONS = ['in-flight', 'waited'] as const;

export interface RequestMetricsPorts {
  readonly registry: Registry;
  /** The name of the endpoint that a target leads to: one of a few, whatever is asked for. */
  readonly endpointOf: (target: string) => string;
}

export interface RequestMetrics {
  /** The same application, timed as well. */
  timed(application: RequestListener): RequestListener;
  /** Counts a request that was turned away. */
  shed(reason: (typeof SHED_REASONS)[number]): void;
  /** Measures from now on how many requests are worked on. */
  watch(admission: { readonly working: number }): void;
}

/** Measures how long an application takes to answer, how much of it is under way, and what is turned away. */
export function measureRequests({ registry, endpointOf }: RequestMetricsPorts): RequestMetrics {
  const durations = new Histogram({
    name: 'keyturn_http_request_duration_seconds',
    help: 'How long answers took, by endpoint and class of status; aborted: nobody waited for the answer.',
    labelNames: ['endpoint', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const turnedAway = new Counter({
    name: 'keyturn_http_requests_shed_total',
    help: 'Requests that were turned away since there was too much to do, by what there was too much of.',
    labelNames: ['reason'],
    registers: [registry],
  });
  // Of a series that begins with its first event nobody sees that it has risen.
  for (const reason of SHED_REASONS) turnedAway.inc({ reason }, 0);
  const of = held((endpoint, status) => durations.labels(endpoint, status));
  return {
    timed: (application) => (request, response) => {
      const startedAt = performance.now();
      const endpoint = endpointOf(request.url ?? '/');
      response.once('close', () =>
        of(endpoint, statusClass(response)).observe((performance.now() - startedAt) / 1000),
      );
      application(request, response);
    },
    shed: (reason) => turnedAway.inc({ reason }),
    watch: (admission) => {
      new Gauge({
        name: 'keyturn_http_requests_in_flight',
        help: 'Requests that are being worked on, but for those of health, keys, metadata and streams.',
        registers: [registry],
        collect() {
          this.set(admission.working);
        },
      });
    },
  };
}

function statusClass({ headersSent, statusCode }: ServerResponse): string {
  return headersSent ? `${Math.trunc(statusCode / 100)}xx` : 'aborted';
}

/** Looking for a series by its labels costs more than counting. */
function held<T>(make: (endpoint: string, status: string) => T): typeof make {
  const made = new Map<string, Map<string, T>>();
  return (endpoint, status) => {
    const ofEndpoint = made.get(endpoint) ?? new Map<string, T>();
    if (ofEndpoint.size === 0) made.set(endpoint, ofEndpoint);
    const found = ofEndpoint.get(status) ?? make(endpoint, status);
    ofEndpoint.set(status, found);
    return found;
  };
}
