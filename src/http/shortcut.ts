import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { clientAddressReader, type ProxyTrust } from '#src/http/client-address.ts';
import { isHeld } from '#src/http/entity-tag.ts';
import {
  type Document,
  documentHeaders,
  type PublicDocument,
  type PublicDocuments,
} from '#src/http/metadata.ts';
import { keepBody, readBody } from '#src/http/request-body.ts';
import type { LogAnswer } from '#src/http/request-log.ts';
import { headersOfEveryAnswer } from '#src/http/security-headers.ts';

/** What answers some of the requests to one endpoint, without the application. */
export interface Shortcut {
  /** A form is posted; what is asked by GET has no body here. */
  readonly method: 'GET' | 'POST';
  /** Of its answers, beside those of every answer. */
  readonly headers: Headers;
  /** Whether a request is worth reading for it. */
  takes(headers: IncomingHttpHeaders): boolean;
  /** `null` where the application is to answer. */
  answer(request: ShortRequest): Promise<ShortAnswer | null>;
}

export interface ShortRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Empty for GET. */
  readonly body: Buffer;
  /** What the answer will be known by, if it is the shortcut's. */
  readonly requestId: string;
}

export interface ShortAnswer {
  readonly status: number;
  /** Is sent as JSON. */
  readonly body: object;
}

/** What sends browsers on from one endpoint, without the application. */
export interface Redirect {
  /** Where to; `null` where the application is to answer. */
  locationFor(request: BrowserRequest): Promise<string | null>;
}

export interface BrowserRequest {
  /** Without the question mark. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** The IP address of the browser. */
  readonly address: string;
}

type Headers = Readonly<Record<string, string>>;

export interface ShortcutOptions {
  /** By exact path. */
  readonly shortcuts: ReadonlyMap<string, Shortcut>;
  /** By path, for GET with a query. */
  readonly redirects: ReadonlyMap<string, Redirect>;
  /** Documents that the application serves too; here for GET alone, and without a query. */
  readonly documents: PublicDocuments;
  readonly issuer: string;
  readonly trustProxy: ProxyTrust;
  readonly bodyMax: number;
  readonly logAnswer: LogAnswer;
}

/** Answers a request, or answers `false` at once if the application is to. */
type Way = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

/**
 * An application with shortcuts in front of it. What a shortcut does not answer, the application answers as if it were
 * alone: it finds the body unread, and a fault of the shortcut, or of reading, is thrown to it when it reads. Where there
 * is nothing to read, it meets that fault by itself.
 */
export function withShortcuts(application: RequestListener, options: ShortcutOptions): RequestListener {
  const ways = new Map<string, Way>();
  for (const [path, shortcut] of options.shortcuts)
    ways.set(`${shortcut.method} ${path}`, wayOfShortcut(shortcut, application, options));
  for (const [path, document] of Object.entries(options.documents))
    ways.set(`GET ${path}`, wayOfDocument(document, options));
  const queries = new Map<string, Way>();
  for (const [path, redirect] of options.redirects)
    queries.set(path, wayOfRedirect(redirect, application, options));
  const asking = ({ method }: IncomingMessage, url: string) =>
    method === 'GET' && url.includes('?') ? queries.get(url.slice(0, url.indexOf('?'))) : undefined;
  return (request, response) => {
    const path = request.url as string;
    const way = ways.get(`${request.method} ${path}`) ?? asking(request, path);
    if (way === undefined || !isAnswered(() => way(request, response, path))) application(request, response);
  };
}

/** What goes wrong before anything is answered goes wrong for the application once more, which tells of it. */
function isAnswered(way: () => boolean): boolean {
  try {
    return way();
  } catch {
    return false;
  }
}

function wayOfShortcut(
  shortcut: Shortcut,
  application: RequestListener,
  { issuer, bodyMax, logAnswer }: ShortcutOptions,
): Way {
  const type = { 'Content-Type': 'application/json; charset=utf-8' };
  const headers = listed({ ...headersOfEveryAnswer(issuer), ...shortcut.headers, ...type });
  const { method } = shortcut;
  return (request, response, path) => {
    if (!shortcut.takes(request.headers) || (method === 'GET' && hasBody(request))) return false;
    const startedAt = performance.now();
    const requestId = randomUUID();
    void answered(shortcut, request, { path, requestId, bodyMax }).then((answer) => {
      if (answer === null) return application(request, response);
      logAnswer(response, { requestId, method, path, startedAt });
      const body = JSON.stringify(answer.body);
      const bytes = Buffer.byteLength(body);
      const of = ['X-Request-Id', requestId, 'Content-Length', String(bytes)];
      // As many bytes as characters: then it is ASCII, which goes out faster by another name.
      response
        .writeHead(answer.status, [...headers, ...of])
        .end(body, bytes === body.length ? 'latin1' : 'utf8');
    });
    return true;
  };
}

const NO_BODY = Buffer.alloc(0);

/** RFC 9112 section 6.3. */
const hasBody = ({ headers }: IncomingMessage) =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

/** Never rejects. */
async function answered(
  shortcut: Shortcut,
  request: IncomingMessage,
  { path, requestId, bodyMax }: { path: string; requestId: string; bodyMax: number },
): Promise<ShortAnswer | null> {
  try {
    const body = shortcut.method === 'GET' ? NO_BODY : await readBody(request, bodyMax);
    const answer = await shortcut.answer({ path, headers: request.headers, body, requestId });
    if (answer === null) keepBody(request, body);
    return answer;
  } catch (fault) {
    keepBody(request, fault as Error);
    return null;
  }
}

function wayOfRedirect(
  redirect: Redirect,
  application: RequestListener,
  { issuer, trustProxy, logAnswer }: ShortcutOptions,
): Way {
  const common = listed({ ...headersOfEveryAnswer(issuer), 'Content-Length': '0' });
  const addressOf = clientAddressReader(trustProxy);
  return (request, response, url) => {
    const startedAt = performance.now();
    const { headers } = request;
    const address = addressOf(request.socket.remoteAddress ?? '', String(headers['x-forwarded-for'] ?? ''));
    const [path = '', query = ''] = [url.slice(0, url.indexOf('?')), url.slice(url.indexOf('?') + 1)];
    // A fault of it the application will have as well, and tells of it.
    const found = redirect.locationFor({ query, headers, address }).catch(() => null);
    void found.then((location) => {
      if (location === null) return application(request, response);
      const requestId = randomUUID();
      logAnswer(response, { requestId, method: 'GET', path, startedAt });
      response.writeHead(303, [...common, 'X-Request-Id', requestId, 'Location', location]).end();
    });
    return true;
  };
}

function wayOfDocument(document: PublicDocument, { issuer, trustProxy, logAnswer }: ShortcutOptions): Way {
  const common = headersOfEveryAnswer(issuer);
  const addressOf = clientAddressReader(trustProxy);
  let served: ServedDocument | null = null;
  return (request, response, path) => {
    const startedAt = performance.now();
    const { headers } = request;
    const current = document.read();
    if (served?.document !== current) served = servedDocument(current, document, common);
    const address = addressOf(request.socket.remoteAddress ?? '', String(headers['x-forwarded-for'] ?? ''));
    document.onFetched?.({ headers, query: {}, address }, current);
    const requestId = randomUUID();
    logAnswer(response, { requestId, method: 'GET', path, startedAt });
    if (isHeld(headers['if-none-match'] ?? '', current.etag)) {
      response.writeHead(304, [...served.held, 'X-Request-Id', requestId]).end();
    } else {
      response.writeHead(200, [...served.whole, 'X-Request-Id', requestId]).end(served.body, 'latin1');
    }
    return true;
  };
}

interface ServedDocument {
  readonly document: Document;
  /** The headers for whoever has it, and for whoever has not. */
  readonly held: readonly string[];
  readonly whole: readonly string[];
  /** Its bytes as characters, which go out together with the headers. */
  readonly body: string;
}

function servedDocument(
  document: Document,
  { type, maxAge }: Pick<PublicDocument, 'type' | 'maxAge'>,
  common: Headers,
): ServedDocument {
  const held = listed({ ...common, ...documentHeaders(document, maxAge) });
  const whole = [...held, 'Content-Type', type, 'Content-Length', String(document.body.length)];
  return { document, held, whole, body: document.body.toString('latin1') };
}

const listed = (headers: Headers): readonly string[] => Object.entries(headers).flat();
