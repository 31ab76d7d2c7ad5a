import assert from 'node:assert/strict';

/** The codes of the registry that RFC 6749 section 11.4 begins, of those that this server has a use for. */
const REGISTERED_CODES: ReadonlySet<unknown> = new Set([
  'access_denied',
  'authorization_pending',
  'consent_required',
  'expired_token',
  'insufficient_scope',
  'invalid_binding_message',
  'interaction_required',
  'invalid_authorization_details',
  'invalid_client',
  'invalid_client_metadata',
  'invalid_client_attestation',
  'invalid_dpop_proof',
  'invalid_grant',
  'invalid_redirect_uri',
  'invalid_request',
  'invalid_request_object',
  'invalid_request_uri',
  'invalid_scope',
  'invalid_software_statement',
  'invalid_target',
  'invalid_token',
  'login_required',
  'registration_not_supported',
  'request_not_supported',
  'request_uri_not_supported',
  'slow_down',
  'temporarily_unavailable',
  'unmet_authentication_requirements',
  'unapproved_software_statement',
  'unauthorized_client',
  'unsupported_grant_type',
  // Not in the registry, and understood by whoever asks for a response mode.
  'unsupported_response_mode',
  'unsupported_response_type',
  'unsupported_token_type',
  'use_attestation_challenge',
  'use_dpop_nonce',
]);

/** What `error_description` may be made of. RFC 6749 sections 4.1.2.1 and 5.2. */
export const DESCRIPTION = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** The error that a server answers with, once it is seen to be the RFC's and to say nothing of the inside. */
export async function refusalOf(
  response: Response,
): Promise<{ readonly status: number; readonly error: string }> {
  const text = await response.text();
  assertRefused(response.status, text);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json\b/, text);
  assert.match(response.headers.get('cache-control') ?? '', /no-store/);
  const body = JSON.parse(text) as { error: string; error_description?: string };
  assert.ok(REGISTERED_CODES.has(body.error), text);
  assert.match(body.error_description ?? '', DESCRIPTION);
  return { status: response.status, error: body.error };
}

/** Fails unless the request was refused as the sender's mistake, without a word of how the server is made. */
export function assertRefused(status: number, body: string): void {
  assert.ok(status >= 400 && status < 500, `${status} ${body}`);
  assertDiscreet(body);
}

/** Fails if a text says how the server is made: a stack, a path, a statement. */
export function assertDiscreet(text: string): void {
  assert.doesNotMatch(
    text,
    /\bat .+:\d+:\d+|node_modules|\/src\/|node:|file:|\bSELECT\b|\bINSERT\b|sqlite|TypeError|RangeError/i,
  );
}
