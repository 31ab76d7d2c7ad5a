import type { Client as LibraryClient } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import {
  type AuthorizationRequestDependencies,
  PARAMETERS,
  requestOf,
} from '#src/oidc/direct/authorization-request.ts';
import type { PlainForm } from '#src/oidc/direct/plain-request.ts';
import { teachable } from '#src/oidc/library.ts';
import { unsecured } from '#src/oidc/pushed-request-model.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';
import { after } from '#src/units.ts';

export interface PushDependencies extends AuthorizationRequestDependencies {
  readonly clock: Clock;
  readonly requests: Pick<RequestPolicy, 'pushedLifetime'>;
}

/**
 * Keeps a request that a client has pushed, as the library keeps it, and answers with its reference: RFC 9126 section 2.2.
 * `null` where the library is to: it is not plainly allowed, or asks for something further.
 * @throws StorageFault
 */
export async function pushed(
  form: PlainForm,
  client: LibraryClient,
  deps: PushDependencies,
): Promise<object | null> {
  const { provider, clock, issuer, requests } = deps;
  const asked = Object.entries(form).filter(([name]) => PARAMETERS.has(name));
  if (form.client_id !== client.clientId || asked.some(([, value]) => value === '')) return null;
  const parameters = Object.fromEntries(asked);
  const requested = await requestOf(parameters, true, deps);
  if (requested === null) return null;
  const now = clock.now();
  const claims = {
    ...parameters,
    scope: [...requested.scopes].join(' '),
    iat: now,
    iss: client.clientId,
    aud: issuer,
    exp: after(now, requests.pushedLifetime),
    nbf: now,
  };
  const Requests = teachable<object>(provider.PushedAuthorizationRequest);
  const kept = new Requests({
    request: unsecured({ alg: 'none' }, claims),
    trusted: client.clientAuthMethod !== 'none',
  });
  const id = await kept.save();
  return { expires_in: requests.pushedLifetime, request_uri: `urn:ietf:params:oauth:request_uri:${id}` };
}
