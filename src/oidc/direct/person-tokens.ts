import type { Client as LibraryClient } from 'oidc-provider';
import { type Account, standsSince } from '#src/accounts/account.ts';
import { formatScope } from '#src/clients/scope.ts';
import { tokenClaimsOf } from '#src/oidc/account-claims.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { grantedIn } from '#src/oidc/direct/granted.ts';
import { type IdTokenDependencies, idTokenFor, takesSignedIdTokens } from '#src/oidc/direct/id-token.ts';
import { type AccessTokenLifetimes, accessTokenLifetime } from '#src/oidc/resource-policy.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import { signAccessToken } from '#src/tokens/signed-access-token.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

export interface PersonTokenDependencies extends IdTokenDependencies {
  readonly registered: RegisteredClients;
  readonly random: Random;
  readonly resources: ResourceRegistry;
  readonly reader: TokenReader;
  readonly lifetimes: AccessTokenLifetimes & { readonly idToken: Seconds };
  /** The algorithm for tokens that are meant for this server itself. */
  readonly ownAlgorithm: SigningAlgorithm;
  findAccount(subject: string): Promise<Account | null>;
}

/** What a code, or the tokens of a family, say of the sign-in they come from, as far as it is looked at here. */
export interface SignInSays {
  readonly scope?: string | undefined;
  readonly resource?: string | readonly string[] | undefined;
  readonly claims?: object | undefined;
  readonly authTime?: EpochSeconds | undefined;
  readonly acr?: string | undefined;
  readonly amr?: readonly string[] | undefined;
  readonly nonce?: string | undefined;
  readonly sid?: string | undefined;
  readonly [further: string]: unknown;
}

/** A sign-in that a client asks tokens for. */
export interface SignIn {
  readonly authorizationId: string;
  readonly authorization: Authorization;
  readonly says: SignInSays;
}

/** What the store has of whom a token would be about, and whom it would be for. */
export interface Concerned {
  readonly account: Account | null;
  /** `null`: for this server itself. `undefined`: for several, or for one that there is not. */
  readonly resourceServer: ResourceServer | null | undefined;
}

/** Tokens that a client may be given. */
export interface Grantable extends SignIn {
  readonly client: LibraryClient;
  readonly account: Account;
  /** `null`: for this server itself. */
  readonly resourceServer: ResourceServer | null;
  readonly scope: string;
  /** The scopes of OpenID Connect, if the person signed in with it. */
  readonly openid: readonly string[];
}

/** What makes tokens more than plain ones: keys that they are bound to, and details that were asked for. */
const FURTHER = ['jkt', 'x5t#S256', 'attestationJkt', 'dpopJkt', 'rar', 'expiresWithSession'] as const;

/** True for a client whose tokens have to be bound to a key. */
export function isBound(
  client: LibraryClient,
  { registered }: Pick<PersonTokenDependencies, 'registered'>,
): boolean {
  const bound = client.tlsClientCertificateBoundAccessTokens || client.dpopBoundAccessTokens;
  // Its refresh tokens are not rotated.
  return bound === true || registered.profilesOf(client).has('fapi-2.0-security');
}

/** Looks for whomever tokens would concern. @throws StorageFault */
export async function concernedBy(
  subject: string,
  { resource }: SignInSays,
  { findAccount, resources }: Pick<PersonTokenDependencies, 'findAccount' | 'resources'>,
): Promise<Concerned> {
  const [identifier, ...more] = [resource ?? []].flat();
  const [account, found] = await Promise.all([
    findAccount(subject),
    identifier === undefined ? null : resources.findByIndicator(identifier),
  ]);
  const isPlain = more.length === 0 && (identifier === undefined || found !== null);
  return { account, resourceServer: isPlain ? found : undefined };
}

/**
 * What a client may be given that asks for nothing narrower than was granted: RFC 6749 section 6, RFC 8707 section 2.2.
 * `null` where the library is to look at it: the sign-in is over or somebody else's, or tokens are not simply signed.
 */
export function grantableTo(
  client: LibraryClient,
  signIn: SignIn,
  { account, resourceServer }: Concerned,
  deps: Pick<PersonTokenDependencies, 'clock' | 'keys' | 'registered'>,
): Grantable | null {
  const { authorization, says } = signIn;
  const grant = grantedIn(authorization, client.clientId, deps.clock.now());
  if (grant === null || authorization.clientId !== client.clientId || goesFurther(says)) return null;
  if (resourceServer === undefined || !standsSince(account, authorization.signedInAt)) return null;
  const scopes = new Set(says.scope?.split(' '));
  const allowed = (scope = '') => scope.split(' ').filter((each) => scopes.has(each));
  const openidScope = allowed(grant.openid?.scope).join(' ');
  const openid = scopes.has('openid') ? openidScope.split(' ') : [];
  if (openid.length > 0 && !takesSignedIdTokens(client, deps)) return null;
  const grantable = { ...signIn, client, account, resourceServer, openid };
  if (resourceServer === null) return { ...grantable, scope: openidScope };
  const application = deps.registered.application(client);
  if (application === null || resourceServer.tokenFormat !== 'jwt' || resourceServer.statusList) return null;
  const own = allowed(grant.resources?.[String(says.resource)]).filter(
    (each) => resourceServer.scope.includes(each) && application.scope.includes(each),
  );
  const isForUserinfo = openid.includes('openid');
  return { ...grantable, scope: formatScope([...(isForUserinfo ? openid : []), ...own]) };
}

function goesFurther(says: SignInSays): boolean {
  return FURTHER.some((name) => says[name] !== undefined) || Object.keys(says.claims ?? {}).length > 0;
}

/** The answer of the token endpoint, but for a refresh token: RFC 6749 section 5.1. @throws SigningFault */
export async function signedTokens(grantable: Grantable, deps: PersonTokenDependencies): Promise<object> {
  const { client, account, authorizationId, says, scope, openid } = grantable;
  const access = await accessToken(grantable, deps);
  return {
    ...access,
    ...(openid.length > 0 && {
      id_token: await idTokenFor(client, account, { ...says, authorizationId, scope: openid }, deps),
    }),
    ...(scope !== '' && { scope }),
    token_type: 'Bearer',
  };
}

async function accessToken(
  { client, account, authorizationId, says, resourceServer, scope, openid }: Grantable,
  deps: PersonTokenDependencies,
): Promise<{ access_token: string; expires_in: Seconds }> {
  const { issuer, lifetimes } = deps;
  const now = deps.clock.now();
  const lifetime =
    resourceServer === null ? lifetimes.accessToken : accessTokenLifetime(resourceServer, lifetimes);
  const audiences = resourceServer === null ? issuer : audienceOf(resourceServer, openid, issuer);
  const claims: Record<keyof AccessTokenClaims, unknown> | object = {
    ...(await tokenClaimsOf(resourceServer ?? {}, async () => account)),
    iss: issuer,
    sub: subjectFor(client, account.subject, deps.pairwise),
    aud: audiences,
    client_id: client.clientId,
    iat: now,
    exp: after(now, lifetime),
    jti: newIdentifier(deps.random),
    ...(scope !== '' && { scope }),
    grant_id: authorizationId,
    sid: says.sid,
    auth_time: says.authTime,
    acr: says.acr,
    amr: says.amr,
  };
  const alg = (resourceServer?.signingAlgorithm as SigningAlgorithm | undefined) ?? deps.ownAlgorithm;
  const token = await signAccessToken({ ...claims }, { signer: deps.signer(alg), reader: deps.reader });
  return { access_token: token, expires_in: lifetime };
}

/** Userinfo is for whoever signed in with OpenID Connect. */
function audienceOf({ audience }: ResourceServer, openid: readonly string[], issuer: string) {
  return openid.includes('openid') ? [audience, issuer] : audience;
}
