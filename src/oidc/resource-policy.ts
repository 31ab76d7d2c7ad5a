import {
  errors,
  type KoaContextWithOIDC,
  type Client as LibraryClient,
  type ResourceServer as LibraryResourceServer,
} from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import { formatScope, isOpenIdScope } from '#src/clients/scope.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { Seconds } from '#src/units.ts';

/** Which resource server a request is about, and which scopes a client may ask it for: RFC 8707, RFC 6749 section 3.3. */
export class ResourcePolicy {
  readonly #resources: ResourceRegistry;
  readonly #registered: RegisteredClients;
  readonly #lifetimes: { accessToken: Seconds; accessTokenMax: Seconds };

  constructor(options: {
    resources: ResourceRegistry;
    registered: RegisteredClients;
    lifetimes: { accessToken: Seconds; accessTokenMax: Seconds };
  }) {
    this.#resources = options.resources;
    this.#registered = options.registered;
    this.#lifetimes = options.lifetimes;
  }

  /** The library's `getResourceServerInfo`: what this client may have of that resource server. */
  async describe(
    ctx: KoaContextWithOIDC,
    identifier: string,
    libraryClient: LibraryClient,
  ): Promise<LibraryResourceServer> {
    const client = this.#application(libraryClient);
    useDefaultScope(ctx, client);
    assertScopeAllowed(ctx, client);
    const resourceServer = await this.#resources.findByIndicator(identifier);
    if (resourceServer === null) throw new errors.InvalidTarget();
    const { accessToken, accessTokenMax } = this.#lifetimes;
    return {
      scope: formatScope(resourceServer.scope.filter((scope) => client.scope.includes(scope))),
      audience: resourceServer.audience,
      accessTokenFormat: resourceServer.tokenFormat,
      accessTokenTTL: Math.min(resourceServer.accessTokenLifetime ?? accessToken, accessTokenMax),
      jwt: { sign: { alg: resourceServer.signingAlgorithm as 'ES256' } },
    };
  }

  /**
   * The library's `defaultResource`. Where the code or refresh token was granted for several, the client has to name
   * one. Where an authorization request names none, its scopes do: the one resource server that has them all. If there
   * is none, saying so beats a token that quietly lacks what was asked for.
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
    if (scopes.length === 0) return undefined;
    const candidates = await this.#thatHave(scopes);
    if (candidates.length !== 1) {
      const many = candidates.length === 0 ? 'no single resource server has' : 'several resource servers have';
      throw new errors.InvalidTarget(`${many} the scope ${scopes.join(' ')}; name one in "resource"`);
    }
    return candidates[0]?.identifier;
  }

  /** Refuses a refresh whose `resource` the library would refuse once the refresh token is used up. */
  async assertObtainable(ctx: KoaContextWithOIDC, granted: ReadonlySet<string | undefined>): Promise<void> {
    const { client, params } = ctx.oidc;
    const requested = params?.['resource'];
    if (requested === undefined || client === undefined) {
      if (granted.size > 1)
        throw new errors.InvalidTarget('only a single resource indicator value must be requested');
      return;
    }
    if (typeof requested !== 'string' || !granted.has(requested)) throw new errors.InvalidTarget();
    await this.describe(ctx, requested, client);
  }

  async #thatHave(scopes: readonly string[]): Promise<readonly ResourceServer[]> {
    const found: ResourceServer[] = [];
    for await (const resourceServer of this.#resources.list()) {
      if (scopes.every((scope) => resourceServer.scope.includes(scope))) found.push(resourceServer);
    }
    return found;
  }

  #application(client: LibraryClient): Client {
    const application = this.#registered.application(client);
    if (application === null) throw new errors.UnauthorizedClient('a resource server asks for no tokens');
    return application;
  }
}

function requestedScopes(ctx: KoaContextWithOIDC): readonly string[] {
  return [...ctx.oidc.requestParamScopes].filter((scope) => scope !== '');
}

/** A request that names no scope asks for the client's default: RFC 6749 section 3.3. */
function useDefaultScope(ctx: KoaContextWithOIDC, client: Client): void {
  const { params, route } = ctx.oidc;
  if (params === undefined || params['scope'] !== undefined || isExchange(ctx)) return;
  // Offline access is only ever given to a request that asks for it: OpenID Connect Core section 11.
  const person = route !== 'token';
  const scopes = client.defaultScope.filter(
    (scope) => scope !== 'offline_access' && (person || !isOpenIdScope(scope)),
  );
  if (scopes.length > 0) params['scope'] = formatScope(scopes);
}

/** @throws errors.InvalidScope for the first scope that the client is not registered for. */
function assertScopeAllowed(ctx: KoaContextWithOIDC, client: Client): void {
  if (isExchange(ctx)) return;
  const refused = requestedScopes(ctx).find((scope) => !client.scope.includes(scope));
  if (refused !== undefined) throw new errors.InvalidScope('requested scope is not allowed', refused);
}

/** True where a code or a refresh token, and not the request, says which scopes it is about. */
function isExchange(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.route === 'token' && ctx.oidc.params?.['grant_type'] !== 'client_credentials';
}
