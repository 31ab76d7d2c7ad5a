import { errors, type Client as LibraryClient } from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import type { ShortAnswer, Shortcut, ShortRequest } from '#src/http/shortcut.ts';
import type { ClientProofs } from '#src/oidc/client-proofs.ts';
import { PARAMETERS } from '#src/oidc/direct/authorization-request.ts';
import { type CallerDependencies, callerOf } from '#src/oidc/direct/caller.ts';
import { type ClientCredentialsDependencies, ownToken } from '#src/oidc/direct/client-credentials.ts';
import { type IntrospectionDependencies, introspected } from '#src/oidc/direct/introspection.ts';
import {
  bearerToken,
  CREDENTIAL_FIELDS,
  isPlain,
  type PlainForm,
  plainForm,
} from '#src/oidc/direct/plain-request.ts';
import { type PushDependencies, pushed } from '#src/oidc/direct/push.ts';
import { type RedemptionDependencies, redeemedTokens } from '#src/oidc/direct/redemption.ts';
import { mayRefresh, type RefreshDependencies, refreshedTokens } from '#src/oidc/direct/refresh.ts';
import { toldOfPerson, type UserinfoDependencies } from '#src/oidc/direct/userinfo.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import type { IntrospectionResult } from '#src/oidc/introspection-result.ts';
import type { OnProblem } from '#src/oidc/problem.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';

export interface DirectDependencies
  extends CallerDependencies,
    IntrospectionDependencies,
    Omit<ClientCredentialsDependencies, 'lifetimes'>,
    RefreshDependencies,
    RedemptionDependencies,
    PushDependencies,
    UserinfoDependencies {
  readonly requests: Pick<RequestPolicy, 'pushedLifetime' | 'pushedMax'>;
  readonly proofs: Pick<ClientProofs, 'dpop' | 'attestations'>;
  readonly onClientUsed: (client: Client, grantType: string) => void;
  readonly onIntrospected: (result: IntrospectionResult, clientId?: string) => void;
  readonly onUserinfo: (clientId: string) => void;
  readonly onProblem: OnProblem;
}

/** Those of a token request, whatever is granted. */
const TOKEN_FIELDS = [
  'code',
  'code_verifier',
  'grant_type',
  'redirect_uri',
  'refresh_token',
  'resource',
  'scope',
];

type Answer = (
  request: ShortRequest,
  form: PlainForm,
  deps: DirectDependencies,
) => Promise<ShortAnswer | null>;

/**
 * Answers the requests that come most often without the library: those that are spelt plainly, come from a client that
 * authenticates by its secret or has none, and can be granted; and it refuses refresh tokens that are none of ours, so
 * that whoever tries them costs little. Whatever else comes is left to the library, which
 * then sees the request as if nobody had looked at it. What may be granted is decided by the same rules, and the answers
 * are the same.
 */
export function directAnswers(deps: DirectDependencies): ReadonlyMap<string, Shortcut> {
  const { dpop, attestations } = deps.proofs;
  const attested = attestations !== null;
  const shortcut = (
    answer: Answer,
    fields: readonly string[],
    { nonces, headers }: { nonces: boolean; headers?: Record<string, string> },
  ): Shortcut => {
    const known = new Set([...CREDENTIAL_FIELDS, ...fields]);
    return {
      method: 'POST',
      headers: { ...crossOrigin({ attested, nonces }), ...headers },
      takes: isPlain,
      answer: async (request) => {
        const form = plainForm(request.body, known);
        return form === null ? null : answer(request, form, deps);
      },
    };
  };
  return new Map<string, Shortcut>([
    [ROUTES.introspection, shortcut(answerIntrospection, ['token', 'token_type_hint'], { nonces: attested })],
    [
      ROUTES.token,
      shortcut(answerToken, TOKEN_FIELDS, {
        nonces: attested || dpop.nonces !== 'off',
        headers: { Pragma: 'no-cache' }, // RFC 6749 section 5.1
      }),
    ],
    [
      ROUTES.pushed_authorization_request,
      shortcut(answerPush, [...PARAMETERS], { nonces: attested || dpop.nonces !== 'off' }),
    ],
    [
      ROUTES.userinfo,
      {
        method: 'GET',
        headers: crossOrigin({ attested: false, nonces: dpop.nonces !== 'off' }),
        takes: (headers) => bearerToken(headers) !== null,
        answer: (request) => answerUserinfo(request, deps),
      },
    ],
  ]);
}

async function answerUserinfo(
  { headers }: ShortRequest,
  deps: DirectDependencies,
): Promise<ShortAnswer | null> {
  const token = bearerToken(headers);
  const told = token === null ? null : await toldOfPerson(token, deps);
  if (told === null) return null;
  deps.onUserinfo(told.clientId);
  return { status: 200, body: told.claims };
}

async function answerIntrospection(
  { headers }: ShortRequest,
  form: PlainForm,
  deps: DirectDependencies,
): Promise<ShortAnswer | null> {
  const { token } = form;
  const { accept = '*/*' } = headers;
  if (token === undefined || accept.includes('jwt')) return null;
  const caller = await callerOf(headers, form, deps);
  const answer =
    caller === null || caller.clientAuthMethod === 'none' ? null : await introspected(token, caller, deps);
  if (answer !== null) deps.onIntrospected(answer.active ? 'active' : 'inactive', caller?.clientId);
  return answer && { status: 200, body: answer };
}

async function answerToken(
  { path, requestId, headers }: ShortRequest,
  form: PlainForm,
  deps: DirectDependencies,
): Promise<ShortAnswer | null> {
  const answer = GRANTS.get(form.grant_type);
  const client = answer === undefined ? null : await callerOf(headers, form, deps);
  if (answer === undefined || client === null) return null;
  const tokens = await answer(form, client, deps);
  if (tokens === null) return null;
  if (tokens instanceof errors.OIDCProviderError) {
    const { statusCode: status, error, error_description } = tokens;
    deps.onProblem({ path, state: { requestId }, oidc: { client } }, tokens);
    return { status, body: { error, error_description } };
  }
  const application = deps.registered.application(client);
  if (application !== null) deps.onClientUsed(application, form.grant_type as string);
  return { status: 200, body: tokens };
}

/** RFC 9126 section 2. */
async function answerPush(
  { headers, body }: ShortRequest,
  form: PlainForm,
  deps: DirectDependencies,
): Promise<ShortAnswer | null> {
  // The library refuses one that is too large.
  const caller = body.length > deps.requests.pushedMax ? null : await callerOf(headers, form, deps);
  const answer = caller && (await pushed(form, caller, deps));
  return answer && { status: 201, body: answer };
}

/** The tokens, or why there are none; `null` where the library is to say. */
type AnswerGrant = (
  form: PlainForm,
  client: LibraryClient,
  deps: DirectDependencies,
) => Promise<object | errors.OIDCProviderError | null>;

const GRANTS: ReadonlyMap<string | undefined, AnswerGrant> = new Map([
  ['authorization_code', redeemedTokens],
  ['client_credentials', answerClientCredentials],
  ['refresh_token', answerRefresh],
]);

async function answerClientCredentials(
  { scope, resource, refresh_token }: PlainForm,
  client: LibraryClient,
  deps: DirectDependencies,
): Promise<object | null> {
  const asksAsItself = refresh_token === undefined && client.clientAuthMethod !== 'none';
  return asksAsItself ? ownToken(client, { scope, resource }, deps) : null;
}

/** One that names scopes or a resource asks for less than it was granted. */
async function answerRefresh(
  { refresh_token, scope, resource }: PlainForm,
  client: LibraryClient,
  deps: DirectDependencies,
): Promise<object | null> {
  if (!refresh_token || scope !== undefined || resource !== undefined) return null;
  if (!mayRefresh(client, deps)) return null;
  const read = deps.reader.read(refresh_token);
  if (read.kind !== 'refresh') return NO_REFRESH_TOKEN;
  return refreshedTokens(read.reading, read.kid, client, deps);
}

/** Forged, expired, or no refresh token at all: RFC 6749 section 5.2. One for all, since nobody asks where it comes from. */
const NO_REFRESH_TOKEN = new errors.InvalidGrant('refresh token not found');

/** What the library lets pages of other origins read of an answer, and of its headers: Fetch section 3.3. */
function crossOrigin({ attested, nonces }: { attested: boolean; nonces: boolean }) {
  const exposed = [
    ...(nonces ? ['DPoP-Nonce'] : []),
    ...(attested ? ['OAuth-Client-Attestation-Challenge'] : []),
    'WWW-Authenticate',
  ];
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': exposed.join(','),
  };
}
