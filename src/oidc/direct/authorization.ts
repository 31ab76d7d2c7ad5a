import type { IncomingHttpHeaders } from 'node:http';
import type { AuthorizationCode, Client as LibraryClient } from 'oidc-provider';
import { type Account, standsSince } from '#src/accounts/account.ts';
import type { Client } from '#src/clients/client.ts';
import { isOpenIdScope } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import type { BrowserRequest, Redirect } from '#src/http/shortcut.ts';
import type { Consents } from '#src/interaction/consent.ts';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import {
  type AuthorizationRequestDependencies,
  PARAMETERS,
  type Requested,
  requestOf,
} from '#src/oidc/direct/authorization-request.ts';
import { plainQuery } from '#src/oidc/direct/plain-request.ts';
import { type PushedRequest, pushedRequest } from '#src/oidc/direct/pushed-request.ts';
import type { SignedCookie } from '#src/oidc/direct/signed-cookie.ts';
import { newGrant } from '#src/oidc/grants.ts';
import { teachable } from '#src/oidc/library.ts';
import { type ProviderLifetimes, sessionEndsAt } from '#src/oidc/lifetimes.ts';
import { QUERY_CHARS_MAX } from '#src/oidc/query-limit.ts';
import { endsAsStored, type LibrarySession, saveWhereChanged, seenIn } from '#src/oidc/session-model.ts';
import type { Random } from '#src/random.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import { epochSeconds } from '#src/units.ts';

export interface DirectAuthorizationDependencies extends AuthorizationRequestDependencies {
  readonly consents: Consents;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimes: ProviderLifetimes;
  readonly authorizations: Pick<Authorizations, 'end'>;
  readonly sessionCookie: SignedCookie;
  findAccount(subject: string): Promise<Account | null>;
  readonly onCodeIssued: (client: Client) => void;
}

/**
 * Sends somebody back to a client with a code who is signed in and has consented to all that is asked, without the
 * library: RFC 6749 section 4.1.2. Whatever else has to be done or refused, it does, and sees the request as if nobody
 * had looked at it. What may be granted is decided by the same rules, and the code is the same.
 */
export function directAuthorization(deps: DirectAuthorizationDependencies): Redirect {
  return { locationFor: (request) => locationFor(request, deps) };
}

/** Those of a request that was pushed: RFC 9126 section 4. */
const OF_PUSHED: ReadonlySet<string> = new Set(['client_id', 'request_uri']);

async function locationFor(
  { query, headers, address }: BrowserRequest,
  deps: DirectAuthorizationDependencies,
): Promise<string | null> {
  const sessionId = query.length > QUERY_CHARS_MAX ? null : deps.sessionCookie.read(headers);
  if (sessionId === null) return null;
  const plain = plainQuery(query, PARAMETERS);
  const reference = plain === null ? plainQuery(query, OF_PUSHED) : null;
  const pushed = reference && (await pushedRequest(reference, PARAMETERS, deps));
  const asked = plain ?? pushed?.parameters ?? null;
  const requested = asked && (await requestOf(asked, pushed !== null, deps));
  if (requested === null) return null;
  const visit = await visitOf(sessionId, deps);
  if (visit === null) return null;
  const granted = await grantedTo(requested, visit, deps);
  if (granted === null) return null;
  const seen = seenIn({ ip: address, get: (name) => headerIn(headers, name) }, deps.clock);
  const code = await issued(requested, visit, { ...granted, seen, pushed }, deps);
  deps.onCodeIssued(requested.client);
  const location = new URL(requested.redirectUri);
  const { state } = requested;
  for (const [name, value] of Object.entries({ code, ...(state && { state }), iss: deps.issuer }))
    location.searchParams.set(name, value);
  return location.href;
}

const headerIn = (headers: IncomingHttpHeaders, name: string) => String(headers[name.toLowerCase()] ?? '');

/** Somebody who is signed in, in a session that goes on. */
interface Visit {
  readonly session: LibrarySession;
  readonly account: Account;
}

async function visitOf(
  sessionId: string,
  { provider, lifetimes, clock, findAccount }: DirectAuthorizationDependencies,
): Promise<Visit | null> {
  const session = await teachable<LibrarySession>(provider.Session).find(sessionId);
  if (session?.accountId === undefined || session.loginTs === undefined || session.transient) return null;
  const signedInAt = epochSeconds(session.loginTs);
  if (sessionEndsAt(signedInAt, lifetimes) <= clock.now()) return null;
  // Else the browser has to be told until when it keeps the cookie.
  if (!endsAsStored(session, { lifetimes, clock })) return null;
  const account = await findAccount(session.accountId);
  return standsSince(account, signedInAt) ? { session, account } : null;
}

/** A grant of what is asked, if the person has agreed to all of it before. */
async function grantedTo(
  { client: { clientId }, scopes, resource }: Requested,
  { account: { subject: accountId } }: Visit,
  { consents, provider, random }: DirectAuthorizationDependencies,
) {
  const consent = await consents.find(accountId, clientId);
  if (consent === null) return null;
  if (resource !== null && !Object.hasOwn(consent.resources, resource.identifier)) return null;
  const agreed = new Set([
    ...consent.scope.filter(isOpenIdScope),
    ...(resource === null ? [] : (consent.resources[resource.identifier] ?? [])),
  ]);
  if (![...scopes].every((scope) => agreed.has(scope))) return null;
  return { grant: newGrant(provider, { accountId, clientId }, consent, random) };
}

interface Granted {
  readonly grant: ReturnType<typeof newGrant>;
  readonly seen: ReturnType<typeof seenIn>;
  readonly pushed: PushedRequest | null;
}

/** Writes the code, the authorization that opens with it, and what is new of the session, in one commit. */
async function issued(
  { libraryClient, client: { clientId }, scopes, resource, ...requested }: Requested,
  { session, account }: Visit,
  { grant, seen, pushed }: Granted,
  deps: DirectAuthorizationDependencies,
): Promise<string> {
  session.ensureClientContainer(clientId);
  session.grantIdFor(clientId, grant.jti);
  Object.assign(session.authorizationFor(clientId), { persistsLogout: true });
  const asked = new Set(scopes);
  const scope = [
    grant.getOIDCScopeFiltered(asked),
    resource === null ? '' : grant.getResourceScopeFiltered(resource.identifier, asked),
  ];
  const Codes = teachable<AuthorizationCode>(deps.provider.AuthorizationCode);
  const code = new Codes({
    accountId: account.subject,
    ...(session.acr !== undefined && { acr: session.acr }),
    ...(session.amr !== undefined && { amr: session.amr }),
    authTime: session.loginTs,
    client: libraryClient,
    codeChallenge: requested.codeChallenge,
    codeChallengeMethod: 'S256',
    grantId: grant.jti,
    nonce: requested.nonce,
    redirectUri: requested.redirectUri,
    ...(resource !== null && { resource: resource.identifier }),
    scope: scope.filter((each) => each !== '').join(' '),
    sessionUid: session.uid,
    ...(tellsSession(libraryClient) && { sid: session.sidFor(clientId) }),
  });
  const opens = await openingAuthorization({ grant, session }, code);
  Object.assign(code, { opens });
  try {
    const [value] = await Promise.all([
      code.save(),
      saveWhereChanged(session, seen, deps),
      pushed?.consume(),
    ]);
    return value;
  } catch (refusal) {
    // Somebody else has used the pushed request: nobody is told of this code, and nothing is to be left of it.
    await deps.authorizations.end(grant.jti);
    throw refusal;
  }
}

const tellsSession = (client: LibraryClient) =>
  (client as LibraryClient & { includeSid(): unknown }).includeSid();
