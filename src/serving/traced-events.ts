import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';
import { GRANT_TYPES } from '#src/clients/client.ts';
import type { LogAnswer } from '#src/http/request-log.ts';
import { errorOf } from '#src/serving/counted-events.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import { nameRoute } from '#src/tracing/request-spans.ts';
import type { Span } from '#src/tracing/span.ts';
import type { Tracer } from '#src/tracing/tracer.ts';

const CLIENT = 'keyturn.client_id';
const GRANT = 'keyturn.grant_type';
const ERROR = 'keyturn.error';

/** The same events, told of by the spans of the requests in which they happen as well. Nobody's person is. */
export function tracedEvents(tracer: Tracer, events: ServerEvents): ServerEvents {
  return {
    ...events,
    onTokenIssued: (client, grantType) => {
      tracer.current?.set(CLIENT, client.clientId);
      tracer.current?.set(GRANT, grantType);
      events.onTokenIssued(client, grantType);
    },
    onIntrospected: (result, clientId) => {
      tracer.current?.set(CLIENT, clientId);
      tracer.current?.set('keyturn.introspection', result);
      events.onIntrospected(result, clientId);
    },
    onUserinfo: (clientId) => {
      tracer.current?.set(CLIENT, clientId);
      events.onUserinfo(clientId);
    },
    onProblem: (ctx, problem) => {
      tracer.current?.set(ERROR, wordOf(errorOf(problem)));
      events.onProblem(ctx, problem);
    },
    onRefused: (ctx, error) => {
      tracer.current?.set(ERROR, wordOf(error));
      events.onRefused(ctx, error);
    },
    onSignIn: (ctx, clientId, outcome) => {
      tracer.current?.set(CLIENT, clientId);
      tracer.current?.set('keyturn.sign_in', outcome.outcome);
      events.onSignIn(ctx, clientId, outcome);
    },
  };
}

/** The errors of the specifications are words. */
const wordOf = (error: string): string => (/^[a-z_]{1,64}$/.test(error) ? error : 'other');

type AnsweredContext = Context & {
  /** What a router knows of it. */
  readonly _matchedRoute?: unknown;
  /** What the library knows of it. */
  readonly oidc?: {
    readonly client?: { readonly clientId: string } | undefined;
    readonly params?: { readonly grant_type?: unknown } | undefined;
  };
};

/** Has the span of each request say what became known of it while it was answered. */
export function tellingMiddleware(tracer: Tracer): Middleware {
  return async (ctx, next) => {
    const span = tracer.current;
    try {
      await next();
    } finally {
      if (span?.recorded) tellOf(span, ctx as AnsweredContext);
    }
  };
}

function tellOf(span: Span, { method, oidc, _matchedRoute: route }: AnsweredContext): void {
  if (typeof route === 'string') nameRoute(span, method, route);
  span.set(CLIENT, oidc?.client?.clientId);
  const grantType = oidc?.params?.grant_type;
  // Whatever else a request calls its grant, it made up.
  span.set(
    GRANT,
    GRANT_TYPES.find((each) => each === grantType),
  );
}

/** The same log, of which each line says for which span it was written. */
export function tracedLog(tracer: Tracer, log: Logger): Logger {
  return log.child(
    {},
    { formatters: { log: (line) => ('trace_id' in line ? line : { ...line, ...idsOf(tracer.current) }) } },
  );
}

/** The line that says how a request ended is written when nothing works for it any more. */
export function tracedLogAnswer(tracer: Tracer, logAnswer: LogAnswer): LogAnswer {
  return (response, request) => {
    const span = tracer.current;
    span?.set('keyturn.request_id', request.requestId);
    logAnswer(response, { ...request, ...idsOf(span) });
  };
}

/** As OpenTelemetry names them in logs that are not its own. */
function idsOf(span: Span | null) {
  return span === null ? undefined : { trace_id: span.context.traceId, span_id: span.context.spanId };
}
