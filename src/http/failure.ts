import type { Context, Middleware } from 'koa';
import { Refusal, SigningFault, StorageFault } from '#src/fault.ts';
import type { Locales } from '#src/http/locale.ts';
import type { Pages } from '#src/http/pages.ts';

/** What a failure looks like from outside: the words of the RFC, and nothing of what happened inside. */
interface Outside {
  readonly status: number;
  readonly error: string;
  readonly description: string;
  readonly retryAfterS?: number;
}

/** Refusals that reach the edge of HTTP. What is not named here is a bad request. */
const REFUSALS: Readonly<Record<string, { readonly status: number; readonly error: string }>> = {
  body_too_large: { status: 413, error: 'invalid_request' },
  forged_form: { status: 403, error: 'invalid_request' },
  invalid_client_metadata: { status: 400, error: 'invalid_client_metadata' },
  invalid_redirect_uri: { status: 400, error: 'invalid_redirect_uri' },
  invalid_software_statement: { status: 400, error: 'invalid_software_statement' },
  issuer_unreachable: { status: 503, error: 'temporarily_unavailable' },
  invalid_token: { status: 401, error: 'invalid_token' },
  interaction_ended: { status: 400, error: 'session_not_found' },
  method_not_allowed: { status: 405, error: 'invalid_request' },
  no_token: { status: 401, error: 'invalid_token' },
  not_a_form: { status: 415, error: 'invalid_request' },
  query_too_long: { status: 414, error: 'invalid_request' },
  overloaded: { status: 503, error: 'temporarily_unavailable' },
  registration_throttled: { status: 429, error: 'temporarily_unavailable' },
  registrations_full: { status: 503, error: 'temporarily_unavailable' },
  unapproved_software_statement: { status: 400, error: 'unapproved_software_statement' },
};

const RETRY_AFTER_S = 2;

const NOTHING_HERE: Outside = { status: 404, error: 'not_found', description: 'there is nothing here' };

/** Answers for whatever was thrown, once, in the form that the caller reads: a page for a browser, else JSON. */
export function failures(options: {
  readonly pages: Pages;
  readonly locales: Locales;
  readonly onFault: (ctx: Context, error: unknown) => void;
  /** Told of everything that is answered here, by the error that the caller is told. */
  readonly onRefused?: (ctx: Context, error: string) => void;
}): Middleware {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status === 404 && (ctx.body === undefined || ctx.body === null)) {
        options.onRefused?.(ctx, NOTHING_HERE.error);
        answer(ctx, NOTHING_HERE, options);
      }
    } catch (error) {
      const outside = outsideOf(error);
      options.onRefused?.(ctx, outside.error);
      if (outside.status >= 500) options.onFault(ctx, error);
      if (ctx.headerSent) return;
      answer(ctx, outside, options);
    }
  };
}

/** What is said of a fault that passes by itself; `null` for any other. */
export function awayDescription(fault: unknown): string | null {
  if (fault instanceof StorageFault) return 'the server cannot reach its store; try again shortly';
  if (fault instanceof SigningFault) return 'the server cannot reach its signing keys; try again shortly';
  return null;
}

function outsideOf(error: unknown): Outside {
  if (error instanceof Refusal) {
    const { status, error: code } = REFUSALS[error.code] ?? { status: 400, error: 'invalid_request' };
    return {
      status,
      error: code,
      description: error.message,
      ...(status === 503 ? { retryAfterS: RETRY_AFTER_S } : undefined),
    };
  }
  const description = awayDescription(error);
  if (description !== null) {
    return { status: 503, error: 'temporarily_unavailable', description, retryAfterS: RETRY_AFTER_S };
  }
  // Koa and its libraries mark what the sender got wrong.
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  if (typeof status === 'number' && status >= 400 && status < 500 && expose === true) {
    return { status, error: 'invalid_request', description: 'the request could not be understood' };
  }
  if (error instanceof URIError)
    return { status: 400, error: 'invalid_request', description: 'the address is malformed' };
  return { status: 500, error: 'server_error', description: 'something went wrong here' };
}

function answer(
  ctx: Context,
  { status, error, description, retryAfterS }: Outside,
  { pages, locales }: { pages: Pages; locales: Locales },
): void {
  ctx.status = status;
  if (retryAfterS !== undefined) ctx.set('Retry-After', String(retryAfterS));
  if (ctx.state.neverPages === true || ctx.accepts('json', 'html') !== 'html') {
    ctx.body = { error, error_description: description };
    return;
  }
  const language = locales.choose({ acceptLanguage: ctx.get('accept-language') });
  const { html, contentSecurityPolicy } = pages.render(
    'error',
    { status, code: error, message: description, requestId: ctx.state.requestId },
    { language },
  );
  ctx.set('Content-Security-Policy', contentSecurityPolicy);
  ctx.type = 'html';
  ctx.body = html;
}
