import Router from '@koa/router';
import type { Context } from 'koa';
import { type ClientDocument, clientDocument } from '#src/clients/client-document.ts';
import type { RegisteredClient } from '#src/clients/client-registry.ts';
import { Refusal } from '#src/fault.ts';
import { assertMethod } from '#src/http/method.ts';
import { readBody } from '#src/http/request-body.ts';
import { type SelfRegistrations, statementOf } from '#src/registration/self-registration.ts';

export interface RegistrationRoutes {
  readonly registrations: SelfRegistrations;
  readonly issuer: string;
  readonly bodyMax: number;
  /** Told of every registration, change and removal, for the log. */
  readonly onRegistration: (
    ctx: Context,
    event: 'registered' | 'changed' | 'removed',
    clientId: string,
  ) => void;
  /** Told of everything that was refused, for the log. */
  readonly onRefusal: (ctx: Context, refusal: Refusal) => void;
}

/** Where clients register. They learn it from the metadata. */
export const REGISTRATION_PATH = '/register';

const CLIENT_PATH = `${REGISTRATION_PATH}/:clientId`;

const ADDRESSES = [REGISTRATION_PATH, CLIENT_PATH];

/** The client registration endpoint, and under each client's identifier its configuration endpoint: RFC 7591, RFC 7592. */
export function registrationRoutes(deps: RegistrationRoutes): Router {
  const { registrations } = deps;
  const router = new Router({ strict: true, sensitive: true });

  router.use(ADDRESSES, async (ctx, next) => {
    openToScripts(ctx);
    try {
      await next();
    } catch (problem) {
      if (problem instanceof Refusal) {
        challenge(ctx, problem, deps.issuer);
        deps.onRefusal(ctx, problem);
      }
      throw problem;
    }
  });

  router.post(REGISTRATION_PATH, async (ctx) => {
    const document = await readDocument(ctx, deps.bodyMax);
    const made = await registrations.register({ document, bearer: bearerOf(ctx), address: ctx.ip });
    ctx.status = 201;
    ctx.body = informationOf(made, made.accessToken.reveal(), deps.issuer);
    deps.onRegistration(ctx, 'registered', made.client.clientId);
  });

  router.get(CLIENT_PATH, async (ctx) => {
    const { clientId, bearer } = managementOf(ctx);
    const client = await registrations.read({ clientId, bearer });
    ctx.body = informationOf({ client, secret: null }, bearer, deps.issuer);
  });

  router.put(CLIENT_PATH, async (ctx) => {
    const { clientId, bearer } = managementOf(ctx);
    // Whoever has no token need not send a document.
    await registrations.read({ clientId, bearer });
    const document = await readDocument(ctx, deps.bodyMax);
    const changed = await registrations.update({ clientId, bearer, document, address: ctx.ip });
    ctx.body = { ...presentedSecret(document, changed), ...informationOf(changed, bearer, deps.issuer) };
    deps.onRegistration(ctx, 'changed', clientId);
  });

  router.delete(CLIENT_PATH, async (ctx) => {
    const { clientId, bearer } = managementOf(ctx);
    await registrations.remove({ clientId, bearer });
    ctx.status = 204;
    deps.onRegistration(ctx, 'removed', clientId);
  });

  router.options(REGISTRATION_PATH, (ctx) => preflight(ctx, ['POST']));
  router.options(CLIENT_PATH, (ctx) => preflight(ctx, ['GET', 'PUT', 'DELETE']));
  router.all(REGISTRATION_PATH, (ctx) => assertMethod(ctx, ['POST', 'OPTIONS']));
  router.all(CLIENT_PATH, (ctx) => assertMethod(ctx, ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']));
  return router;
}

/** The client information response: RFC 7591 section 3.2.1, RFC 7592 section 3. */
function informationOf({ client, secret }: RegisteredClient, accessToken: string, issuer: string): object {
  const statement = statementOf(client);
  return {
    ...clientDocument(client),
    ...(statement === null ? undefined : { software_statement: statement.text }),
    ...(secret === null ? undefined : { client_secret: secret.reveal(), client_secret_expires_at: 0 }),
    registration_access_token: accessToken,
    registration_client_uri: `${issuer}${REGISTRATION_PATH}/${client.clientId}`,
  };
}

/** A secret that the client has just shown to be its own, and that still is, stands in the answer as well. */
function presentedSecret({ client_secret }: ClientDocument, { client, secret }: RegisteredClient): object {
  if (typeof client_secret !== 'string' || secret !== null || client.secrets.length === 0) return {};
  return { client_secret, client_secret_expires_at: 0 };
}

function managementOf(ctx: Context): { clientId: string; bearer: string } {
  const bearer = bearerOf(ctx);
  if (bearer === null)
    throw new Refusal('no_token', 'this needs the registration access token of the client');
  return { clientId: ctx.params.clientId as string, bearer };
}

/** The token of the Authorization header, and of nowhere else: RFC 6750 section 2.1. */
function bearerOf(ctx: Context): string | null {
  const header = ctx.get('Authorization');
  if (header === '') return null;
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1];
  if (token === undefined) throw new Refusal('invalid_request', 'Authorization does not hold a bearer token');
  return token;
}

async function readDocument(ctx: Context, bodyMax: number): Promise<ClientDocument> {
  if (!ctx.is('application/json')) throw new Refusal('invalid_request', 'the body must be application/json');
  const body = await readBody(ctx.req, bodyMax);
  const document = parseJson(body);
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Refusal('invalid_request', 'the body must be a JSON object');
  return document as ClientDocument;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Refusal('invalid_request', 'the body is not JSON');
  }
}

/** RFC 6750 section 3: with an error only where a token was brought. */
function challenge(ctx: Context, problem: Refusal, issuer: string): void {
  if (problem.code === 'no_token') ctx.set('WWW-Authenticate', `Bearer realm="${issuer}"`);
  if (problem.code === 'invalid_token')
    ctx.set('WWW-Authenticate', `Bearer realm="${issuer}", error="invalid_token"`);
  const { retryAfter } = problem.detail;
  if (typeof retryAfter === 'number') ctx.set('Retry-After', String(retryAfter));
}

/** Clients in a browser register too. No cookie counts here, so any origin may call and read the answer. */
function openToScripts(ctx: Context): void {
  ctx.set('Access-Control-Allow-Origin', '*');
  ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After');
  ctx.set('Cross-Origin-Resource-Policy', 'cross-origin');
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Pragma', 'no-cache');
}

/** How long a browser may remember that it was allowed to ask, in seconds. */
const PREFLIGHT_MAX_AGE = 3600;

function preflight(ctx: Context, methods: readonly string[]): void {
  ctx.status = 204;
  ctx.set('Allow', [...methods, 'OPTIONS'].join(', '));
  ctx.set('Access-Control-Allow-Methods', methods.join(', '));
  ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type, MCP-Protocol-Version');
  ctx.set('Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE));
}
