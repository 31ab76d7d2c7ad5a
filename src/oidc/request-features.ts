import type { ClientMetadata, Configuration } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { requestObjectCheck } from '#src/oidc/request-object-policy.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';

type Features = NonNullable<Configuration['features']>;

/** What the library is told of authorization requests and of the ways to answer them. */
export function requestFeatures({
  requests,
  clock,
}: {
  readonly requests: RequestPolicy;
  readonly clock: Clock;
}) {
  return {
    claimsParameter: { enabled: true },
    jwtResponseModes: { enabled: true },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: requests.pushedRequired,
    },
    requestObjects: {
      enabled: true,
      requireSignedRequestObject: requests.signedRequired,
      assertJwtClaimsAndHeader: requestObjectCheck(clock),
    },
    webMessageResponseMode: { enabled: requests.webMessage, ack: 'individual-draft-01' },
  } satisfies Features;
}

/** What clients may sign their request objects with. `none` is no signature: RFC 9101 section 10.2. */
const REQUEST_OBJECT_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'EdDSA',
  'Ed25519',
  'HS256',
] as const;

export function requestAlgorithms(signingAlgorithms: readonly SigningAlgorithm[]) {
  return {
    requestObjectSigningAlgValues: [...REQUEST_OBJECT_ALGORITHMS],
    authorizationSigningAlgValues: [...signingAlgorithms] as 'ES256'[],
  };
}

/** What holds for a client that does not say otherwise. JARM section 5 makes it RS256, where this server has it. */
export function responseDefaults(
  signingAlgorithms: readonly SigningAlgorithm[],
): Pick<ClientMetadata, 'authorization_signed_response_alg'> {
  const alg = signingAlgorithms.includes('RS256') ? 'RS256' : signingAlgorithms[0];
  return { authorization_signed_response_alg: alg as 'RS256' };
}
