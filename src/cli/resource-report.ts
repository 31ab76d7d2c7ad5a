import { formatScope } from '#src/clients/scope.ts';
import { formatDuration } from '#src/config/duration.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';

/** What is registered of a resource server. */
export function documentOf(resourceServer: ResourceServer): object {
  return {
    identifier: resourceServer.identifier,
    name: resourceServer.name,
    audience: resourceServer.audience,
    scope: formatScope(resourceServer.scope),
    scope_meanings: resourceServer.scopeMeanings,
    token_format: resourceServer.tokenFormat,
    signing_algorithm: resourceServer.signingAlgorithm,
    access_token_lifetime: resourceServer.accessTokenLifetime,
    claims: resourceServer.claims,
    status_list: resourceServer.statusList,
    ...resourceServer.introspection,
    ...(resourceServer.jwksUri === null ? undefined : { jwks_uri: resourceServer.jwksUri }),
    ...(resourceServer.jwks === null ? undefined : { jwks: resourceServer.jwks }),
    canary_url: resourceServer.canaryUrl ?? null,
    open_to_registration: resourceServer.openToRegistration,
    client_id: resourceServer.clientId,
    live_secrets: resourceServer.secrets.map(({ id, createdAt }) => ({ id, created_at: createdAt })),
    created_at: resourceServer.createdAt,
    updated_at: resourceServer.updatedAt,
  };
}

/** The same for people. */
export function factsOf(resourceServer: ResourceServer) {
  const { accessTokenLifetime } = resourceServer;
  return {
    identifier: resourceServer.identifier,
    name: resourceServer.name,
    audience: resourceServer.audience,
    scope: formatScope(resourceServer.scope),
    token_format: resourceServer.tokenFormat,
    signing_algorithm: resourceServer.signingAlgorithm,
    access_token_lifetime:
      accessTokenLifetime === null ? 'as in the settings' : formatDuration(accessTokenLifetime),
    claims: resourceServer.claims.length === 0 ? undefined : resourceServer.claims.join(' '),
    status_list: resourceServer.statusList ? 'in its tokens' : undefined,
    ...resourceServer.introspection,
    jwks_uri: resourceServer.jwksUri ?? undefined,
    jwks: resourceServer.jwks === null ? undefined : `${resourceServer.jwks.keys.length} keys`,
    canary_url: resourceServer.canaryUrl ?? undefined,
    open_to_registration: resourceServer.openToRegistration ? 'yes' : 'no',
    client_id: resourceServer.clientId,
  };
}
