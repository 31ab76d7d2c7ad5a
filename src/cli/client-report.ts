import { grantPolicyDocument, grantPolicyFacts } from '#src/cli/client-grant-options.ts';
import { moment } from '#src/cli/layout.ts';
import type { Client } from '#src/clients/client.ts';
import { clientDocument } from '#src/clients/client-document.ts';
import type { RegisteredBy } from '#src/clients/registered-by.ts';
import { formatScope } from '#src/clients/scope.ts';

/** What is registered of a client, and beside it what only this server knows: `default_scope`, `require_pkce`. */
export function documentOf(client: Client): object {
  return {
    ...clientDocument(client),
    default_scope: formatScope(client.defaultScope),
    require_pkce: client.requirePkce,
    ...(client.profile === null ? undefined : { profile: client.profile }),
    ...grantPolicyDocument(client),
    registered_by: registrationDocument(client.registeredBy),
    live_secrets: client.secrets.map(({ id, createdAt }) => ({ id, created_at: createdAt })),
    updated_at: client.updatedAt,
  };
}

/** The same for people, without the identifier and the name. */
export function factsOf(client: Client) {
  return {
    application_type: client.applicationType,
    token_endpoint_auth_method: client.authenticationMethod,
    grant_types: client.grantTypes.join(' '),
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris:
      client.postLogoutRedirectUris.length === 0 ? undefined : client.postLogoutRedirectUris,
    scope: formatScope(client.scope),
    default_scope: formatScope(client.defaultScope),
    require_pkce: client.requirePkce ? 'yes' : 'no',
    id_token_signed_response_alg: client.idTokenSignedResponseAlg,
    profile: client.profile ?? undefined,
    ...grantPolicyFacts(client),
    client_uri: client.clientUri ?? undefined,
    jwks_uri: client.jwksUri ?? undefined,
    jwks: client.jwks === null ? undefined : `${client.jwks.keys.length} keys`,
    ...Object.fromEntries(
      Object.entries(client.metadata).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(' ') : String(value),
      ]),
    ),
  };
}

/** What an administrator asks about a client that is there already. */
export function historyOf({ secrets, registeredBy, createdAt, updatedAt }: Client) {
  const place = registeredBy.by === 'registration' ? registeredBy.place : null;
  return {
    live_secrets:
      secrets.length === 0
        ? undefined
        : secrets.map((secret) => `${secret.id}, made ${moment(secret.createdAt)}`),
    registered: `${moment(createdAt)} by ${registrarOf(registeredBy)}`,
    removed_if_unused: place === null ? undefined : moment(place.heldUntil),
    changed: updatedAt === createdAt ? undefined : moment(updatedAt),
  };
}

/** Who registered a client, in a few words. */
export function registrarOf(registeredBy: RegisteredBy): string {
  if (registeredBy.by !== 'registration') return 'an administrator';
  const { initialAccessToken, softwareStatement } = registeredBy;
  return [
    'itself',
    ...(initialAccessToken === null ? [] : [`let in by ${initialAccessToken}`]),
    ...(softwareStatement === null ? [] : [`described by ${softwareStatement.issuer}`]),
  ].join(', ');
}

function registrationDocument(registeredBy: RegisteredBy): object {
  if (registeredBy.by !== 'registration') return registeredBy;
  const { by, initialAccessToken, softwareStatement, place } = registeredBy;
  return {
    by,
    ...(initialAccessToken === null ? undefined : { initial_access_token: initialAccessToken }),
    ...(softwareStatement === null ? undefined : { software_statement_issuer: softwareStatement.issuer }),
    ...(place === null ? undefined : { removed_if_unused_at: place.heldUntil }),
  };
}
