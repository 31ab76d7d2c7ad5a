import { parse, stringify } from 'node:querystring';
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { Refusal } from '#src/fault.ts';
import { awayDescription } from '#src/http/failure.ts';
import { assertMethod } from '#src/http/method.ts';
import { readBody } from '#src/http/request-body.ts';
import type { BegunInteractions } from '#src/oidc/begun-interactions.ts';
import { interactionIn, isForPrograms, methodsOf, ROUTES } from '#src/oidc/endpoints.ts';
import { ENCRYPTED_HINT, isEncrypted } from '#src/oidc/id-token-model.ts';
import { type IntrospectionResult, introspectionResult } from '#src/oidc/introspection-result.ts';
import { takeOwnResource } from '#src/oidc/own-resource.ts';
import type { OnProblem } from '#src/oidc/problem.ts';
import { nameMetadata } from '#src/oidc/protected-resource.ts';
import type { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import { QUERY_CHARS_MAX } from '#src/oidc/query-limit.ts';
import { replayed } from '#src/oidc/replayed-request.ts';
import { replaceResponsePage } from '#src/oidc/response-pages.ts';
import { carried } from '#src/oidc/token-value.ts';
import type { Records } from '#src/records.ts';

export interface ProtocolOptions {
  readonly provider: Provider;
  readonly begun: Pick<BegunInteractions, 'has'>;
  readonly pages: ProtocolPages;
  readonly bodyMax: number;
  /** The largest request that may be pushed: RFC 9126 section 2.3. */
  readonly pushedMax: number;
  readonly records: Pick<Records, 'settled'>;
  /** Told of everything that the protocol refused, and of every fault. */
  readonly onProblem: OnProblem;
  /** Told of every answer to a question about a token: RFC 7662 section 2. */
  readonly onIntrospected: (result: IntrospectionResult, clientId?: string) => void;
  /** Told of every client that was told who signed in: OpenID Connect Core section 5.3. */
  readonly onUserinfo: (clientId: string) => void;
}

/** How long to wait before asking again when the store is away, in seconds. RFC 9110 section 10.2.3. */
const RETRY_AFTER_S = 2;

/** The protocol endpoints: the library, and at its edges what its answers or its manners lack. */
export function protocol(options: ProtocolOptions): Middleware {
  const { provider, pages, bodyMax, onProblem } = options;
  listen(provider, onProblem);
  const library = compose(provider.middleware as Middleware[]);
  return async (ctx, next) => {
    const { path, method } = ctx;
    const methods = methodsOf(path);
    if (methods === undefined) return next();
    assertMethod(ctx, methods);
    if (method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') === '')
      return tellMethods(ctx, methods);
    ctx.state.neverPages = isForPrograms(path);
    if (method === 'POST' && TURNED_INTO_GET.has(path)) return redirectToGet(ctx, bodyMax);
    if (ctx.querystring.length > QUERY_CHARS_MAX) throw new Refusal('query_too_long', QUERY_TOO_LONG);
    assertBegunHere(ctx, options);
    assertReadableHint(ctx);
    if (path === ROUTES.token) ctx.set('Pragma', 'no-cache'); // RFC 6749 section 5.1
    if (method === 'POST') await readForm(ctx, options);
    letGoWhenFinished(ctx);
    await library(ctx, next);
    const { oidc } = ctx as unknown as { oidc?: KoaContextWithOIDC['oidc'] };
    if (oidc === undefined) return;
    if (path === ROUTES.revocation) {
      // A token that is not found may have been revoked by a request that was never told so (RFC 7009 section 2.2).
      if (ctx.status === 200) await options.records.settled();
      answerInJson(ctx);
    }
    if (path === ROUTES.userinfo) {
      nameMetadata(ctx, provider.issuer);
      if (ctx.status === 200 && oidc.client !== undefined) options.onUserinfo(oidc.client.clientId);
    }
    if (path === ROUTES.introspection) {
      if (oidc.client?.clientAuthMethod === 'none') refusePublicClient(ctx);
      if (method === 'POST') options.onIntrospected(introspectionResult(ctx), oidc.client?.clientId);
    }
    replaceResponsePage(ctx as unknown as KoaContextWithOIDC, pages);
  };
}

/**
 * A request goes on after an interaction in the browser that began it and in no other. The library goes by its own
 * cookie alone, and refuses whoever has none. @throws Refusal `interaction_ended`
 */
function assertBegunHere(ctx: Context, { provider, begun }: ProtocolOptions): void {
  const uid = interactionIn(ctx.path);
  if (uid === undefined) return;
  const resumed = ctx.cookies.get(provider.cookieName('resume'), { signed: true });
  if (resumed !== undefined && (resumed !== uid || !begun.has(ctx, uid)))
    throw new Refusal('interaction_ended', 'this step has been completed already, or has expired');
}

/** The library would say no more than that it cannot decode it. @throws Refusal `encrypted_hint` */
function assertReadableHint({ path, query: { id_token_hint: hint } }: Context): void {
  if (path === ROUTES.end_session && typeof hint === 'string' && isEncrypted(hint))
    throw new Refusal('encrypted_hint', ENCRYPTED_HINT);
}

/**
 * The library hangs its whole account of a request on the context, by an accessor that outlives every young garbage
 * collection. Let go of it once the answer is out, and memory under load halves. Only then: what runs after a client
 * has hung up still reads it.
 */
function letGoWhenFinished(ctx: Context): void {
  // Defined beforehand as configurable, it stays so when the library defines it again.
  Object.defineProperty(ctx, 'oidc', { value: undefined, configurable: true });
  ctx.res.once('finish', () => Reflect.deleteProperty(ctx, 'oidc'));
}

/** RFC 9110 section 9.3.7; what a browser asks before a call of another origin is the library's to answer. */
function tellMethods(ctx: Context, methods: readonly string[]): void {
  ctx.status = 204;
  ctx.set('Allow', methods.join(', '));
}

/** The events of the library that tell of a refusal. */
const REFUSALS = [
  'authorization.error',
  'backchannel_authentication.error',
  'code_verification.error',
  'device_authorization.error',
  'device_resume.error',
  'end_session.error',
  'grant.error',
  'introspection.error',
  'pushed_authorization_request.error',
  'revocation.error',
  'userinfo.error',
] as const;

function listen(provider: Provider, onProblem: ProtocolOptions['onProblem']): void {
  for (const event of REFUSALS) {
    provider.on(event as 'grant.error', (ctx, refusal) => {
      sayInTheWordsOfTheRfc(ctx, refusal);
      const { retryAfter } = refusal as Error & { retryAfter?: number };
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
      onProblem(ctx, refusal);
    });
  }
  provider.on('server_error', (ctx, fault) => {
    onProblem(ctx, fault);
    const away = awayDescription(fault);
    if (away === null) return;
    const body = ctx.body as { error?: string; error_description?: string } | string;
    ctx.status = 503;
    ctx.set('Retry-After', String(RETRY_AFTER_S));
    if (typeof body !== 'object') return;
    body.error = 'temporarily_unavailable';
    body.error_description = away;
  });
}

const TURNED_INTO_GET: ReadonlySet<string> = new Set([ROUTES.authorization, ROUTES.end_session]);

const QUERY_TOO_LONG = `the query is longer than ${QUERY_CHARS_MAX} characters`;

/** Refusals for which RFC 6749 section 5.2 has a code of its own, by what the library says of them. */
const CODES_OF_THE_RFC: ReadonlyMap<unknown, { readonly status: number; readonly error: string }> = new Map([
  ['requested grant type is not allowed for this client', { status: 400, error: 'unauthorized_client' }],
  ...[DEVICE_CODE_GRANT, CIBA_GRANT].map(
    (grant) =>
      [`${grant} is not allowed for this client`, { status: 400, error: 'unauthorized_client' }] as const,
  ),
  ['no client authentication mechanism provided', { status: 401, error: 'invalid_client' }],
  // The certificates of a client stand there.
  ['client JSON Web Key Set failed to be refreshed', { status: 401, error: 'invalid_client' }],
]);

function sayInTheWordsOfTheRfc(ctx: KoaContextWithOIDC, refusal: Error): void {
  const said = CODES_OF_THE_RFC.get((refusal as Error & { error_description?: unknown }).error_description);
  if (said === undefined || typeof ctx.body !== 'object') return;
  ctx.status = said.status;
  Object.assign(ctx.body as object, { error: said.error });
  // The log tells what the client was told.
  Object.assign(refusal, { error: said.error, statusCode: said.status });
  const tried = said.status === 401 && ctx.get('Authorization') !== '';
  if (tried) ctx.set('WWW-Authenticate', `Basic realm="${ctx.oidc.issuer}", error="${said.error}"`);
}

/**
 * OpenID Connect asks for POST at the authorization endpoint (Core section 3.1.2.1) and for signing out (RP-Initiated
 * Logout section 2). It is turned into the same request by GET, so that cookies which no other site may send along
 * with a form need not be given up.
 */
async function redirectToGet(ctx: Context, bodyMax: number): Promise<void> {
  if (ctx.is('application/x-www-form-urlencoded') === false)
    throw new Refusal('not_a_form', 'only forms are accepted here');
  const query = stringify(parse((await readBody(ctx.req, bodyMax)).toString('utf8')));
  if (query.length > QUERY_CHARS_MAX)
    throw new Refusal('body_too_large', `the form is longer than ${QUERY_CHARS_MAX} characters`);
  ctx.status = 303;
  ctx.redirect(`${ctx.path}?${query}`);
}

/** Reads a form within our limit and hands it on. Anything else the library refuses unread. */
async function readForm(ctx: Context, { provider, bodyMax, pushedMax }: ProtocolOptions): Promise<void> {
  if (!ctx.is('application/x-www-form-urlencoded')) return;
  const pushed = ctx.path === ROUTES.pushed_authorization_request;
  const body = await readBody(ctx.req, pushed ? Math.min(pushedMax, bodyMax) : bodyMax);
  const disguises = ctx.path === ROUTES.introspection || ctx.path === ROUTES.revocation;
  const named = ctx.path === ROUTES.token ? withoutUserinfo(ctx, body, provider.issuer) : body;
  ctx.req = replayed(ctx.req, disguises ? withCarriedToken(body) : named);
}

/** A token request for userinfo alone names it in a way that the library does not know. */
function withoutUserinfo(ctx: Context, body: Buffer, issuer: string): Buffer {
  const form = parse(body.toString('utf8'));
  ctx.state.forUserinfo = takeOwnResource(form, issuer);
  return ctx.state.forUserinfo ? Buffer.from(stringify(form)) : body;
}

/** The library takes tokens here that do not look like a JWT: ours travel in disguise. */
function withCarriedToken(body: Buffer): Buffer {
  const form = parse(body.toString('utf8'));
  if (typeof form.token === 'string') form.token = carried(form.token);
  return Buffer.from(stringify(form));
}

/**
 * RFC 7009 section 2.2: the status says it all, and the body is ignored. Clients that read every answer as JSON stumble
 * over the library's empty text, and over no body at all.
 */
function answerInJson(ctx: Context): void {
  if (ctx.status === 200 && ctx.body === '') ctx.body = {};
}

/** RFC 7662 section 2.1: whoever asks about tokens must be authorized, and a name alone proves nothing. */
function refusePublicClient(ctx: Context): void {
  ctx.status = 401;
  ctx.body = { error: 'invalid_client', error_description: 'introspection needs client authentication' };
}
