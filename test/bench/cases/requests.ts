import { createHash } from 'node:crypto';
import type { Answer } from '#test/bench/load/answer.ts';
import { headerOf } from '#test/bench/load/answer.ts';
import { type Visitor, WrongAnswer } from '#test/bench/load/drive.ts';
import {
  type ApiName,
  CALLBACK,
  type Credentials,
  identifierOf,
  type Served,
  scopeOf,
} from '#test/bench/servers/served.ts';
import { rawRequest } from '#test/support/raw-http.ts';

const alive = ({ port }: Served) => ({ Host: `localhost:${port}`, Connection: 'keep-alive' });

export function get(served: Served, path: string, headers: Readonly<Record<string, string>> = {}): string {
  return rawRequest(`GET ${path}`, { ...alive(served), ...headers });
}

/** A form, from a client that authenticates with its secret. */
export function post(
  served: Served,
  path: string,
  { id, secret }: Credentials,
  form: Readonly<Record<string, string>>,
): string {
  const headers = {
    ...alive(served),
    Authorization: `Basic ${btoa(`${id}:${secret}`)}`,
    'Content-Type': 'application/x-www-form-urlencoded',
  };
  return rawRequest(`POST ${path}`, headers, new URLSearchParams(form).toString());
}

/** A form of a page, from a browser. */
export function submitted(
  served: Served,
  path: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
): string {
  const all = { ...alive(served), ...headers, 'Content-Type': 'application/x-www-form-urlencoded' };
  return rawRequest(`POST ${path}`, all, new URLSearchParams(form).toString());
}

export const tokenRequest = (
  served: Served,
  client: Credentials,
  form: Readonly<Record<string, string>>,
): string => post(served, served.endpoints.token, client, form);

/** A service that asks for a token for an API: RFC 6749 section 4.4. */
export const serviceTokenRequest = (served: Served, api: ApiName): string =>
  tokenRequest(served, served.service, {
    grant_type: 'client_credentials',
    resource: identifierOf(api),
    scope: scopeOf(api),
  });

/** Always the same PKCE pair: nobody else sees it, and making one is the client's work. */
const VERIFIER = 'a-code-verifier-of-the-benchmark-with-enough-characters';
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

export interface Asked {
  /** For which API; `null` for userinfo alone. */
  readonly api: ApiName | null;
  readonly openid: boolean;
}

/** An authorization request for a web application. */
export function authorizationParameters({ web }: Pick<Served, 'web'>, { api, openid }: Asked) {
  const scopes = [openid ? 'openid profile' : [], api === null ? [] : scopeOf(api)].flat();
  return {
    client_id: web.id,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: scopes.join(' '),
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    state: 'state-of-the-client',
    ...(openid ? { nonce: 'nonce-of-the-client' } : undefined),
    ...(api === null ? undefined : { resource: identifierOf(api) }),
  };
}

export function authorizationPath(served: Served, parameters: Readonly<Record<string, string>>): string {
  return `${served.endpoints.authorization}?${new URLSearchParams(parameters)}`;
}

export const redemption = (served: Served, client: Credentials, code: string): string =>
  tokenRequest(served, client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
  });

export const refreshing = (served: Served, client: Credentials, token: string): string =>
  tokenRequest(served, client, { grant_type: 'refresh_token', refresh_token: token });

/** The code of the callback that the answer redirects to. @throws WrongAnswer */
export function codeIn(answer: Answer): string {
  const location = headerOf(answer, 'location') ?? '';
  const [, code] = /[?&]code=([^&]+)/.exec(location) ?? [];
  if (code === undefined || !location.startsWith(CALLBACK))
    throw new WrongAnswer('a code at the callback', answer);
  return decodeURIComponent(code);
}

/** The tokens of an answer of the token endpoint. @throws WrongAnswer */
export function tokensIn(answer: Answer): { access_token: string; refresh_token?: string } {
  if (answer.status !== 200 || !answer.body.includes('"access_token"'))
    throw new WrongAnswer('tokens', answer);
  return JSON.parse(answer.body);
}

/** True if that is what was expected of the answer, which should be looked at with as little work as will do. */
export interface Expectation {
  readonly what: string;
  readonly holds: (answer: Answer) => boolean;
}

/** Sends the requests in turn, over and over, each of which is an operation. Begins with another one for each `start`. */
export function repeating(requests: readonly string[], { what, holds }: Expectation, start = 0): Visitor {
  let at = start;
  return {
    next: () => {
      at = (at + 1) % requests.length;
      return requests[at] as string;
    },
    read: (answer) => {
      if (!holds(answer)) throw new WrongAnswer(what, answer);
      return true;
    },
  };
}

/** Sends a new request each time, each of which is an operation. */
export function renewing(request: () => string | null, { what, holds }: Expectation): Visitor {
  return {
    next: request,
    read: (answer) => {
      if (!holds(answer)) throw new WrongAnswer(what, answer);
      return true;
    },
  };
}

export const hasAccessToken: Expectation = {
  what: 'an access token',
  holds: ({ status, body }) => status === 200 && body.includes('"access_token"'),
};

export const isActive: Expectation = {
  what: 'an active token',
  holds: ({ status, body }) => status === 200 && body.includes('"active":true'),
};

export const isInactive: Expectation = {
  what: 'an inactive token',
  holds: ({ status, body }) => status === 200 && body === '{"active":false}',
};

export const isError = (status: number, error: string): Expectation => ({
  what: `${status} ${error}`,
  holds: (answer) => answer.status === status && answer.body.includes(`"error":"${error}"`),
});

export const hasStatus = (status: number, inBody: string): Expectation => ({
  what: `status ${status}`,
  holds: (answer) => answer.status === status && answer.body.includes(inBody),
});
