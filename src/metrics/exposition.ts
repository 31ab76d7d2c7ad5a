import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Secret } from '#src/secret.ts';

const PATH = '/metrics';

/** The text format of Prometheus, which everybody reads who reads any. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface ExpositionOptions {
  /** Everything that is measured, as text. */
  readonly read: () => Promise<string>;
  /** What whoever asks has to bring; `null` if anybody may ask. */
  readonly token: Secret | null;
  /** Told of what cannot be measured. */
  readonly onFault: (fault: unknown) => void;
}

/** Answers `GET /metrics`, and nothing else. Where a token is needed, RFC 6750 section 3 says how it is asked for. */
export function exposition({ read, token, onFault }: ExpositionOptions): RequestListener {
  const admitted = token === null ? () => true : bearerOf(token);
  return (request, response) => {
    const { method = '', url = '' } = request;
    if (url.split('?')[0] !== PATH) return response.writeHead(404).end();
    if (method !== 'GET' && method !== 'HEAD') return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    if (!admitted(request.headers.authorization))
      return response.writeHead(401, { 'www-authenticate': 'Bearer realm="metrics"' }).end();
    read().then(
      (text) => response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text),
      (fault: unknown) => {
        onFault(fault);
        response.writeHead(500).end();
      },
    );
  };
}

/** Digests are of one length and can be compared without telling where they differ. */
function bearerOf(token: Secret): (authorization: string | undefined) => boolean {
  const expected = digestOf(token.reveal());
  return (authorization = '') => {
    const brought = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    return brought !== undefined && timingSafeEqual(digestOf(brought), expected);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
