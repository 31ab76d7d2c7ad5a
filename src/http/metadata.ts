import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ParsedUrlQuery } from 'node:querystring';
import type { Context, Middleware } from 'koa';
import { isHeld } from '#src/http/entity-tag.ts';
import { assertMethod } from '#src/http/method.ts';

export interface Document {
  readonly body: Buffer;
  /** Quoted, as in the header. */
  readonly etag: string;
}

/** What is served, and how long it may be kept, in seconds. */
export interface PublicDocument {
  readonly type: string;
  readonly maxAge: number;
  read(): Document;
  /** Told of everyone who was given the document, or is told that it is current. */
  readonly onFetched?: (fetched: Fetched, document: Document) => void;
}

/** Who fetched it. */
export interface Fetched {
  readonly headers: IncomingHttpHeaders;
  readonly query: ParsedUrlQuery;
  readonly address: string;
}

/** By path. */
export type PublicDocuments = Readonly<Record<string, PublicDocument>>;

/**
 * Serves public documents from bytes that are made once: with `Cache-Control` and an `ETag`, 304 for whoever has the
 * current one, and to scripts of any origin. RFC 8414 section 3, RFC 7517 section 5, RFC 9110 section 13.
 */
export function metadata({ documents }: { readonly documents: PublicDocuments }): Middleware {
  return async (ctx, next) => {
    const document = Object.hasOwn(documents, ctx.path) ? documents[ctx.path] : undefined;
    if (document === undefined) return next();
    if (openToScripts(ctx)) return;
    const current = document.read();
    answerWithDocument(ctx, current, document);
    if (ctx.method !== 'GET') return;
    document.onFetched?.({ headers: ctx.headers, query: ctx.query, address: ctx.ip }, current);
  };
}

/**
 * Lets scripts of any origin read what is answered, and answers those that ask beforehand whether they may: then true.
 * @throws Refusal `method_not_allowed`
 */
export function openToScripts(ctx: Context): boolean {
  ctx.set(OPEN_TO_SCRIPTS);
  assertMethod(ctx, ['GET', 'HEAD', 'OPTIONS']);
  if (ctx.method !== 'OPTIONS') return false;
  preflight(ctx);
  return true;
}

/** Sends a document with how long it may be kept, in seconds; only that it is still current to whoever has it. */
export function answerWithDocument(
  ctx: Context,
  { body, etag }: Document,
  { type, maxAge }: { readonly type: string; readonly maxAge: number },
): void {
  ctx.status = 200;
  ctx.set(validators(etag, maxAge));
  if (isHeld(ctx.get('If-None-Match'), etag)) {
    ctx.status = 304;
    return;
  }
  ctx.set('Content-Type', type);
  ctx.body = body;
}

/** What an answer says with which such a document comes, or as which it is still current. */
export function documentHeaders({ etag }: Document, maxAge: number): Readonly<Record<string, string>> {
  return { ...OPEN_TO_SCRIPTS, ...validators(etag, maxAge) };
}

const OPEN_TO_SCRIPTS = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
} as const;

function validators(etag: string, maxAge: number): Record<string, string> {
  return {
    'Cache-Control': `public, max-age=${maxAge}`,
    ETag: etag,
    'Access-Control-Expose-Headers': 'ETag',
  };
}

/** A document of JSON that never changes while the server runs. */
export function fixedDocument(value: object): () => Document {
  const body = Buffer.from(JSON.stringify(value));
  const document = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
  return () => document;
}

/** How long a browser may remember that it was allowed to ask, in seconds. */
const PREFLIGHT_MAX_AGE = 86_400;

function preflight(ctx: Context): void {
  ctx.status = 204;
  ctx.set('Access-Control-Allow-Methods', 'GET, HEAD');
  // Libraries that trace or disable caching add headers of their own. The wildcard leaves out Authorization alone.
  ctx.set('Access-Control-Allow-Headers', '*, Authorization');
  ctx.set('Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE));
}
