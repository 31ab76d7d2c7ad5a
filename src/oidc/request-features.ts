import type { Configuration } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { requestObjectCheck } from '#src/oidc/request-object-policy.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';

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
