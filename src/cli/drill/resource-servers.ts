import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { type Credentials, postForm } from '#src/cli/parties/requests.ts';
import { after, type EpochSeconds, seconds } from '#src/units.ts';

/** What an API knows of the server and of itself. */
export interface Api {
  readonly issuer: string;
  readonly jwksUri: URL;
  readonly audience: string;
  readonly algorithm: string;
}

/** Whether a token is accepted, and why not. */
export interface Opinion {
  readonly accepted: boolean;
  readonly why: string | null;
  /** True if the key of the token was not among those that it had. */
  readonly unknown?: boolean;
}

/** A resource server that has a way of its own of finding out about tokens. */
export interface Verifying {
  /** `now` is what its clock shows. */
  check(token: string, now: EpochSeconds): Promise<Opinion>;
}

/** One that verifies by keys that it keeps. */
export interface Kept extends Verifying {
  /** How often it has fetched the JWK Set. */
  readonly fetches: number;
}

/** Verifies by the keys as jose keeps them. */
export class JoseServer implements Kept {
  readonly #api: Api;
  readonly #keys: JoseKeys;

  constructor(api: Api) {
    this.#api = api;
    this.#keys = new JoseKeys(api.jwksUri);
  }

  get fetches(): number {
    return this.#keys.fetches;
  }

  async check(token: string, now: EpochSeconds): Promise<Opinion> {
    const find = await this.#keys.at(now);
    const knew = this.#keys.know(decodeProtectedHeader(token).kid);
    return { ...(await verified(token, find, { ...this.#api, now })), unknown: !knew };
  }
}

/**
 * createRemoteJWKSet of jose, as its documentation has it: the keys are kept for ten minutes, and fetched once more for
 * one that is not among them, but not twice in half a minute.
 *
 * jose goes by the machine's clock, by which no time passes here. So it is told to keep the keys for ever and to ask
 * again whenever it misses one; that ten minutes are over it is told by `reload`, and within the half minute its
 * request gets the answer that it has got before.
 */
export class JoseKeys {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #now: EpochSeconds | null = null;
  #fetched: { readonly at: EpochSeconds; readonly body: string } | null = null;
  fetches = 0;

  constructor(jwksUri: URL) {
    this.#keys = createRemoteJWKSet(jwksUri, {
      cacheMaxAge: Number.POSITIVE_INFINITY,
      cooldownDuration: 0,
      [customFetch]: async (url) => new Response(await this.#fetch(url)),
    });
  }

  /** The keys, as they are looked for when a clock shows `now`. */
  async at(now: EpochSeconds): Promise<JWTVerifyGetKey> {
    this.#now = now;
    if (this.#fetched === null || now >= after(this.#fetched.at, JOSE_KEEPS)) await this.#keys.reload();
    return this.#keys;
  }

  /** True if the key is among those that were fetched last. */
  know(kid: string | undefined): boolean {
    return this.#keys.jwks()?.keys.some((key) => key.kid === kid) === true;
  }

  async #fetch(url: string): Promise<string> {
    const now = this.#now as EpochSeconds;
    if (this.#fetched !== null && now < after(this.#fetched.at, JOSE_COOLS_DOWN)) return this.#fetched.body;
    const body = await (await fetchJwks(new URL(url))).text();
    this.fetches += 1;
    this.#fetched = { at: now, body };
    return body;
  }
}

/** The defaults of `cacheMaxAge` and `cooldownDuration`. */
const JOSE_KEEPS = seconds(600);
const JOSE_COOLS_DOWN = seconds(30);

/** Keeps the keys for as long as their answer says (RFC 9111 section 5.2.2.1), and never fetches them before that. */
export class MaxAgeServer implements Kept {
  readonly #api: Api;
  #keys: { readonly until: EpochSeconds; readonly find: JWTVerifyGetKey } | null = null;
  fetches = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  async check(token: string, now: EpochSeconds): Promise<Opinion> {
    if (this.#keys === null || now >= this.#keys.until) {
      const answer = await fetchJwks(this.#api.jwksUri);
      const [, maxAge = '0'] = /max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '') ?? [];
      const find = createLocalJWKSet((await answer.json()) as JSONWebKeySet);
      this.#keys = { until: after(now, seconds(Number(maxAge))), find };
      this.fetches += 1;
    }
    return verified(token, this.#keys.find, { ...this.#api, now });
  }
}

/** Fetches the keys every so often, whatever it is shown, and never otherwise. */
export class PollingServer implements Kept {
  readonly #api: Api;
  #keys: JWTVerifyGetKey | null = null;
  fetches = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  /** To be called by its schedule. */
  async poll(): Promise<void> {
    const answer = await fetchJwks(this.#api.jwksUri);
    this.#keys = createLocalJWKSet((await answer.json()) as JSONWebKeySet);
    this.fetches += 1;
  }

  async check(token: string, now: EpochSeconds): Promise<Opinion> {
    if (this.#keys === null) await this.poll();
    return verified(token, this.#keys as JWTVerifyGetKey, { ...this.#api, now });
  }
}

/** Asks about every token: RFC 7662. */
export class AskingServer implements Verifying {
  readonly #endpoint: string;
  readonly #credentials: Credentials;

  constructor(options: { endpoint: string; credentials: Credentials }) {
    this.#endpoint = options.endpoint;
    this.#credentials = options.credentials;
  }

  async check(token: string): Promise<Opinion> {
    const credentials = this.#credentials;
    // A signal of its own, since one that thousands of requests share has thousands of listeners.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { status, body } = await postForm(this.#endpoint, { token }, { credentials, signal });
    if (status !== 200) return { accepted: false, why: `introspection answered ${status}` };
    return body.active === true ? { accepted: true, why: null } : { accepted: false, why: 'not active' };
  }
}

/** By the machine's clock. */
export const PATIENCE_MS = 30_000;

/** RFC 9068 section 4. */
async function verified(
  token: string,
  keys: JWTVerifyGetKey,
  { issuer, audience, algorithm, now }: Api & { readonly now: EpochSeconds },
): Promise<Opinion> {
  try {
    const currentDate = new Date(now * 1000);
    await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', algorithms: [algorithm], currentDate });
    return { accepted: true, why: null };
  } catch (problem) {
    if (problem instanceof errors.JOSEError) return { accepted: false, why: problem.code };
    throw problem;
  }
}

async function fetchJwks(url: URL): Promise<Response> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname} answered ${answer.status}`);
  return answer;
}
