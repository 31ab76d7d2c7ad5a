import { errors, type Provider } from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import { Refusal } from '#src/fault.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';

/**
 * Tells before a client is stored what the library would say whenever it is used; what the client publishes about its
 * sector is fetched as well (OpenID Connect Dynamic Client Registration section 5).
 */
export function servableClients(provider: Provider, registered: RegisteredClients) {
  const clients = provider.Client as unknown as { validate(metadata: object): Promise<void> };
  /** @throws Refusal `invalid_client_metadata` */
  return async (client: Client): Promise<void> => {
    try {
      await clients.validate(registered.libraryMetadata({ kind: 'client', client, secrets: client.secrets }));
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError) || error.statusCode >= 500) throw error;
      throw new Refusal('invalid_client_metadata', error.error_description ?? error.message);
    }
  };
}
