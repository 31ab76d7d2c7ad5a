import type { Configuration } from 'oidc-provider';
import { REQUEST_OBJECT_ALGORITHMS } from '#src/clients/request-object.ts';
import type { ResponseAlgorithms } from '#src/clients/response-protection.ts';

type EnabledAlgorithms = NonNullable<Configuration['enabledJWA']>;

/** The default that RFC 9701 section 6 and JARM section 5 name for whoever registers no algorithm. */
const REGISTERED_DEFAULT = 'RS256';

/**
 * Every algorithm for what clients are told and for what they ask; `client-proofs.ts` has those by which they prove who
 * they are. The library takes what a client registers by these lists and publishes them, so the metadata says neither
 * more nor less.
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
    requestObjectSigningAlgValues: [...REQUEST_OBJECT_ALGORITHMS],
  };
}

/** How introspection and authorization answers are signed for a client that says nothing about it. */
export function registeredDefault(signing: readonly string[]): string {
  return signing.includes(REGISTERED_DEFAULT) ? REGISTERED_DEFAULT : (signing[0] as string);
}

/** How answers are signed for a client that says nothing about it. */
export function defaultAlgorithms({ signing }: ResponseAlgorithms) {
  const [first] = signing;
  const registered = registeredDefault(signing);
  return {
    id_token_signed_response_alg: first as 'ES256',
    introspection_signed_response_alg: registered as 'ES256',
    authorization_signed_response_alg: registered as 'ES256',
  };
}
