import { Counter, type Registry } from 'prom-client';
import { ClientLabels } from '#src/metrics/client-labels.ts';

const RESULTS = ['active', 'inactive', 'refused'] as const;

export type IntrospectionResult = (typeof RESULTS)[number];

const SIGN_IN_OUTCOMES = ['signed-in', 'refused', 'missing', 'throttled', 'overloaded'] as const;

export type SignInOutcome = (typeof SIGN_IN_OUTCOMES)[number];

/** What happens in the protocol and is counted. None of it throws. */
export interface ProtocolMetrics {
  tokenIssued(client: { readonly clientId: string; readonly invited: boolean }, grantType: string): void;
  codeIssued(): void;
  introspected(result: IntrospectionResult): void;
  /** `error`: the code that the client was told. */
  refused(endpoint: string, error: string): void;
  /** A used refresh token came back: within the grace, or not. */
  replayed(outcome: 'allowed' | 'refused'): void;
  signIn(outcome: SignInOutcome): void;
}

/** What errors are counted under that no specification has named. */
const OTHER_ERRORS = 'other';

export function countProtocol(registry: Registry, { clientsMax }: { clientsMax: number }): ProtocolMetrics {
  const labels = new ClientLabels(clientsMax);
  const registers = [registry];
  const issued = new Counter({
    name: 'keyturn_tokens_issued_total',
    help: 'Answers that gave a client tokens, by grant and client.',
    labelNames: ['grant_type', 'client_id'],
    registers,
  });
  const codes = new Counter({
    name: 'keyturn_authorization_codes_issued_total',
    help: 'Authorization codes that clients were given.',
    registers,
  });
  const introspections = new Counter({
    name: 'keyturn_introspections_total',
    help: 'Answers to resource servers and clients that asked about a token, by what they were told.',
    labelNames: ['result'],
    registers,
  });
  const refusals = new Counter({
    name: 'keyturn_refusals_total',
    help: 'Requests that were refused, and those that failed, by endpoint and by the error that the client was told.',
    labelNames: ['endpoint', 'error'],
    registers,
  });
  const replaysAllowed = new Counter({
    name: 'keyturn_refresh_replays_allowed_total',
    help: 'Used refresh tokens that came back within the grace, and got the same successor once more.',
    registers,
  });
  const replaysRefused = new Counter({
    name: 'keyturn_refresh_replays_refused_total',
    help: 'Used refresh tokens that came back later, each of which ended a family: one of them may have been stolen.',
    registers,
  });
  const signIns = new Counter({
    name: 'keyturn_sign_ins_total',
    help: 'Attempts to sign in with a password, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  // Of a series that begins with its first event nobody sees that it has risen.
  for (const result of RESULTS) introspections.inc({ result }, 0);
  for (const outcome of SIGN_IN_OUTCOMES) signIns.inc({ outcome }, 0);
  return {
    tokenIssued: ({ clientId, invited }, grantType) =>
      issued.inc({ grant_type: grantType, client_id: labels.labelOf(clientId, { invited }) }),
    codeIssued: () => codes.inc(),
    introspected: (result) => introspections.inc({ result }),
    refused: (endpoint, error) => refusals.inc({ endpoint, error: ERRORS.has(error) ? error : OTHER_ERRORS }),
    replayed: (outcome) => (outcome === 'allowed' ? replaysAllowed : replaysRefused).inc(),
    signIn: (outcome) => signIns.inc({ outcome }),
  };
}

/** The errors that the specifications know, so that no request makes up a label. */
const ERRORS: ReadonlySet<string> = new Set([
  // RFC 6749 sections 4.1.2.1 and 5.2
  'access_denied',
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_scope',
  'server_error',
  'temporarily_unavailable',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_response_type',
  // RFC 6750 section 3.1
  'insufficient_scope',
  'invalid_token',
  // OpenID Connect Core section 3.1.2.6, RFC 9470 section 3
  'account_selection_required',
  'consent_required',
  'insufficient_user_authentication',
  'interaction_required',
  'invalid_request_object',
  'invalid_request_uri',
  'login_required',
  'registration_not_supported',
  'request_not_supported',
  'request_uri_not_supported',
  'unmet_authentication_requirements',
  // RFC 7009 section 2.2.1
  'unsupported_token_type',
  // RFC 7591 section 3.2.2
  'invalid_client_metadata',
  'invalid_redirect_uri',
  'invalid_software_statement',
  'unapproved_software_statement',
  // RFC 8628 section 3.5, OpenID Connect CIBA section 11 and 13
  'authorization_pending',
  'expired_login_hint_token',
  'expired_token',
  'invalid_binding_message',
  'invalid_user_code',
  'missing_user_code',
  'slow_down',
  'transaction_failed',
  'unknown_user_id',
  // RFC 8707 section 2, RFC 9396 section 5, RFC 9449 sections 5 and 8
  'invalid_authorization_details',
  'invalid_dpop_proof',
  'invalid_target',
  'use_dpop_nonce',
  // Draft OAuth 2.0 Attestation-Based Client Authentication
  'invalid_client_attestation',
  'use_attestation_challenge',
  // Of this server
  'not_found',
  'session_not_found',
]);
