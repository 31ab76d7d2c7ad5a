import type { Provider } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { PlainForm } from '#src/oidc/direct/plain-request.ts';
import { teachable } from '#src/oidc/library.ts';
import { partsOf } from '#src/oidc/pushed-request-model.ts';

/** A request that a client has pushed, not used yet. */
export interface PushedRequest {
  readonly parameters: PlainForm;
  /** Takes it, once. @throws errors.InvalidGrant for whoever comes second. */
  consume(): Promise<void>;
}

interface Kept {
  readonly request: string;
  readonly isValid: boolean;
  readonly dpopJkt?: string;
  readonly attestationJkt?: string;
  consume(): Promise<void>;
}

const REFERENCE = /^urn:ietf:params:oauth:request_uri:([\w-]+)$/;

/** What the library says of a request beside its parameters. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['iss', 'aud', 'iat', 'exp', 'nbf']);

/**
 * The request that a client has pushed under this reference, as parameters: RFC 9126 section 4. `null` for one that is
 * signed, bound to a key, somebody else's, over, or asks for more than `parameters`; the library is to say.
 * @throws StorageFault
 */
export async function pushedRequest(
  { client_id: clientId, request_uri: reference = '' }: PlainForm,
  parameters: ReadonlySet<string>,
  {
    provider,
    clock,
    issuer,
  }: { readonly provider: Provider; readonly clock: Clock; readonly issuer: string },
): Promise<PushedRequest | null> {
  const id = REFERENCE.exec(reference)?.[1];
  if (id === undefined) return null;
  const kept = await teachable<Kept>(provider.PushedAuthorizationRequest).find(id);
  if (!kept?.isValid || kept.dpopJkt !== undefined || kept.attestationJkt !== undefined) return null;
  const { header, claims } = partsOf(kept.request);
  const { iss, aud, exp, nbf } = claims;
  const now = clock.now();
  if (header.alg !== 'none' || iss !== clientId || claims.client_id !== clientId || aud !== issuer)
    return null;
  if (typeof exp !== 'number' || exp <= now || typeof nbf !== 'number' || nbf > now) return null;
  const asked = Object.entries(claims).filter(([name]) => !OF_THE_REQUEST.has(name));
  if (!asked.every(([name, value]) => parameters.has(name) && typeof value === 'string' && value !== ''))
    return null;
  return { parameters: Object.fromEntries(asked) as PlainForm, consume: () => kept.consume() };
}
