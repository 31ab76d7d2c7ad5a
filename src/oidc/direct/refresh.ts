import type { Client as LibraryClient } from 'oidc-provider';
import { type Account, standsSince } from '#src/accounts/account.ts';
import { formatScope } from '#src/clients/scope.ts';
import { tokenClaimsOf } from '#src/oidc/account-claims.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { grantedIn } from '#src/oidc/direct/granted.ts';
import { type IdTokenDependencies, idTokenFor, takesSignedIdTokens } from '#src/oidc/direct/id-token.ts';
import { type RefreshTokenSigning, refreshTokenOf } from '#src/oidc/refresh-token-model.ts';
import { type AccessTokenLifetimes, accessTokenLifetime } from '#src/oidc/resource-policy.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { Authorization, Authorizations } from '#src/tokens/authorization.ts';
import type { RefreshTokenReading } from '#src/tokens/refresh-token.ts';
import { signAccessToken } from '#src/tokens/signed-access-token.ts';
import { keyStands, type StandingSources } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

export interface RefreshDependencies extends IdTokenDependencies, RefreshTokenSigning {
  readonly registered: RegisteredClients;
  readonly random: Random;
  readonly authorizations: Authorizations;
  readonly resources: ResourceRegistry;
  readonly standing: StandingSources;
  readonly reader: TokenReader;
  readonly lifetimes: AccessTokenLifetimes & RefreshTokenSigning['lifetimes'] & { readonly idToken: Seconds };
  readonly keys: IdTokenDependencies['keys'] & { assertSigning(): Promise<void> };
  /** The algorithm for tokens that are meant for this server itself. */
  readonly ownAlgorithm: SigningAlgorithm;
  findAccount(subject: string): Promise<Account | null>;
}

/** What the tokens of a family say, of what is looked at here. */
interface FamilySays {
  readonly scope?: string;
  readonly resource?: string | readonly string[];
  readonly claims?: object;
  readonly authTime?: EpochSeconds;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly nonce?: string;
  readonly sid?: string;
  readonly [bound: string]: unknown;
}

/** What makes a refresh more than a rotation: keys that tokens are bound to, and details that were asked for. */
const FURTHER = ['jkt', 'x5t#S256', 'attestationJkt', 'rar'] as const;

/** True for a client that is registered for refreshing, and of whom nothing more is asked than the token. */
export function mayRefresh(client: LibraryClient, deps: Pick<RefreshDependencies, 'registered'>): boolean {
  return client.grantTypeAllowed('refresh_token') && !isBound(client, deps);
}

/**
 * The answer to a client that `mayRefresh` and uses the current token of a family: RFC 6749 section 6. `null` where the library is to
 * answer, also to whoever comes second: nothing has been used up then, and the library finds out what it means.
 * @throws StorageFault, SigningFault
 */
export async function refreshedTokens(
  { authorizationId, generation, issuedAt }: RefreshTokenReading,
  kid: string,
  client: LibraryClient,
  deps: RefreshDependencies,
): Promise<object | null> {
  const [stands, presented, clientStands] = await Promise.all([
    keyStands(deps.standing, kid),
    deps.authorizations.present(authorizationId, generation),
    deps.standing.clientStands(client.clientId, issuedAt),
  ]);
  if (!stands || !clientStands || presented.outcome !== 'current') return null;
  const { authorization, family } = presented;
  const says: FamilySays = family.says;
  if (authorization.clientId !== client.clientId || goesFurther(says)) return null;
  const account = await deps.findAccount(authorization.subject);
  if (!standsSince(account, authorization.signedInAt)) return null;
  const granted = await grantedTo(client, { authorization, says }, deps);
  if (granted === null || (granted.openid.length > 0 && !takesSignedIdTokens(client, deps))) return null;
  await deps.keys.assertSigning();
  const used = await deps.authorizations.use(authorizationId, generation, presented);
  if (used.outcome !== 'current') return null;
  const refreshToken = await refreshTokenOf(authorizationId, used.family, deps);
  const signIn = { authorizationId, account, says };
  const { scope } = granted;
  const access = await accessToken(client, granted, signIn, deps);
  return {
    ...access,
    ...(granted.openid.length > 0 && {
      id_token: await idTokenFor(client, account, { ...says, authorizationId, scope: granted.openid }, deps),
    }),
    refresh_token: refreshToken,
    ...(scope !== '' && { scope }),
    token_type: 'Bearer',
  };
}

function isBound(client: LibraryClient, { registered }: Pick<RefreshDependencies, 'registered'>): boolean {
  const bound = client.tlsClientCertificateBoundAccessTokens || client.dpopBoundAccessTokens;
  // Its refresh tokens are not rotated.
  return bound === true || registered.profilesOf(client).has('fapi-2.0-security');
}

function goesFurther(says: FamilySays): boolean {
  return FURTHER.some((name) => says[name] !== undefined) || Object.keys(says.claims ?? {}).length > 0;
}

/** What a token is for that is given without being asked for anything narrower. */
interface Granted {
  /** `null`: for this server itself. */
  readonly resourceServer: ResourceServer | null;
  readonly scope: string;
  /** The scopes of OpenID Connect, if the person signed in with it. */
  readonly openid: readonly string[];
}

/** RFC 8707 section 2.2. `null` where several resource servers are granted, or tokens are not simply signed. */
async function grantedTo(
  client: LibraryClient,
  { authorization, says }: { authorization: Authorization; says: FamilySays },
  { clock, registered, resources }: RefreshDependencies,
): Promise<Granted | null> {
  const grant = grantedIn(authorization, client.clientId, clock.now());
  if (grant === null) return null;
  const scopes = new Set(says.scope?.split(' '));
  const allowed = (scope = '') => scope.split(' ').filter((each) => scopes.has(each));
  const openidScope = allowed(grant.openid?.scope).join(' ');
  const signedIn = scopes.has('openid');
  const openid = signedIn ? openidScope.split(' ') : [];
  const [identifier, ...more] = [says.resource ?? []].flat();
  if (more.length > 0) return null;
  if (identifier === undefined) return { resourceServer: null, scope: openidScope, openid };
  const resourceServer = await resources.findByIndicator(identifier);
  const application = registered.application(client);
  if (resourceServer === null || application === null) return null;
  if (resourceServer.tokenFormat !== 'jwt' || resourceServer.statusList) return null;
  const own = allowed(grant.resources?.[identifier]).filter(
    (each) => resourceServer.scope.includes(each) && application.scope.includes(each),
  );
  const isSignIn = signedIn && openid.includes('openid');
  return {
    resourceServer,
    scope: formatScope([...(isSignIn ? openid : []), ...own]),
    openid,
  };
}

async function accessToken(
  client: LibraryClient,
  { resourceServer, scope, openid }: Granted,
  { authorizationId, account, says }: { authorizationId: string; account: Account; says: FamilySays },
  deps: RefreshDependencies,
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
