import {
  errors,
  type KoaContextWithOIDC,
  type Client as LibraryClient,
  type ResourceServer as LibraryResourceServer,
} from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import { formatScope, isOpenIdScope, OPENID_SCOPES } from '#src/clients/scope.ts';
import { defaultScopeOf, havingAll, isOffered, mayAddress } from '#src/oidc/asked-scope.ts';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { assertOpenId, isOwnResource } from '#src/oidc/own-resource.ts';
import type { RichAuthorizationRequests } from '#src/oidc/rich-authorization-requests.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { isNamedIn, type ResourceServer } from '#src/resources/resource-server.ts';
import { type Seconds, seconds } from '#src/units.ts';

export interface AccessTokenLifetimes {
  readonly accessToken: Seconds;
  readonly accessTokenMax: Seconds;
}

/** How long tokens for a resource server live: as long as it says, within what the server allows. */
export function accessTokenLifetime(
  { accessTokenLifetime: own }: ResourceServer,
  { accessToken, accessTokenMax }: AccessTokenLifetimes,
): Seconds {
  return seconds(Math.min(own ?? accessToken, accessTokenMax));
}

/** Which resource server a request is about, and which scopes a client may ask it for: RFC 8707, RFC 6749 section 3.3. */
export class ResourcePolicy {
  readonly #resources: ResourceRegistry;
  readonly #registered: RegisteredClients;
  /** By the one member that the library leaves as it is. */
  readonly #described = new WeakMap<object, ResourceServer>();
  readonly #details: RichAuthorizationRequests;
  readonly #issuer: string;
  readonly #lifetimes: AccessTokenLifetimes;

  constructor(options: {
    issuer: string;
    resources: ResourceRegistry;
    registered: RegisteredClients;
    details: RichAuthorizationRequests;
    lifetimes: AccessTokenLifetimes;
  }) {
    this.#issuer = options.issuer;
    this.#resources = options.resources;
    this.#registered = options.registered;
    this.#details = options.details;
    this.#lifetimes = options.lifetimes;
  }

  /** The library's `getResourceServerInfo`: what this client may have of that resource server. */
  async describe(
    ctx: KoaContextWithOIDC,
    identifier: string,
    libraryClient: LibraryClient,
  ): Promise<LibraryResourceServer> {
    const client = this.#application(libraryClient);
    if (ctx.oidc.route !== 'token' && isOwnResource(this.#issuer, identifier))
      return this.#userinfo(ctx, client);
    const resourceServer = await this.#resources.findByIndicator(identifier);
    if (resourceServer === null) throw new errors.InvalidTarget();
    if (ctx.oidc.route === 'token' && !isExchange(ctx)) assertConcerned(ctx, client, resourceServer);
    if (!isExchange(ctx)) await this.#settleScope(ctx, client);
    const jwt = { sign: { alg: resourceServer.signingAlgorithm as 'ES256' } };
    this.#described.set(jwt, resourceServer);
    return {
      scope: formatScope(resourceServer.scope.filter((scope) => client.scope.includes(scope))),
      audience: resourceServer.audience,
      accessTokenFormat: resourceServer.tokenFormat,
      accessTokenTTL: accessTokenLifetime(resourceServer, this.#lifetimes),
      jwt,
    };
  }

  /** Userinfo, named in an authorization request. It is taken out before the library does anything with it. */
  async #userinfo(ctx: KoaContextWithOIDC, client: Client): Promise<LibraryResourceServer> {
    await this.#settleScope(ctx, client);
    assertOpenId(new Set(requestedScopes(ctx)));
    return { scope: formatScope(OPENID_SCOPES), audience: this.#issuer };
  }

  /** What the registry knows of a resource server as it was described to the library. */
  of({ jwt }: LibraryResourceServer): ResourceServer {
    const resourceServer = jwt === undefined ? undefined : this.#described.get(jwt);
    if (resourceServer === undefined) throw new Error('this resource server was not described here');
    return resourceServer;
  }

  /**
   * The library's `defaultResource`. Where the code or refresh token was granted for several, the client has to name
   * one. Where a request names none, its scopes do: the one resource server that has them all. If there is none, saying
   * so beats a token that quietly lacks what was asked for.
   */
  async choose(
    ctx: KoaContextWithOIDC,
    libraryClient: LibraryClient,
    granted?: readonly string[],
  ): Promise<string | string[] | undefined> {
    if (granted !== undefined) return granted.length === 1 ? granted[0] : [...granted];
    const client = this.#application(libraryClient);
    useDefaultScope(ctx, client);
    assertScopeAllowed(ctx, client);
    const scopes = requestedScopes(ctx).filter((scope) => !isOpenIdScope(scope));
    const ofDetails = this.#details.resourcesOf(ctx);
    if (scopes.length === 0) return oneOrMany(ofDetails);
    const all = await Array.fromAsync(this.#resources.list());
    assertScopeOffered(ctx, all);
    const candidates = havingAll(all, scopes);
    const withDetails = candidates.filter(({ identifier }) => isNamedIn(ofDetails, identifier));
    const [only, ...more] = withDetails.length === 1 ? withDetails : candidates;
    if (only !== undefined && more.length === 0) {
      const others = ofDetails.filter((each) => !isNamedIn([only.identifier], each));
      return oneOrMany([only.identifier, ...others]);
    }
    const whoHas = candidates.length > 1 ? 'several resource servers have' : 'no single resource server has';
    throw new errors.InvalidTarget(`${whoHas} the scope ${scopes.join(' ')}; name those meant in 'resource'`);
  }

  /** Refuses a `resource` that the library would refuse once the code or refresh token is used up. */
  async assertObtainable(
    ctx: KoaContextWithOIDC,
    { resourceIndicators: granted, scopes }: Parameters<AssertAnswerable>[1],
  ): Promise<void> {
    const { client, params } = ctx.oidc;
    if (ctx.state.forUserinfo === true) return assertOpenId(narrowed(scopes, params?.scope));
    settleByDetails(ctx, granted);
    const requested = params?.resource;
    if (requested === undefined || client === undefined) {
      if (granted.size > 1)
        throw new errors.InvalidTarget('only a single resource indicator value must be requested');
      return;
    }
    if (typeof requested !== 'string' || !granted.has(requested)) throw new errors.InvalidTarget();
    await this.describe(ctx, requested, client);
  }

  /** What is asked of the resource servers that a request names must be theirs, each scope of one of them at least. */
  async #settleScope(ctx: KoaContextWithOIDC, client: Client): Promise<void> {
    const identifiers = new Set([ctx.oidc.params?.resource ?? []].flat() as string[]);
    const named = await Promise.all([...identifiers].map((each) => this.#resources.findByIndicator(each)));
    const resourceServers = named.filter((each) => each !== null);
    useDefaultScope(ctx, client, resourceServers);
    assertScopeAllowed(ctx, client);
    assertScopeOffered(ctx, resourceServers);
  }

  #application(client: LibraryClient): Client {
    const application = this.#registered.application(client);
    if (application === null) throw new errors.UnauthorizedClient('a resource server asks for no tokens');
    return application;
  }
}

/**
 * The library's `useGrantedResource`: a token request that names no resource is for what was granted, unless it named
 * userinfo, of which the library is not told. @throws errors.InvalidTarget
 */
export function usesGrantedResource(
  ctx: KoaContextWithOIDC,
  { scopes }: { readonly scopes: ReadonlySet<string> },
): boolean {
  if (ctx.state.forUserinfo !== true) return true;
  assertOpenId(narrowed(scopes, ctx.oidc.params?.scope));
  return false;
}

/** The scopes that were granted as far as a token request asks for them: RFC 6749 section 6. */
export function narrowed(granted: ReadonlySet<string>, requested: unknown): Set<string> {
  return typeof requested === 'string'
    ? new Set(requested.split(' ').filter((scope) => granted.has(scope)))
    : new Set(granted);
}

/**
 * Where a token request names details and no resource, `choose` has named all that their types are for, not knowing yet
 * what was granted. Those that were are meant.
 */
function settleByDetails({ oidc }: KoaContextWithOIDC, granted: ReadonlySet<string | undefined>): void {
  const { params, body } = oidc;
  if (params === undefined || !Array.isArray(params.resource) || body?.resource !== undefined) return;
  const meant = params.resource.filter((each) => granted.has(each));
  params.resource = meant.length === 1 ? meant[0] : meant;
}

function requestedScopes(ctx: KoaContextWithOIDC): readonly string[] {
  return [...ctx.oidc.requestParamScopes].filter((scope) => scope !== '');
}

/** A request that names no scope asks for the client's default. */
function useDefaultScope(ctx: KoaContextWithOIDC, client: Client, named?: readonly ResourceServer[]): void {
  const { params, route } = ctx.oidc;
  if (params === undefined || params.scope !== undefined || isExchange(ctx)) return;
  // Whoever says in detail what it asks for asks for nothing else.
  if (params.authorization_details !== undefined) return;
  const scopes = defaultScopeOf(client, { forPerson: route !== 'token', named });
  if (scopes.length > 0) params.scope = formatScope(scopes);
}

/** A person is asked about each resource server, a client that acts for itself is not. @throws errors.InvalidTarget */
function assertConcerned({ oidc }: KoaContextWithOIDC, client: Client, resourceServer: ResourceServer): void {
  const { grant_type: grantType, authorization_details: details } = oidc.params ?? {};
  // Whether the client may have those for itself, and there, has been looked at.
  if (grantType === 'client_credentials' && details !== undefined) return;
  if (!mayAddress(client, resourceServer))
    throw new errors.InvalidTarget('the client is registered for no scope of this resource server');
}

/** @throws errors.InvalidScope for the first scope that the client is not registered for. */
function assertScopeAllowed(ctx: KoaContextWithOIDC, client: Client): void {
  if (isExchange(ctx)) return;
  const refused = requestedScopes(ctx).find((scope) => !client.scope.includes(scope));
  if (refused !== undefined) throw new errors.InvalidScope('requested scope is not allowed', refused);
}

/** @throws errors.InvalidScope for the first scope that none of them has. */
function assertScopeOffered(ctx: KoaContextWithOIDC, resourceServers: readonly ResourceServer[]): void {
  const refused = requestedScopes(ctx).find(
    (scope) => !isOpenIdScope(scope) && !isOffered(scope, resourceServers),
  );
  if (refused !== undefined)
    throw new errors.InvalidScope('no resource server in question has this scope', refused);
}

/** The grants of which the token request itself says which scopes it is about. */
const ASKING_GRANTS: ReadonlySet<unknown> = new Set(['client_credentials', JWT_BEARER_GRANT]);

/** True where a code or another token, and not the request, says which scopes it is about. */
function isExchange(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.route === 'token' && !ASKING_GRANTS.has(ctx.oidc.params?.grant_type);
}

function oneOrMany(identifiers: readonly string[]): string | string[] | undefined {
  return identifiers.length > 1 ? [...identifiers] : identifiers[0];
}
