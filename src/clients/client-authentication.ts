import { createPublicKey, X509Certificate } from 'node:crypto';
import { CERTIFICATE_SUBJECTS, wrongSubject } from '#src/clients/certificate-subject.ts';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';

/**
 * How a client proves who it is at the token endpoint: OpenID Connect Core section 9, RFC 6749 section 2.3, RFC 8705
 * section 2, and attestations by draft-ietf-oauth-attestation-based-client-auth.
 */
export const CLIENT_AUTHENTICATION_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'attest_jwt_client_auth',
  'attest_jwt_client_auth_dpop',
  'none',
] as const;

export type ClientAuthenticationMethod = (typeof CLIENT_AUTHENTICATION_METHODS)[number];

/** What a server has for clients to authenticate with. */
export interface AuthenticationMeans {
  /** It sees the certificates of clients. */
  readonly certificates: boolean;
  /** It knows which of them an authority has signed that it trusts. */
  readonly verifiedCertificates: boolean;
  /** It knows attesters that it believes. */
  readonly attestations: boolean;
}

/** The methods that a server offers, which are those that it has the means for. */
export function authenticationMethodsOf(means: AuthenticationMeans): readonly ClientAuthenticationMethod[] {
  return CLIENT_AUTHENTICATION_METHODS.filter((method) => {
    if (method === 'tls_client_auth') return means.verifiedCertificates;
    if (method === 'self_signed_tls_client_auth') return means.certificates;
    return !method.startsWith('attest_') || means.attestations;
  });
}

/** True if the client proves itself by a secret that both sides hold. */
export function usesSecret(method: ClientAuthenticationMethod): boolean {
  return method.startsWith('client_secret_');
}

/** What the rules of authentication look at of a client. */
interface AuthenticatingClient {
  readonly authenticationMethod: ClientAuthenticationMethod;
  readonly jwksUri: string | null;
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | null;
  readonly metadata: ClientMetadata;
}

/** In what a client's registration does not go with how it authenticates, or with what the server offers. */
export function* authenticationProblemsIn(
  client: AuthenticatingClient,
  offered: readonly ClientAuthenticationMethod[],
): Generator<string> {
  const { authenticationMethod, jwks, jwksUri, metadata } = client;
  if (!offered.includes(authenticationMethod)) {
    yield `authenticationMethod: this server does not offer ${authenticationMethod}; it offers ${offered.join(', ')}`;
  }
  if (jwks !== null && jwksUri !== null) yield 'jwks: give jwks or jwksUri, not both (RFC 7591 section 2)';
  if (KEYED_METHODS.has(authenticationMethod) && jwks === null && jwksUri === null) {
    yield `jwks: ${authenticationMethod} needs the public keys: jwks or jwksUri`;
  }
  if (authenticationMethod === 'self_signed_tls_client_auth' && jwks !== null)
    yield* selfSignedProblemsIn(jwks);
  if (metadata.token_endpoint_auth_signing_alg !== undefined) {
    yield* signingProblemsIn(authenticationMethod, metadata.token_endpoint_auth_signing_alg);
  }
  yield* subjectProblemsIn(client);
  if (metadata.tls_client_certificate_bound_access_tokens === true) {
    if (metadata.dpop_bound_access_tokens === true) {
      yield 'metadata: tokens are bound to a certificate or to a DPoP key, not to both';
    }
    if (!offered.includes('self_signed_tls_client_auth')) {
      yield 'metadata: tls_client_certificate_bound_access_tokens needs a server that sees certificates (mutualTls.from)';
    }
  }
}

const KEYED_METHODS: ReadonlySet<ClientAuthenticationMethod> = new Set([
  'private_key_jwt',
  'self_signed_tls_client_auth',
]);

/**
 * With what clients may sign assertions and requests, and those who attest them attestations: RFC 7518, RFC 8037 and
 * RFC 9864, of what deserves it today.
 */
export const CLIENT_SIGNING_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'Ed25519',
  'EdDSA',
  'ML-DSA-44',
  'ML-DSA-65',
] as const;

/** What assertions of clients may be signed with: RFC 7523 section 3. */
export const CLIENT_ASSERTION_ALGORITHMS = ['HS256', ...CLIENT_SIGNING_ALGORITHMS] as const;

function* signingProblemsIn(method: ClientAuthenticationMethod, algorithm: string): Generator<string> {
  const signsWithSecret = method === 'client_secret_jwt';
  if (!signsWithSecret && method !== 'private_key_jwt') {
    yield `metadata: token_endpoint_auth_signing_alg says nothing of ${method}, which signs no assertion`;
  } else if (
    algorithm.startsWith('HS') !== signsWithSecret ||
    !CLIENT_ASSERTION_ALGORITHMS.some((each) => each === algorithm)
  ) {
    yield `metadata: token_endpoint_auth_signing_alg ${algorithm} is not one for ${method}`;
  }
}

/** RFC 8705 section 2.1.2: exactly one of them. */
function* subjectProblemsIn({ authenticationMethod, metadata }: AuthenticatingClient): Generator<string> {
  const given = CERTIFICATE_SUBJECTS.filter((subject) => metadata[subject] !== undefined);
  if (authenticationMethod !== 'tls_client_auth') {
    if (given.length > 0) yield `metadata: ${given.join(', ')} are for tls_client_auth`;
    return;
  }
  if (given.length !== 1) {
    yield `metadata: tls_client_auth needs exactly one of ${CERTIFICATE_SUBJECTS.join(', ')}`;
  }
  for (const subject of given) {
    const wrong = wrongSubject(subject, metadata[subject] as string);
    if (wrong !== null) yield `metadata: ${subject} ${wrong}`;
  }
}

/** RFC 8705 section 2.2: certificates stand in `x5c`, and RFC 7517 section 4.7: each is one of its key. */
function* selfSignedProblemsIn(jwks: NonNullable<AuthenticatingClient['jwks']>): Generator<string> {
  const certified = jwks.keys.filter(({ x5c }) => x5c !== undefined);
  if (certified.length === 0)
    yield 'jwks: self_signed_tls_client_auth needs a key with its certificate in x5c';
  if (!certified.every(isOfItsKey))
    yield 'jwks: an x5c begins with a certificate of another key, or with none';
}

function isOfItsKey(jwk: Readonly<Record<string, unknown>>): boolean {
  const [first] = Array.isArray(jwk.x5c) ? jwk.x5c : [];
  try {
    const { publicKey } = new X509Certificate(Buffer.from(String(first), 'base64'));
    return publicKey.equals(createPublicKey({ key: jwk, format: 'jwk' }));
  } catch {
    return false;
  }
}
