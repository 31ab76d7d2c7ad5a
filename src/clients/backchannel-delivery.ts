import type { ClientMetadata } from '#src/clients/client-metadata.ts';

/** OpenID Connect Client-Initiated Backchannel Authentication (CIBA) section 10.1. */
export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';

/** In what the registration of a client for backchannel authentication does not go together: CIBA section 4. */
export function* backchannelProblemsIn(client: {
  readonly isConfidential: boolean;
  readonly grantTypes: readonly string[];
  readonly metadata: ClientMetadata;
}): Generator<string> {
  const {
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: endpoint,
    backchannel_user_code_parameter: userCode,
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
  if (userCode === true) yield 'metadata.backchannel_user_code_parameter: this server has no user codes';
}
