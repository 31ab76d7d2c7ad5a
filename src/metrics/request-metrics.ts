import type { RequestListener, ServerResponse } from 'node:http';
import { Gauge, Histogram, type Registry } from 'prom-client';

/** From a cached document to a sign-in behind a long line, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface RequestMetricsPorts {
  readonly registry: Registry;
  /** The name of the endpoint that a target leads to: one of a few, whatever is asked for. */
  readonly endpointOf: (target: string) => string;
}

/** Measures how long an application takes to answer, and how much of it is under way. */
export function measureRequests({
  registry,
  endpointOf,
}: RequestMetricsPorts): (application: RequestListener) => RequestListener {
  let underWay = 0;
  const durations = new Histogram({
    name: 'keyturn_http_request_duration_seconds',
    help: 'How long answers took, by endpoint and class of status; aborted: nobody waited for the answer.',
    labelNames: ['endpoint', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  new Gauge({
    name: 'keyturn_http_requests_in_flight',
    help: 'Requests that are being answered, open streams of revocations among them.',
    registers: [registry],
    collect() {
      this.set(underWay);
    },
  });
  const of = held((endpoint, status) => durations.labels(endpoint, status));
  return (application) => (request, response) => {
    const startedAt = performance.now();
    const endpoint = endpointOf(request.url ?? '/');
    underWay += 1;
    response.once('close', () => {
      underWay -= 1;
      of(endpoint, statusClass(response)).observe((performance.now() - startedAt) / 1000);
    });
    application(request, response);
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
