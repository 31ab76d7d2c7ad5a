import type { Client } from '#src/clients/client.ts';
import { isOpenIdScope } from '#src/clients/scope.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';

/**
 * What a request that names no scope asks for: RFC 6749 section 3.3. Where it names resource servers, as much of the
 * client's default as is theirs. What OpenID Connect means for people is nothing to a client that acts for itself, and
 * offline access is only ever given to a request that asks for it: OpenID Connect Core section 11.
 */
export function defaultScopeOf(
  { defaultScope }: Client,
  {
    forPerson,
    named,
  }: { readonly forPerson: boolean; readonly named?: readonly ResourceServer[] | undefined },
): readonly string[] {
  return defaultScope.filter((scope) => {
    if (isOpenIdScope(scope)) return forPerson && scope !== 'offline_access';
    return named === undefined || isOffered(scope, named);
  });
}

/** True if at least one of them has the scope. */
export function isOffered(scope: string, resourceServers: readonly ResourceServer[]): boolean {
  return resourceServers.some((each) => each.scope.includes(scope));
}

/**
 * A token without any scope is still addressed to its audience, and some APIs ask for no more. So a client that acts for
 * itself must be registered for at least one of their scopes. Whoever defines no scope has no such protection.
 */
export function mayAddress(client: Client, { scope }: ResourceServer): boolean {
  return scope.length === 0 || scope.some((each) => client.scope.includes(each));
}

/** Those that have all of the scopes. */
export function havingAll(
  resourceServers: readonly ResourceServer[],
  scopes: readonly string[],
): readonly ResourceServer[] {
  return resourceServers.filter(({ scope }) => scopes.every((each) => scope.includes(each)));
}
