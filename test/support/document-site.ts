import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { certify, certifyServer } from '#test/support/certificates.ts';

/** What is published under an address. */
export interface Published {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A site of https on this machine, whose certificate this process trusts until it is disposed of. */
export interface DocumentSite extends AsyncDisposable {
  readonly origin: string;
  /** The paths that were asked for, one after the other. */
  readonly asked: string[];
  /** Publishes something; a function is asked at each request, and may answer by itself. */
  publish(path: string, what: Published | RequestListener): string;
}

export async function openDocumentSite(): Promise<DocumentSite> {
  const authority = await certify({ subject: 'CN=documents', authority: true });
  const { cert, key } = await certifyServer(authority);
  const pages = new Map<string, Published | RequestListener>();
  const asked: string[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const page = pages.get(path) ?? { status: 404, body: { error: 'nothing here' } };
    if (typeof page === 'function') return page(request, response);
    const { status = 200, headers, body = {} } = page;
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  }).listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, authority.cert]);
  const origin = `https://localhost:${port}`;
  return {
    origin,
    asked,
    publish(path, what) {
      pages.set(path, what);
      return origin + path;
    },
    async [Symbol.asyncDispose]() {
      setDefaultCACertificates(trusted);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
