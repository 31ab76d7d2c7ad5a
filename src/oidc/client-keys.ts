import { type Client, errors } from 'oidc-provider';
import { isPublicKey } from '#src/clients/jwk-set.ts';
import { isSymmetric } from '#src/clients/response-protection.ts';
import type { Clock } from '#src/clock.ts';
import { after, type EpochSeconds, minutes, type Seconds } from '#src/units.ts';

/** The keys of one client as the library holds them, fetched from its `jwks_uri` where it has one. */
interface ClientKeys extends Iterable<Readonly<Record<string, unknown>>> {
  /** Until when they need not be fetched again; by the library for a minute at least, and as long as their answer says. */
  freshUntil?: number | undefined;
  fresh(): boolean;
  refresh(): Promise<void>;
  clear(): void;
  add(jwk: Readonly<Record<string, unknown>>): void;
  selectForVerify(wanted: { alg: string; kid?: string | undefined }): readonly object[];
  selectForEncrypt(wanted: { alg: string; use: 'enc' }): readonly object[];
}

export interface KeyFetching {
  readonly clock: Clock;
  /** The longest that fetched keys are used, whatever their answer says. */
  readonly keysMaxAge: Seconds;
  /** How long after a failure the next attempt is made. */
  readonly retryAfter: Seconds;
}

/** Whoever signs with one unknown key after the other makes the server ask for them that often. */
const UNKNOWN_KEY_PAUSE = minutes(1);

const keysOf = (client: Client): ClientKeys =>
  (client as unknown as { asymmetricKeyStore: ClientKeys }).asymmetricKeyStore;

/**
 * Bounds how often, and how seldom, the keys of a client are fetched. While its site is away, keys that are not too old
 * go on being used; the library would do without them, and ask the site again with every request.
 */
export function boundKeyFetches(client: Client, { clock, keysMaxAge, retryAfter }: KeyFetching): void {
  if (client.jwksUri === undefined) return;
  const keys = keysOf(client);
  const fetchKeys = keys.refresh.bind(keys);
  let fetchedAt: EpochSeconds | null = null;
  let failed: { readonly problem: unknown; readonly until: EpochSeconds } | null = null;
  let askedAt: EpochSeconds | null = null;
  const selectForVerify = keys.selectForVerify.bind(keys);
  keys.selectForVerify = (wanted) => {
    const found = selectForVerify(wanted);
    // A key that is not known yet may be new: OpenID Connect Core section 10.1.1.
    const rested = askedAt !== null && clock.now() >= after(askedAt, UNKNOWN_KEY_PAUSE);
    if (found.length === 0 && rested) keys.freshUntil = undefined;
    return found;
  };
  keys.refresh = async () => {
    if (keys.fresh()) return;
    const now = clock.now();
    if (failed !== null && now < failed.until) throw failed.problem;
    askedAt = now;
    try {
      await fetchKeys();
      dropUnusable(keys);
      fetchedAt = now;
      keys.freshUntil = Math.min(keys.freshUntil ?? now, after(now, keysMaxAge));
    } catch (problem) {
      const usable = fetchedAt !== null && now < after(fetchedAt, keysMaxAge);
      keys.freshUntil = usable ? after(now, retryAfter) : undefined;
      if (usable) return;
      failed = { problem, until: after(now, retryAfter) };
      throw problem;
    }
  };
}

/** The library looks at the members of a key only, and finds out too late that it lies on no curve. */
function dropUnusable(keys: ClientKeys): void {
  const usable = [...keys].filter(isPublicKey);
  keys.clear();
  for (const jwk of usable) keys.add(jwk);
}

/**
 * Sees to it that ID tokens can be encrypted for a client that has them encrypted to a key of its own.
 * @throws errors.InvalidRequest
 */
export async function assertEncryptable(client: Client): Promise<void> {
  const { idTokenEncryptedResponseAlg: alg } = client;
  if (alg === undefined || isSymmetric(alg)) return;
  const keys = keysOf(client);
  try {
    await keys.refresh();
  } catch (cause) {
    throw noKey('the keys that ID tokens are to be encrypted to could not be fetched', cause);
  }
  if (keys.selectForEncrypt({ alg, use: 'enc' }).length === 0)
    throw noKey(`none of the client's keys is for ${alg}, by which ID tokens are to be encrypted`);
}

function noKey(description: string, cause?: unknown): errors.InvalidRequest {
  return new errors.InvalidRequest(description, undefined, { cause });
}
