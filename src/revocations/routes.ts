import { finished, Readable } from 'node:stream';
import type { Context, Middleware } from 'koa';
import type { ClientSecrets } from '#src/clients/client-secret.ts';
import { basicCredentials } from '#src/http/basic-credentials.ts';
import { assertMethod } from '#src/http/method.ts';
import type { Records } from '#src/records.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { ConcernPorts } from '#src/revocations/concern.ts';
import type { RevocationFeed } from '#src/revocations/feed.ts';
import { revocationStream } from '#src/revocations/stream.ts';
import type { CredentialThrottle } from '#src/throttle/credential-throttle.ts';
import type { Seconds } from '#src/units.ts';

export interface RevocationRoutes extends ConcernPorts {
  readonly issuer: string;
  readonly records: ConcernPorts['records'] & Pick<Records, 'readLog'>;
  readonly feed: RevocationFeed;
  readonly resources: Pick<ResourceRegistry, 'findByClientId'>;
  readonly secrets: ClientSecrets;
  readonly throttle: CredentialThrottle;
  readonly heartbeat: Seconds;
  /** How many streams may be open at this server, and how many of them may be one resource server's. */
  readonly streamsMax: number;
  readonly streamsPerServerMax: number;
  /** Ends every stream, as the server stops. */
  readonly leaving: AbortSignal;
}

/** Where resource servers are told of revocations. */
const REVOCATIONS_PATH = '/revocations';

/** How long to wait before trying again where there is no room, in seconds. */
const RETRY_AFTER_S = 10;

/** A position in the log, as it was given out as `id`. */
const POSITION = /^(?:0|[1-9]\d{0,15})$/;

const LISTENERS_MAX = 20;

/**
 * `GET /revocations`: a stream of what has ended the tokens of a resource server before their time, for one that
 * authenticates as it does at introspection.
 */
export function revocationRoutes(deps: RevocationRoutes): Middleware {
  const open = new OpenStreams(deps);
  return async (ctx, next) => {
    if (ctx.path !== REVOCATIONS_PATH) return next();
    assertMethod(ctx, ['GET']);
    const caller = await authenticated(ctx, deps);
    if (caller === null) return;
    const cursor = ctx.get('Last-Event-ID') || [ctx.query.cursor ?? '0'].flat().join();
    if (!POSITION.test(cursor)) {
      refuse(ctx, 400, 'invalid_request', 'the cursor is none that was given out as an event id');
      return;
    }
    const place = open.take(caller.resourceServer.identifier);
    if (place === null) {
      ctx.set('Retry-After', String(RETRY_AFTER_S));
      refuse(ctx, 503, 'temporarily_unavailable', 'too many streams are open');
      return;
    }
    // Koa's own, those of a stream as an answer, and ours: a few more than Node takes for a leak.
    ctx.res.setMaxListeners(LISTENERS_MAX);
    const over = new AbortController();
    // Also if the caller has hung up already.
    finished(ctx.res, () => {
      over.abort();
      place[Symbol.dispose]();
    });
    ctx.status = 200;
    ctx.set('Content-Type', 'text/event-stream');
    // Proxies that collect an answer before they pass it on would keep what is urgent.
    ctx.set('X-Accel-Buffering', 'no');
    const stream = revocationStream({
      ...deps,
      after: Number(cursor),
      subscriber: caller.again,
      signal: AbortSignal.any([over.signal, deps.leaving]),
    });
    ctx.body = Readable.from(stream, { objectMode: false });
  };
}

interface Caller {
  readonly resourceServer: ResourceServer;
  /** The resource server as it is now, if the credentials that it came with still hold. */
  again(): Promise<ResourceServer | null>;
}

/** Who is calling, or `null`, in which case the refusal has been answered. RFC 6749 section 2.3.1, RFC 9110 section 11.6.1. */
async function authenticated(ctx: Context, deps: RevocationRoutes): Promise<Caller | null> {
  const admission = await deps.throttle.admit(ctx.ip);
  if (!admission.allowed) {
    ctx.set('Retry-After', String(admission.retryAfter));
    refuse(ctx, 429, 'temporarily_unavailable', 'too many failed attempts');
    return null;
  }
  const given = basicCredentials(ctx.get('Authorization'));
  const find = async () =>
    given === null ? null : ((await deps.resources.findByClientId(given.id))?.value ?? null);
  const found = await find();
  // The same work whether there is such a resource server or not.
  const secret = deps.secrets.matching(found?.secrets ?? [], given?.secret ?? '');
  if (found !== null && secret !== null) {
    const again = async () => {
      const now = await find();
      return now?.secrets.some(({ id }) => id === secret.id) === true ? now : null;
    };
    return { resourceServer: found, again };
  }
  if (given !== null) await deps.throttle.recordFailure(ctx.ip);
  ctx.set('WWW-Authenticate', `Basic realm="${deps.issuer}", charset="UTF-8"`);
  refuse(ctx, 401, 'invalid_client', 'the credentials of a resource server are needed');
  return null;
}

function refuse(ctx: Context, status: number, error: string, description: string): void {
  ctx.status = status;
  ctx.body = { error, error_description: description };
}

/** The streams that are open, so that nobody takes all there may be. */
class OpenStreams {
  readonly #limits: Pick<RevocationRoutes, 'streamsMax' | 'streamsPerServerMax'>;
  readonly #open = new Map<string, number>();
  #count = 0;

  constructor(limits: Pick<RevocationRoutes, 'streamsMax' | 'streamsPerServerMax'>) {
    this.#limits = limits;
  }

  /** Takes a place, to be given back once; `null` if there is none. */
  take(identifier: string): Disposable | null {
    const own = this.#open.get(identifier) ?? 0;
    const { streamsMax, streamsPerServerMax } = this.#limits;
    if (this.#count >= streamsMax || own >= streamsPerServerMax) return null;
    this.#count += 1;
    this.#open.set(identifier, own + 1);
    return { [Symbol.dispose]: () => this.#giveBack(identifier) };
  }

  #giveBack(identifier: string): void {
    this.#count -= 1;
    const left = (this.#open.get(identifier) ?? 1) - 1;
    if (left === 0) this.#open.delete(identifier);
    else this.#open.set(identifier, left);
  }
}
