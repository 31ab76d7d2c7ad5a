import {
  type AccessToken,
  type ClientCredentials,
  errors,
  type KoaContextWithOIDC,
  type Provider,
  type ResourceServer,
} from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import { canaryAskedAbout } from '#src/oidc/canaries.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import { groundOf, type OpaqueToken } from '#src/oidc/opaque-tokens.ts';
import { narrowed } from '#src/oidc/resource-policy.ts';
import { type StatusClaimPorts, statusClaim } from '#src/oidc/status-claim.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { jwtIn } from '#src/oidc/token-value.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { rememberConcerns } from '#src/revocations/concern.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Signer } from '#src/signing/jws.ts';
import { type AccessTokenClaims, type TokenAccountClaims, toldBesides } from '#src/tokens/access-token.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { signAccessToken } from '#src/tokens/signed-access-token.ts';
import {
  opaqueTokenName,
  revokeAccessToken,
  type StandingSources,
  standingOf,
  standingOfGround,
} from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds, seconds } from '#src/units.ts';

export interface AccessTokenDependencies extends StatusClaimPorts {
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly records: Records;
  readonly authorizations: Authorizations;
  readonly reader: TokenReader;
  readonly standing: StandingSources;
  readonly lifetimes: { readonly accessTokenMax: Seconds };
  readonly pairwise: PairwiseSubjects;
  /** The algorithm for tokens that are meant for this server itself. */
  readonly ownAlgorithm: SigningAlgorithm;
  signer(alg: SigningAlgorithm): Signer;
  /** What a resource server asked to be told of an account. */
  accountClaims(resourceServer: ResourceServer, accountId: string): Promise<Partial<TokenAccountClaims>>;
}

type AnyAccessToken = (AccessToken | ClientCredentials) & LibraryModel & { extra?: ExtraClaims };

/** What a token says beside what every one of its kind says; kept with an opaque one, and told at introspection. */
type ExtraClaims = Partial<AccessTokenClaims>;

/**
 * Teaches the library's access tokens, of people and of clients alike, to be RFC 9068 JWTs that are issued without a
 * write, found by what they say and how they stand, and ended by their `jti`. Opaque ones stay the library's.
 */
export function teachAccessTokens(provider: Provider, deps: AccessTokenDependencies): void {
  const AccessTokens = teachable<AccessToken>(provider.AccessToken);
  const ClientTokens = teachable<ClientCredentials>(provider.ClientCredentials);
  const jwts = new WeakSet<object>();
  for (const model of [AccessTokens, ClientTokens]) {
    const library = { save: model.prototype.save, destroy: model.prototype.destroy };
    model.prototype.save = async function save(this: AnyAccessToken) {
      await openWithoutCode(this, deps);
      await tellOfAccount(this, deps);
      if (this.resourceServer?.accessTokenFormat !== 'opaque') return issue(this, deps);
      const { audience, scope } = audienceAndScope(this, currentRequest(), deps.issuer);
      Object.assign(this, { aud: audience, scope: scope === '' ? undefined : scope });
      if ('accountId' in this) this.extra = { ...this.extra, ...authenticationOf(currentRequest()) };
      return library.save.call(this);
    };
    model.prototype.destroy = async function destroy(this: AnyAccessToken) {
      const token = { aud: this.aud ?? deps.issuer, exp: epochSeconds(this.exp as number) };
      if (jwts.has(this)) return revokeAccessToken(deps.records, { ...token, jti: this.jti });
      // What it was exchanged for falls with it.
      await revokeAccessToken(deps.records, { ...token, jti: opaqueTokenName(this.jti) });
      await library.destroy.call(this);
    };
  }

  const findOpaque = AccessTokens.find.bind(AccessTokens);
  AccessTokens.find = async (value, options) => {
    const jwt = typeof value === 'string' ? jwtIn(value, currentRequest().oidc.route) : null;
    if (jwt === null)
      return asLibraryExpects(await ifStanding(await findOpaque(value, options), deps), deps.issuer);
    const found = await findStanding(jwt, 'access-of-person', deps);
    if (found === null || found.authorization === null) return undefined;
    const { claims, authorization } = found;
    const token = new AccessTokens({
      ...commonProperties(claims, deps),
      accountId: authorization.subject,
      grantId: ownGrant(claims.grant_id, claims),
      sid: claims.sid,
      claims: authorization.claims ?? authorization.family?.says.claims,
    });
    jwts.add(token);
    return token;
  };

  const findOpaqueClientToken = ClientTokens.find.bind(ClientTokens);
  ClientTokens.find = async (value, options) => {
    const jwt = typeof value === 'string' ? jwtIn(value, currentRequest().oidc.route) : null;
    if (jwt === null) return withSubject(await ifStanding(await findOpaqueClientToken(value, options), deps));
    const canary = await canaryAskedAbout(jwt, deps);
    if (canary !== null) return new ClientTokens(canary);
    const found = await findStanding(jwt, 'access-of-client', deps);
    if (found === null) return undefined;
    const { claims } = found;
    const extra = { sub: claims.sub, ...toldBesides(claims) };
    const token = new ClientTokens({ ...commonProperties(claims, deps), extra });
    jwts.add(token);
    return token;
  };

  // Revoking an access token ends that token alone; only a refresh token takes its authorization along.
  AccessTokens.revokeByGrantId = async (grantId) => {
    const { oidc } = currentRequest();
    if (oidc.route === 'revocation' && oidc.entities.AccessToken !== undefined) return;
    await deps.authorizations.end(grantId);
  };
}

/** What the resource server asked to be told of the person, as it is now; so a refresh tells of what has changed. */
async function tellOfAccount(
  token: AnyAccessToken,
  { accountClaims }: AccessTokenDependencies,
): Promise<void> {
  if (!('accountId' in token) || token.resourceServer === undefined) return;
  const claims = await accountClaims(token.resourceServer, token.accountId);
  if (Object.keys(claims).length > 0) token.extra = { ...token.extra, ...claims };
}

/** A token that is answered without a code opens the authorization that a code would have opened. */
async function openWithoutCode(token: AnyAccessToken, deps: AccessTokenDependencies): Promise<void> {
  const { oidc } = currentRequest();
  const { response_type: responseType } = oidc.params ?? {};
  if (!isAuthorizing(oidc.route) || !('accountId' in token) || String(responseType).includes('code')) return;
  const { claims, requestParamScopes: scopes } = oidc;
  const resourceIndicators = new Set(Object.keys(oidc.resourceServers ?? {}));
  const authorization = await openingAuthorization(oidc, { claims, scopes, resourceIndicators });
  const opened = await deps.authorizations.open(token.grantId as string, authorization);
  if (!opened) throw new errors.AccessDenied('the session has ended');
}

/** True at the authorization endpoint, where nothing is presented and the session says who is there. */
const isAuthorizing = (route: string) => route === 'authorization' || route === 'resume';

async function issue(token: AnyAccessToken, deps: AccessTokenDependencies): Promise<string> {
  const now = deps.clock.now();
  token.jti = newIdentifier(deps.random);
  token.iat = now;
  token.exp ??= after(now, seconds(token.expiration));
  const claims = claimsOf(token, currentRequest(), deps);
  // The token response says the scope of the token that it carries: RFC 6749 section 5.1.
  token.scope = claims.scope;
  const signer = deps.signer(
    token.resourceServer === undefined ? deps.ownAlgorithm : signingAlgorithm(token),
  );
  if (claims.rests_on !== undefined && token.resourceServer !== undefined)
    await rememberConcerns(
      deps.records,
      { identifier: token.resourceServer.identifier(), account: accountOf(token), claims },
      after(now, deps.lifetimes.accessTokenMax),
    );
  const status = await statusClaim(token, claims, signer, deps);
  const value = await signAccessToken({ ...claims, ...status }, { signer, reader: deps.reader });
  token.emit('issued');
  return value;
}

const accountOf = (token: AnyAccessToken) => ('accountId' in token ? token.accountId : null);

function signingAlgorithm(token: AnyAccessToken): SigningAlgorithm {
  const sign = token.resourceServer?.jwt?.sign;
  if (!sign || sign.alg === undefined) throw new Error('a resource server names the algorithm of its tokens');
  return sign.alg as SigningAlgorithm;
}

/** What the client that holds the token knows its subject as. A client that acts for itself is its own subject. */
function subjectOf(token: AnyAccessToken, { pairwise }: AccessTokenDependencies): string {
  const clientId = token.clientId as string;
  if (!('accountId' in token)) return token.extra?.sub ?? clientId;
  if (token.client === undefined) throw new Error('a token is issued to a client');
  return subjectFor(token.client, token.accountId, pairwise);
}

function claimsOf(
  token: AnyAccessToken,
  ctx: KoaContextWithOIDC,
  deps: AccessTokenDependencies,
): AccessTokenClaims {
  const person = 'accountId' in token ? token : null;
  const { audience, scope } = audienceAndScope(token, ctx, deps.issuer);
  return {
    ...token.extra,
    iss: deps.issuer,
    sub: subjectOf(token, deps),
    aud: audience,
    client_id: token.clientId as string,
    iat: token.iat as EpochSeconds,
    exp: token.exp as EpochSeconds,
    jti: token.jti,
    ...(scope === '' ? undefined : { scope }),
    ...(person === null ? undefined : { grant_id: person.grantId }),
    ...(person?.sid === undefined ? undefined : { sid: person.sid }),
    ...(person === null ? undefined : authenticationOf(ctx)),
    ...confirmation(token),
    ...(token.rar === undefined ? undefined : { authorization_details: token.rar }),
  };
}

/** How and when the person signed in: RFC 9068 section 2.2.1, and in introspection RFC 9470 section 6.2. */
function authenticationOf(ctx: KoaContextWithOIDC): AuthenticationClaims {
  const { authTime, acr, amr } = sourceOf(ctx) ?? sessionIn(ctx);
  return {
    ...(authTime === undefined ? undefined : { auth_time: epochSeconds(authTime) }),
    ...(acr === undefined ? undefined : { acr }),
    ...(amr === undefined ? undefined : { amr }),
  };
}

function sessionIn({ oidc }: KoaContextWithOIDC) {
  if (!isAuthorizing(oidc.route)) return {};
  const { session, acr, amr } = oidc;
  return { authTime: session?.authTime(), acr, amr };
}

type AuthenticationClaims = Pick<AccessTokenClaims, 'auth_time' | 'acr' | 'amr'>;

/**
 * A token request that names a resource gets a token for that resource only (RFC 8707 section 2.2). One that names
 * none gets a token for all that it was granted: its resource server, and userinfo as well if the person signed in
 * with OpenID Connect.
 */
function audienceAndScope(
  token: AnyAccessToken,
  ctx: KoaContextWithOIDC,
  issuer: string,
): { audience: string | readonly string[]; scope: string } {
  const scope = token.scope ?? '';
  if (typeof token.aud !== 'string') return { audience: issuer, scope };
  const { grant, params } = ctx.oidc;
  const requested = sourceOf(ctx)?.scopes;
  const namesResource = params?.resource !== undefined;
  if (namesResource || grant === undefined || !requested?.has('openid'))
    return { audience: token.aud, scope };
  const openid = grant.getOIDCScopeFiltered(narrowed(requested, params?.scope));
  if (!openid.split(' ').includes('openid')) return { audience: token.aud, scope };
  return { audience: [token.aud, issuer], scope: [openid, scope].filter((part) => part !== '').join(' ') };
}

/** What a token request presents to get its tokens. */
function sourceOf({ oidc: { entities } }: KoaContextWithOIDC) {
  return (
    entities.RefreshToken ??
    entities.AuthorizationCode ??
    entities.DeviceCode ??
    entities.BackchannelAuthenticationRequest
  );
}

function confirmation(token: AnyAccessToken): Pick<AccessTokenClaims, 'cnf'> {
  if (token.jkt !== undefined) return { cnf: { jkt: token.jkt } };
  const thumbprint = token['x5t#S256'];
  return thumbprint === undefined ? {} : { cnf: { 'x5t#S256': thumbprint } };
}

async function findStanding(
  jwt: string,
  kind: 'access-of-person' | 'access-of-client',
  { reader, standing }: AccessTokenDependencies,
) {
  // The library looks for a token among both kinds; only the right one is worth a signature check.
  if (reader.claimedKind(jwt) !== kind) return null;
  const read = reader.read(jwt);
  if (read.kind !== 'access') return null;
  const state = await standingOf(standing, read.kid, read.claims);
  return state.stands ? { claims: read.claims, authorization: state.authorization } : null;
}

/** An opaque token is in the store as long as it is not revoked; what it rests on is looked at as for a JWT. */
async function ifStanding<T extends AccessToken | ClientCredentials>(
  token: T | undefined,
  { standing }: AccessTokenDependencies,
): Promise<T | undefined> {
  if (token === undefined) return undefined;
  const state = await standingOfGround(standing, groundOf(token as object as OpaqueToken));
  return state.stands ? token : undefined;
}

function commonProperties(
  claims: AccessTokenClaims,
  { reader }: AccessTokenDependencies,
): Record<string, unknown> {
  const { route } = currentRequest().oidc;
  return {
    clientId: claims.client_id,
    // The library takes a token without audience to be good for userinfo.
    aud: route === 'userinfo' && reader.isForIssuer(claims) ? undefined : claims.aud,
    scope: claims.scope,
    jti: claims.jti,
    iat: claims.iat,
    exp: claims.exp,
    jkt: claims.cnf?.jkt,
    'x5t#S256': claims.cnf?.['x5t#S256'],
    rar: claims.authorization_details,
    extra: toldBesides(claims),
  };
}

/** An opaque token, but for what the library would read otherwise than it is meant. */
function asLibraryExpects(token: (AccessToken & LibraryModel) | undefined, issuer: string) {
  if (token === undefined) return undefined;
  const { extra } = token as AnyAccessToken;
  if (currentRequest().oidc.route === 'userinfo' && [token.aud].flat().includes(issuer))
    // The library takes a token without audience to be good for userinfo, and no other.
    Object.assign(token, { aud: undefined });
  return Object.assign(token, { grantId: ownGrant(token.grantId, extra) });
}

/**
 * At introspection the library takes an authorization for that of the client which holds the token. One that was
 * exchanged may rest on another client's, which has been looked at by then.
 */
function ownGrant(authorizationId: string | undefined, says: ExtraClaims = {}): string | undefined {
  const exchanged = says.rests_on?.client_id !== undefined;
  return exchanged && currentRequest().oidc.route === 'introspection' ? undefined : authorizationId;
}

/** A client that acts for itself is its own subject: RFC 9068 section 2.2. One that acts for another says for whom. */
function withSubject(token: (ClientCredentials & LibraryModel) | undefined) {
  if (token !== undefined)
    Object.assign(token, { extra: { sub: token.clientId, ...(token as AnyAccessToken).extra } });
  return token;
}
