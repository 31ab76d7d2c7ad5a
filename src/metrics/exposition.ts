import type { RequestListener } from 'node:http';
import type { Registry } from 'prom-client';

const PATH = '/metrics';

/** Answers `GET /metrics` with everything in the registry, and nothing else. `onFault` is told of what cannot be measured. */
export function exposition(registry: Registry, onFault: (fault: unknown) => void): RequestListener {
  return (request, response) => {
    const { method = '', url = '' } = request;
    if (url.split('?')[0] !== PATH) return response.writeHead(404).end();
    if (method !== 'GET' && method !== 'HEAD') return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (fault: unknown) => {
        onFault(fault);
        response.writeHead(500).end();
      },
    );
  };
}
