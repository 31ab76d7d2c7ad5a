import { once } from 'node:events';
import { type IncomingMessage, request as requestInClear } from 'node:http';
import { request as requestOverTls } from 'node:https';

/** What a client brings to a connection. */
export interface ClientConnection {
  /** The authority that the server's certificate is verified with. */
  readonly ca?: string;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The address of this machine that it calls from. */
  readonly localAddress?: string;
}

/**
 * `fetch` over connections of one's own making, one for each request; the global one knows no client certificates. A
 * list of headers goes out as it is, a line for each.
 */
export function fetchOver(connection: ClientConnection): typeof fetch {
  return async (input, init) => {
    const asked = new Request(input, { ...init, redirect: 'manual' });
    const url = new URL(asked.url);
    const body = Buffer.from(await asked.arrayBuffer());
    const headers = {
      ...Object.fromEntries(asked.headers),
      ...linesOf(init?.headers),
      'content-length': String(body.length),
    };
    const options = { method: asked.method, headers, agent: false, ...connection };
    const sent = url.protocol === 'https:' ? requestOverTls(url, options) : requestInClear(url, options);
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const received = Buffer.concat(await answer.toArray());
    const { statusCode = 0, headersDistinct } = answer;
    const told = new Headers();
    for (const [name, values = []] of Object.entries(headersDistinct)) {
      for (const value of values) told.append(name, value);
    }
    const empty = [204, 303, 304].includes(statusCode) && received.length === 0;
    return new Response(empty ? null : received, { status: statusCode, headers: told });
  };
}

function linesOf(headers: RequestInit['headers']): Record<string, string | string[]> {
  if (!Array.isArray(headers)) return {};
  const lines = Map.groupBy(headers as [string, string][], ([name]) => name.toLowerCase());
  const values = [...lines].map(([name, pairs]) => [name, pairs.map(([, value]) => value)] as const);
  // Node wants the one `Host` not to be a list.
  return Object.fromEntries(
    values.map(([name, [first = '', ...more]]) => [name, more.length > 0 ? [first, ...more] : first]),
  );
}
