import type { JsonWebKey } from 'node:crypto';
import type { AllClientMetadata, Provider } from 'oidc-provider';
import type { JwksFetcher } from '#src/federation/issuer-keys.ts';

/**
 * Fetches a JWK Set as the library fetches that of a client: within the limits of outgoing calls, bounded in size, and
 * anew each time, since nothing of it is held here.
 */
export function publishedKeys(provider: Provider): JwksFetcher {
  const Publishers = provider.Client as unknown as {
    new (
      metadata: AllClientMetadata,
    ): {
      asymmetricKeyStore: Iterable<JsonWebKey> & { refresh(): Promise<void> };
    };
  };
  return async (jwksUri) => {
    const { asymmetricKeyStore } = new Publishers({
      client_id: 'issuer',
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      jwks_uri: jwksUri,
    });
    await asymmetricKeyStore.refresh();
    return [...asymmetricKeyStore];
  };
}
