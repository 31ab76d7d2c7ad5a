import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import type { Send } from '#src/outbox/dispatcher.ts';
import type { Senders } from '#src/serving/tracing.ts';
import type { OutsideSigner } from '#src/signing/algorithm.ts';
import type { Span } from '#src/tracing/span.ts';
import { traceHeaders } from '#src/tracing/trace-context.ts';
import type { Tracer } from '#src/tracing/tracer.ts';

/**
 * Calls with a span each, from when the call is made until the head of the answer is there, and tells whoever is called of
 * it: W3C Trace Context section 2. Which host is called is said, and nothing else of the URL.
 */
export function tracedFetch(tracer: Tracer, fetch: OutgoingFetch): OutgoingFetch {
  return (input, init = {}) => {
    const asked = input instanceof Request ? input : null;
    const method = (init.method ?? asked?.method ?? 'GET').toUpperCase();
    const headers = new Headers(init.headers ?? asked?.headers);
    const span = tracer.child(method, 'client');
    for (const [name, value] of Object.entries(traceHeaders(span.context))) headers.set(name, value);
    span.set('http.request.method', method);
    const url = URL.parse(asked?.url ?? String(input));
    if (url !== null) {
      span.set('url.scheme', url.protocol.slice(0, -1));
      span.set('server.address', url.hostname);
      span.set('server.port', Number(url.port || (url.protocol === 'https:' ? 443 : 80)));
    }
    return ending(span, async () => {
      const response = await fetch(input, { ...init, headers });
      span.set('http.response.status_code', response.status);
      if (response.status >= 400) span.fail(String(response.status));
      return response;
    });
  };
}

/** Delivers what is in the outbox, each attempt in a trace of its own. */
export function tracedSenders(tracer: Tracer, senders: Senders): Senders {
  const traced = ([topic, send]: [string, Send]): [string, Send] => [
    topic,
    (content: { readonly clientId?: unknown }) => {
      const span = tracer.root(`deliver ${topic}`, 'internal');
      span.set('keyturn.delivery.topic', topic);
      if (typeof content.clientId === 'string') span.set('keyturn.client_id', content.clientId);
      return tracer.within(span, () => ending(span, () => send(content as never)));
    },
  ];
  return Object.fromEntries(Object.entries(senders).map(traced));
}

/** Signs with keys that are elsewhere, with a span for each signature that a request waits for. */
export function tracedSigner(tracer: Tracer, signer: OutsideSigner): OutsideSigner {
  return {
    ready: (handle, alg) => signer.ready(handle, alg),
    sign: (handle, alg, data) => {
      if (tracer.current === null) return signer.sign(handle, alg, data);
      const span = tracer.child('sign', 'client');
      span.set('keyturn.signing.algorithm', alg);
      return ending(span, () => signer.sign(handle, alg, data));
    },
  };
}

async function ending<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (problem) {
    span.fail(kindOf(problem));
    throw problem;
  } finally {
    span.end();
  }
}

/** What went wrong, by the code of the system or the name of the error: never by its message, which may say anything. */
function kindOf(problem: unknown): string {
  if (!(problem instanceof Error)) return 'Error';
  const { code } = problem as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return problem.cause instanceof Error ? kindOf(problem.cause) : problem.name;
}
