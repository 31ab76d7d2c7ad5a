import type { Client as LibraryClient, Provider } from 'oidc-provider';
import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import type { Client } from '#src/clients/client.ts';
import { isOpenIdScope } from '#src/clients/scope.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { registeredClient } from '#src/oidc/direct/caller.ts';
import type { PlainForm } from '#src/oidc/direct/plain-request.ts';
import { isOwnResource } from '#src/oidc/own-resource.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';

export interface AuthorizationRequestDependencies {
  readonly issuer: string;
  readonly provider: Provider;
  readonly registered: RegisteredClients;
  readonly resources: ResourceRegistry;
}

/** The parameters of a plain request for a code. Each asks for nothing that a person would have to be asked about. */
export const PARAMETERS: ReadonlySet<string> = new Set([
  'client_id',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'resource',
  'response_type',
  'scope',
  'state',
]);

/** A request for a code that a client may make. */
export interface Requested {
  readonly libraryClient: LibraryClient;
  readonly client: Client;
  readonly redirectUri: string;
  readonly scopes: ReadonlySet<string>;
  /** What the request calls it, and what it is. */
  readonly resource: { readonly identifier: string; readonly server: ResourceServer } | null;
  readonly codeChallenge: string;
  readonly nonce: string | undefined;
  readonly state: string | undefined;
}

/** RFC 7636 section 4.2. */
const CODE_CHALLENGE = /^[\w.~-]{43,128}$/;

/** RFC 6749 section 3.3: visible characters, each scope apart from the next by one space. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/;

/**
 * What is asked, if it is plainly allowed to be asked; what it does not say, the library knows how to complete.
 * @throws StorageFault
 */
export async function requestOf(
  asked: PlainForm,
  isPushed: boolean,
  deps: AuthorizationRequestDependencies,
): Promise<Requested | null> {
  const { client_id, redirect_uri, response_type, scope, code_challenge, resource, nonce, state } = asked;
  if (response_type !== 'code' || redirect_uri === undefined) return null;
  if (code_challenge === undefined || asked.code_challenge_method !== 'S256') return null;
  if (!CODE_CHALLENGE.test(code_challenge) || scope === undefined || !SCOPE.test(scope)) return null;
  const scopes = new Set(scope.split(' '));
  // It is for requests that a person is asked about anew, and left out of others.
  if (scopes.has('offline_access') || (nonce !== undefined && !scopes.has('openid'))) return null;
  const libraryClient = client_id === undefined ? null : await plainClient(client_id, isPushed, deps);
  const client = libraryClient && deps.registered.application(libraryClient);
  if (libraryClient === null || client === null) return null;
  if (!libraryClient.redirectUriAllowed(redirect_uri)) return null;
  if (![...scopes].every((each) => client.scope.includes(each))) return null;
  const server = resource === undefined ? null : await resourceServerOf(resource, deps);
  const offered = server?.scope ?? [];
  if (resource !== undefined && server === null) return null;
  if (![...scopes].every((each) => isOpenIdScope(each) || offered.includes(each))) return null;
  return {
    libraryClient,
    client,
    redirectUri: redirect_uri,
    scopes,
    resource: resource === undefined || server === null ? null : { identifier: resource, server },
    codeChallenge: code_challenge,
    nonce,
    state,
  };
}

/** A client of whom nothing is asked but what the request says; `null` for every other. */
async function plainClient(
  clientId: string,
  isPushed: boolean,
  { provider, registered }: AuthorizationRequestDependencies,
): Promise<LibraryClient | null> {
  const client = clientId === ACCOUNT_CLIENT_ID ? null : await registeredClient(provider, clientId);
  if (client === null) return null;
  const asksMore =
    (client.requirePushedAuthorizationRequests && !isPushed) ||
    client.requireSignedRequestObject ||
    client.defaultAcrValues !== undefined ||
    client.defaultMaxAge !== undefined ||
    client.requireAuthTime ||
    // A person is asked each time.
    client.applicationType === 'native' ||
    [...registered.profilesOf(client)].some((profile) => profile !== 'oauth-2.1');
  const answers =
    client.responseTypeAllowed('code') && (client as QueryingClient).responseModeAllowed('query', 'code');
  return asksMore || !answers ? null : client;
}

type QueryingClient = LibraryClient & { responseModeAllowed(mode: string, type: string): boolean };

/** `null` for userinfo, which is named otherwise inside. RFC 8707 section 2. */
async function resourceServerOf(
  identifier: string,
  { issuer, resources }: AuthorizationRequestDependencies,
): Promise<ResourceServer | null> {
  const href = URL.parse(identifier)?.href;
  if (href === undefined || href.includes('#') || isOwnResource(issuer, identifier)) return null;
  return resources.findByIndicator(identifier);
}
