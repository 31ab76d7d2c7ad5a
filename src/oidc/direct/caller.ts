import type { IncomingHttpHeaders } from 'node:http';
import { errors, type Client as LibraryClient, type Provider } from 'oidc-provider';
import type { ClientSecrets } from '#src/clients/client-secret.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { type PlainForm, plainCredentials } from '#src/oidc/direct/plain-request.ts';
import { parseClientIdUrl } from '#src/registration/client-id-url.ts';

export interface CallerDependencies {
  readonly provider: Provider;
  readonly registered: RegisteredClients;
  readonly secrets: ClientSecrets;
}

/** Whoever authenticates by a secret: RFC 6749 section 2.3.1. */
const BY_SECRET: ReadonlySet<string | undefined> = new Set(['client_secret_basic', 'client_secret_post']);

/**
 * The client, or resource server, that a request is plainly by: it shows its secret or, where it has none, names itself in
 * the form. `null` for whom the library is to refuse. Found in the registries anew each time, and held to its profile as
 * the library is.
 * @throws StorageFault
 */
export async function callerOf(
  headers: IncomingHttpHeaders,
  form: PlainForm,
  { provider, registered, secrets }: CallerDependencies,
): Promise<LibraryClient | null> {
  const isPublic = headers.authorization === undefined && form.client_secret === undefined;
  const credentials = isPublic ? null : plainCredentials(headers, form);
  const clientId = isPublic ? form.client_id : credentials?.clientId;
  const client = clientId === undefined ? null : await registeredClient(provider, clientId);
  if (client === null || client.clientSecretExpiresAt) return null;
  if (credentials === null) return isPublic && client.clientAuthMethod === 'none' ? client : null;
  const { secrets: kept } = registered.of(client);
  const shown = BY_SECRET.has(client.clientAuthMethod) && secrets.matches(kept, credentials.secret);
  return shown ? client : null;
}

/**
 * The client that is registered under this identifier; `null` where there is none, or the library is to say. Which state of its
 * document will do for a client that has one depends on what it asks for.
 * @throws StorageFault
 */
export async function registeredClient(provider: Provider, clientId: string): Promise<LibraryClient | null> {
  if (parseClientIdUrl(clientId) !== null) return null;
  try {
    return (await provider.Client.find(clientId)) ?? null;
  } catch (refusal) {
    if (refusal instanceof errors.OIDCProviderError) return null;
    throw refusal;
  }
}
