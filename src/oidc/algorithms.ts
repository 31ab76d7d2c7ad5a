import type { Configuration } from 'oidc-provider';
import type { ResponseAlgorithms } from '#src/clients/response-protection.ts';

type EnabledAlgorithms = NonNullable<Configuration['enabledJWA']>;

/** What clients may sign their assertions with: RFC 7523 section 3. */
const ASSERTION_ALGORITHMS = ['HS256', 'RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'] as const;

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

/** What possession of a key may be proven with, that nobody shares: RFC 9449 section 4.2. */
const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA'] as const;

/** The default that RFC 9701 section 6 and JARM section 5 name for whoever registers no algorithm. */
const REGISTERED_DEFAULT = 'RS256';

/**
 * Every algorithm that there is, and what for. The library takes what a client registers by these lists and publishes
 * them, so the metadata says neither more nor less.
 */
export function enabledAlgorithms(algorithms: ResponseAlgorithms): EnabledAlgorithms {
  const { signing, keyManagement, contentEncryption } = algorithms;
  const signed = [...signing] as 'ES256'[];
  const keys = [...keyManagement] as 'ECDH-ES'[];
  const contents = [...contentEncryption] as 'A128GCM'[];
  return {
    idTokenSigningAlgValues: signed,
    userinfoSigningAlgValues: signed,
    introspectionSigningAlgValues: signed,
    authorizationSigningAlgValues: signed,
    idTokenEncryptionAlgValues: keys,
    userinfoEncryptionAlgValues: keys,
    introspectionEncryptionAlgValues: keys,
    authorizationEncryptionAlgValues: keys,
    requestObjectEncryptionAlgValues: keys,
    idTokenEncryptionEncValues: contents,
    userinfoEncryptionEncValues: contents,
    introspectionEncryptionEncValues: contents,
    authorizationEncryptionEncValues: contents,
    requestObjectEncryptionEncValues: contents,
    clientAuthSigningAlgValues: [...ASSERTION_ALGORITHMS],
    requestObjectSigningAlgValues: [...REQUEST_OBJECT_ALGORITHMS],
    dPoPSigningAlgValues: [...PROOF_ALGORITHMS],
    attestSigningAlgValues: [...PROOF_ALGORITHMS],
  };
}

/** How answers are signed for a client that says nothing about it. */
export function defaultAlgorithms({ signing }: ResponseAlgorithms) {
  const [first] = signing;
  const registered = signing.includes(REGISTERED_DEFAULT) ? REGISTERED_DEFAULT : first;
  return {
    id_token_signed_response_alg: first as 'ES256',
    introspection_signed_response_alg: registered as 'ES256',
    authorization_signed_response_alg: registered as 'ES256',
  };
}
