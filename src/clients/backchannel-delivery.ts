import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import { REQUEST_OBJECT_ALGORITHMS } from '#src/clients/request-object.ts';
import { isSymmetric } from '#src/clients/response-protection.ts';

/** OpenID Connect Client-Initiated Backchannel Authentication (CIBA) section 10.1. */
export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';

/** Requests are signed by a key of the client, and not by a secret: CIBA section 4. */
const SIGNED_BY_KEYS: readonly string[] = REQUEST_OBJECT_ALGORITHMS.filter((alg) => !isSymmetric(alg));

/** In what the registration of a client for backchannel authentication does not go together: CIBA section 4. */
export function* backchannelProblemsIn(client: {
  readonly isConfidential: boolean;
  readonly hasKeys: boolean;
  readonly grantTypes: readonly string[];
  readonly metadata: ClientMetadata;
}): Generator<string> {
  const {
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: endpoint,
    backchannel_user_code_parameter: userCode,
    backchannel_authentication_request_signing_alg: signing,
  } = client.metadata;
  const registered = client.grantTypes.includes(CIBA_GRANT);
  if (registered && !client.isConfidential)
    yield 'grantTypes: backchannel authentication is for confidential clients (CIBA section 7.1)';
  if (!registered && mode !== undefined)
    yield `metadata.backchannel_token_delivery_mode: it goes together with the grant type ${CIBA_GRANT}`;
  if (mode === 'ping' && endpoint === undefined)
    yield 'metadata.backchannel_client_notification_endpoint: needed by a client that is to be pinged';
  if (mode !== 'ping' && endpoint !== undefined)
    yield 'metadata.backchannel_client_notification_endpoint: only a client that is to be pinged has one';
  if (endpoint !== undefined && !endpoint.startsWith('https:'))
    yield 'metadata.backchannel_client_notification_endpoint: must be an https URI';
  if (signing !== undefined && !(SIGNED_BY_KEYS.includes(signing) && client.hasKeys))
    yield `metadata.backchannel_authentication_request_signing_alg: one of ${SIGNED_BY_KEYS.join(', ')}, with jwks or jwksUri`;
  if (userCode === true) yield 'metadata.backchannel_user_code_parameter: this server has no user codes';
}
