/** Who a client is at the token endpoint. */
export interface Credentials {
  readonly id: string;
  readonly secret: string;
}

/** A server under load, and who is known to it. Everything that is asked of one can be asked of the other. */
export interface Served {
  readonly program: 'keyturn' | 'bare';
  readonly store: 'memory' | 'sqlite' | 'redis';
  readonly issuer: string;
  /** The port of the issuer. */
  readonly port: number;
  /** All ports that are served. */
  readonly ports: readonly number[];
  readonly endpoints: Endpoints;
  /** Acts for itself. */
  readonly service: Credentials;
  /** People sign in to it, and it refreshes. */
  readonly web: Credentials;
  /** The same, where rotating refresh tokens is a matter of the client; `null` where all are rotated. */
  readonly rotating: Credentials | null;
  /** Exchanges tokens; `null` where nobody can. */
  readonly exchanger: Credentials | null;
  /** Tokens of the web application that are too old; none where nothing is known of such. */
  readonly expiredRefreshTokens: readonly string[];
  /** The APIs, each with who asks about its tokens. */
  readonly apis: Readonly<Record<ApiName, Credentials & { readonly identifier: string }>>;
  /** The processes that serve. */
  pids(): readonly number[];
  /** Signs somebody in with a browser of their own, and agrees to what is asked; the same person for the same number. */
  signIn(person: number, authorizationRequest: string): Promise<BrowserSession>;
  /** Name and password of a person. */
  person(number: number): { readonly login: string; readonly password: string };
}

/** Somebody who is signed in. */
export interface BrowserSession {
  /** What the browser sends as its cookies to the authorization endpoint. */
  readonly cookie: string;
  /** Where the client was called back. */
  readonly callback: URL;
}

/** Paths. */
export interface Endpoints {
  readonly authorization: string;
  readonly token: string;
  readonly introspection: string;
  readonly userinfo: string;
  readonly jwks: string;
  readonly pushedAuthorizationRequest: string;
}

/** What an API's tokens are: signed by an algorithm, or opaque. */
export const APIS = ['es256', 'eddsa', 'rs256', 'opaque'] as const;

export type ApiName = (typeof APIS)[number];

export const CALLBACK = 'http://127.0.0.1:4000/callback';

export const identifierOf = (api: ApiName) => `https://${api}.example`;

/** A scope that no other API has. */
export const scopeOf = (api: ApiName) => `use-${api}`;

/** What people let the web application do. */
export const WEB_SCOPE = ['openid', 'profile', 'email', ...APIS.map(scopeOf)].join(' ');

/** Where the endpoints are, from the server's own metadata. */
export async function discover(issuer: string): Promise<Endpoints> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  const metadata = (await response.json()) as Record<string, string>;
  const path = (name: string) => new URL(metadata[name] ?? '', issuer).pathname;
  return {
    authorization: path('authorization_endpoint'),
    token: path('token_endpoint'),
    introspection: path('introspection_endpoint'),
    userinfo: path('userinfo_endpoint'),
    jwks: path('jwks_uri'),
    pushedAuthorizationRequest: path('pushed_authorization_request_endpoint'),
  };
}

/** How long a server may take to start. */
const START_MAX_MS = 30_000;

/** Asks until there is an answer with status 200, and says how many milliseconds there were since `startedAt`. */
export async function untilAnswered(
  url: string,
  ended: () => boolean,
  startedAt = performance.now(),
): Promise<number> {
  while (performance.now() - startedAt < START_MAX_MS) {
    if (ended()) throw new Error(`the server of ${url} ended before it answered`);
    const response = await fetch(url).catch(() => null);
    await response?.body?.cancel();
    if (response?.status === 200) return performance.now() - startedAt;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`no answer from ${url}`);
}
