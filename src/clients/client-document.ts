import type { Client, ClientRegistration } from '#src/clients/client.ts';
import { CLIENT_METADATA_NAMES } from '#src/clients/client-metadata.ts';
import { formatScope } from '#src/clients/scope.ts';

/** A client as RFC 7591 section 2 writes it: the names of the registry, and JSON values under them. */
export type ClientDocument = Readonly<Record<string, unknown>>;

/** What Keyturn's own rules read of a client, and how the registry of RFC 7591 section 4.1 calls it. */
const NAMES = {
  name: 'client_name',
  applicationType: 'application_type',
  authenticationMethod: 'token_endpoint_auth_method',
  redirectUris: 'redirect_uris',
  postLogoutRedirectUris: 'post_logout_redirect_uris',
  grantTypes: 'grant_types',
  scope: 'scope',
  idTokenSignedResponseAlg: 'id_token_signed_response_alg',
  clientUri: 'client_uri',
  jwksUri: 'jwks_uri',
  jwks: 'jwks',
} as const satisfies Partial<Record<keyof ClientRegistration, string>>;

/** All that is registered of a client but its secret: the client information of RFC 7591 section 3.2.1. */
export function clientDocument(client: Client): ClientDocument {
  const own = Object.entries(NAMES).map(([field, name]): [string, unknown] => [
    name,
    field === 'scope' ? formatScope(client.scope) : client[field as keyof typeof NAMES],
  ]);
  return {
    client_id: client.clientId,
    client_id_issued_at: client.createdAt,
    response_types: client.grantTypes.includes('authorization_code') ? ['code'] : [],
    ...client.metadata,
    ...Object.fromEntries(own.filter(([, value]) => value !== null)),
  };
}

/**
 * What a document describes, as `newClient` takes it. Members that this server does not know are left out (RFC 7591
 * section 2), as are those without a value, which asks for the default (RFC 7592 section 2.2); an empty scope is a value.
 * Nothing is checked yet.
 */
export function describedIn(document: ClientDocument): Record<string, unknown> {
  const given = (name: string): boolean =>
    Object.hasOwn(document, name) &&
    document[name] !== null &&
    (document[name] !== '' || name === NAMES.scope);
  const fields = Object.entries(NAMES).filter(([, name]) => given(name));
  const metadata = CLIENT_METADATA_NAMES.filter(given);
  return {
    ...Object.fromEntries(fields.map(([field, name]) => [field, document[name]])),
    metadata: Object.fromEntries(metadata.map((name) => [name, document[name]])),
  };
}

/** A problem as `newClient` tells it, with the field as the document calls it. */
export function inDocumentWords(problem: string): string {
  const [, field = '', rest = ''] = /^(\w+)((?:\.\w+)*: .*)$/s.exec(problem) ?? [];
  if (field === 'metadata') return rest.slice(1).trimStart();
  const name = (NAMES as Readonly<Record<string, string>>)[field];
  return name === undefined ? problem : name + rest;
}
