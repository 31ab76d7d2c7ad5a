import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import type { Provider } from 'oidc-provider';
import { endpointAliases } from '#src/oidc/endpoint-aliases.ts';

/**
 * The server's metadata: what the library says of itself, asked once, and what Keyturn adds.
 * RFC 8414 section 2; OpenID Connect Discovery section 3.
 */
export async function discoveryDocument(
  provider: Provider,
  added: {
    readonly languages: readonly string[];
    readonly mtlsOrigin: string | null;
    /** Where clients register themselves; `null` where they do not. */
    readonly registrationEndpoint: string | null;
    /** True if a client may come with the URL of a document about it as its identifier. */
    readonly metadataDocuments: boolean;
  },
): Promise<Record<string, unknown>> {
  const request = new IncomingMessage(new Socket());
  request.method = 'GET';
  request.url = '/.well-known/openid-configuration';
  const ctx = provider.createContext(request, new ServerResponse(request));
  await compose(provider.middleware as Middleware[])(ctx, async () => undefined);
  const document = ctx.body as Record<string, unknown>;
  const methods = document.token_endpoint_auth_methods_supported as readonly string[];
  const signedWith = document.token_endpoint_auth_signing_alg_values_supported;
  // User codes are an option of CIBA that this server does not have, and the library says it does.
  delete document.backchannel_user_code_parameter_supported;
  return {
    ...document,
    ...(added.registrationEndpoint === null
      ? undefined
      : { registration_endpoint: added.registrationEndpoint }),
    ...(added.metadataDocuments ? { client_id_metadata_document_supported: true } : undefined),
    introspection_endpoint_auth_methods_supported: methods.filter((method) => method !== 'none'),
    introspection_endpoint_auth_signing_alg_values_supported: signedWith,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: signedWith,
    // Initiating User Registration via OpenID Connect section 4.
    prompt_values_supported: ['none', 'login', 'select_account', 'consent'],
    ui_locales_supported: added.languages,
    ...(added.mtlsOrigin === null
      ? undefined
      : { mtls_endpoint_aliases: endpointAliases(document, added.mtlsOrigin) }),
  };
}
