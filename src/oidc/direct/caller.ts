import { errors, type Client as LibraryClient, type Provider } from 'oidc-provider';
import type { ClientSecrets } from '#src/clients/client-secret.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import type { PlainCredentials } from '#src/oidc/direct/plain-request.ts';

export interface CallerDependencies {
  readonly provider: Provider;
  readonly registered: RegisteredClients;
  readonly secrets: ClientSecrets;
}

/** Whoever authenticates by a secret: RFC 6749 section 2.3.1. */
const BY_SECRET: ReadonlySet<string | undefined> = new Set(['client_secret_basic', 'client_secret_post']);

/**
 * The client, or resource server, whose secret this is; `null` for whom the library is to refuse. Found in the registries
 * anew each time, and held to its profile as the library is.
 * @throws StorageFault
 */
export async function authenticated(
  { clientId, secret }: PlainCredentials,
  { provider, registered, secrets }: CallerDependencies,
): Promise<LibraryClient | null> {
  const client = await findClient(provider, clientId);
  if (client === undefined || !BY_SECRET.has(client.clientAuthMethod)) return null;
  if (client.clientSecretExpiresAt) return null;
  return secrets.matches(registered.of(client).secrets, secret) ? client : null;
}

async function findClient(provider: Provider, clientId: string): Promise<LibraryClient | undefined> {
  try {
    return await provider.Client.find(clientId);
  } catch (refusal) {
    if (refusal instanceof errors.OIDCProviderError) return undefined;
    throw refusal;
  }
}
