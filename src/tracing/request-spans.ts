import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Span } from '#src/tracing/span.ts';
import { readTraceContext } from '#src/tracing/trace-context.ts';
import type { Tracer } from '#src/tracing/tracer.ts';

export interface RequestSpansPorts {
  readonly tracer: Tracer;
  /** The origin by which clients know the server. */
  readonly issuer: string;
  /** Whether requests for this target have spans. */
  readonly isTraced: (target: string) => boolean;
  /** The template of the route that a path leads to; `null` for none that is known. */
  readonly routeOf: (path: string) => string | null;
  /** Whether the trace of a caller with this address goes on here. */
  readonly isFollowed: (peer: string) => boolean;
}

/** Methods that a span may name: OpenTelemetry, semantic conventions for HTTP. */
const METHODS: ReadonlySet<string | undefined> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);

/** A request that was not taken up at once has waited for longer, in milliseconds. */
const WAITED_MS_MIN = 1;

/** Where a request keeps its span: a WeakMap would keep each request past every young garbage collection. */
const SPAN = Symbol('span');

type TracedRequest = IncomingMessage & { [SPAN]?: Span };

/** The spans of the requests that a server answers: one each, from when its head was read until it was answered. */
export class RequestSpans {
  readonly #ports: RequestSpansPorts;
  readonly #server: Readonly<Record<string, string | number>>;

  constructor(ports: RequestSpansPorts) {
    this.#ports = ports;
    const { protocol, hostname, port } = new URL(ports.issuer);
    this.#server = {
      'url.scheme': protocol.slice(0, -1),
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    };
  }

  /** The same application, with a span for each request from the moment when it arrives. */
  arriving(application: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#ports.isTraced(request.url ?? '/')) this.#begin(request, response);
      application(request, response);
    };
  }

  /** The same application, working for the span of each request from the moment when the request is taken up. */
  within(application: RequestListener): RequestListener {
    return (request, response) => {
      const span = (request as TracedRequest)[SPAN];
      if (span === undefined) return application(request, response);
      const { tracer } = this.#ports;
      tracer.within(span, () => {
        const ms = performance.now() - span.startedAt;
        if (ms >= WAITED_MS_MIN) tracer.note({ name: 'wait to be taken up', kind: 'internal', ms });
        application(request, response);
      });
    };
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const { tracer, isFollowed, routeOf } = this.#ports;
    const caller = readTraceContext(request.headers);
    const followed = caller !== null && isFollowed(request.socket.remoteAddress ?? '');
    const method = METHODS.has(request.method) ? (request.method as string) : null;
    const span = tracer.root(method ?? 'HTTP', 'server', followed ? { follows: caller } : { link: caller });
    (request as TracedRequest)[SPAN] = span;
    response.once('close', () => endWith(span, response));
    if (!span.recorded) return;
    span.set('http.request.method', method ?? '_OTHER');
    for (const [name, value] of Object.entries(this.#server)) span.set(name, value);
    span.set('network.protocol.version', request.httpVersion);
    const route = routeOf((request.url ?? '/').split('?', 1)[0] as string);
    if (route !== null) nameRoute(span, method, route);
  }
}

/** Names a span after the template of the route that was taken: OpenTelemetry, semantic conventions for HTTP. */
export function nameRoute(span: Span, method: string | null, route: string): void {
  span.rename(`${METHODS.has(method ?? '') ? method : 'HTTP'} ${route}`);
  span.set('http.route', route);
}

function endWith(span: Span, response: ServerResponse): void {
  const { headersSent, statusCode, writableFinished } = response;
  if (headersSent) span.set('http.response.status_code', statusCode);
  if (!writableFinished) span.set('error.type', 'aborted');
  // What a client got wrong is no failure of the server.
  if (headersSent && statusCode >= 500) span.fail(String(statusCode));
  span.end();
}
