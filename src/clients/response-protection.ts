import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import type { PublicJwks } from '#src/clients/jwk-set.ts';

/** How the key that encrypts content is agreed on: the `alg` of a JWE. RFC 7518 section 4.1. */
export const KEY_MANAGEMENT_ALGORITHMS = [
  'RSA-OAEP-256',
  'RSA-OAEP-384',
  'RSA-OAEP-512',
  'RSA-OAEP',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A192KW',
  'ECDH-ES+A256KW',
  'A128KW',
  'A192KW',
  'A256KW',
  'A128GCMKW',
  'A192GCMKW',
  'A256GCMKW',
  'dir',
] as const;

/** How content is encrypted: the `enc` of a JWE. RFC 7518 section 5.1. */
export const CONTENT_ENCRYPTION_ALGORITHMS = [
  'A128CBC-HS256',
  'A192CBC-HS384',
  'A256CBC-HS512',
  'A128GCM',
  'A192GCM',
  'A256GCM',
] as const;

/** What this server signs and encrypts with, by its settings. */
export interface ResponseAlgorithms {
  /** Not empty; the first is for whoever names none. */
  readonly signing: readonly string[];
  readonly keyManagement: readonly string[];
  readonly contentEncryption: readonly string[];
}

/** What a client may have signed and encrypted for it. OpenID Connect Registration section 2; RFC 9701 section 6; JARM section 5. */
const RESPONSES = ['id_token', 'userinfo', 'introspection', 'authorization'] as const;

/** True for an algorithm whose key is derived from the client's secret: OpenID Connect Core section 10.2. */
export function isSymmetric(alg: string): boolean {
  return /^(HS|A\d|dir$)/.test(alg);
}

/** True if the text of the client's secret has to be kept, since something is to be computed from it. */
export function needsSecretText(client: {
  readonly authenticationMethod: string;
  readonly metadata: ClientMetadata;
}): boolean {
  const algorithms = Object.entries(client.metadata).filter(([name]) => name.endsWith('_alg'));
  return (
    client.authenticationMethod === 'client_secret_jwt' ||
    algorithms.some(([, alg]) => isSymmetric(String(alg)))
  );
}

/** Whoever registers how answers are to be protected, and how it can be reached by encryption. */
export interface Registrant {
  readonly metadata: ClientMetadata;
  readonly jwks: PublicJwks | null;
  readonly jwksUri: string | null;
  readonly hasSecret: boolean;
}

/** What of the protection that is asked for this server cannot give, each with the path of its field. */
export function* protectionProblemsIn(
  registrant: Registrant,
  algorithms: ResponseAlgorithms,
): Generator<string> {
  const { metadata } = registrant;
  for (const response of RESPONSES) {
    const field = (rest: string) => `metadata.${response}_${rest}`;
    const signed = response === 'id_token' ? undefined : metadata[`${response}_signed_response_alg`];
    const alg = metadata[`${response}_encrypted_response_alg`];
    const enc = metadata[`${response}_encrypted_response_enc`];
    if (signed !== undefined && !algorithms.signing.includes(signed))
      yield `${field('signed_response_alg')}: this server signs with ${algorithms.signing.join(', ')}`;
    if (enc !== undefined && alg === undefined)
      yield `${field('encrypted_response_enc')}: needs ${response}_encrypted_response_alg beside it`;
    if (enc !== undefined && !algorithms.contentEncryption.includes(enc))
      yield `${field('encrypted_response_enc')}: this server encrypts with ${algorithms.contentEncryption.join(', ')}`;
    if (alg === undefined) continue;
    if (response === 'userinfo' && signed === undefined)
      yield `${field('encrypted_response_alg')}: what is encrypted is signed first; give userinfo_signed_response_alg`;
    if (!algorithms.keyManagement.includes(alg))
      yield `${field('encrypted_response_alg')}: this server encrypts by ${algorithms.keyManagement.join(', ')}`;
    else yield* keyProblemsOf(field('encrypted_response_alg'), alg, registrant);
  }
}

function* keyProblemsOf(
  field: string,
  alg: string,
  { jwks, jwksUri, hasSecret }: Registrant,
): Generator<string> {
  if (isSymmetric(alg)) {
    if (!hasSecret) yield `${field}: ${alg} is for clients that authenticate by a secret`;
  } else if (jwks === null && jwksUri === null) {
    yield `${field}: ${alg} needs the public keys: jwks or jwksUri`;
  } else if (jwks !== null && !jwks.keys.some((jwk) => encryptsBy(jwk, alg))) {
    yield `${field}: no key of jwks is for ${alg}`;
  }
}

/** RFC 7518 sections 4.3 and 4.6; RFC 8037 section 3.2. */
function encryptsBy(jwk: Readonly<Record<string, unknown>>, alg: string): boolean {
  if (jwk.use !== undefined && jwk.use !== 'enc') return false;
  if (jwk.alg !== undefined && jwk.alg !== alg) return false;
  if (alg.startsWith('RSA')) return jwk.kty === 'RSA';
  return jwk.kty === 'EC' || (jwk.kty === 'OKP' && jwk.crv === 'X25519');
}
