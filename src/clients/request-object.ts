import { CLIENT_SIGNING_ALGORITHMS } from '#src/clients/client-authentication.ts';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import { isSymmetric, type ResponseAlgorithms } from '#src/clients/response-protection.ts';

/** What clients may sign their request objects with. `none` is no signature: RFC 9101 section 10.2. */
export const REQUEST_OBJECT_ALGORITHMS = [...CLIENT_SIGNING_ALGORITHMS, 'HS256'] as const;

/** What of a client's request objects this server could not read, each with the path of its field. RFC 9101 section 10. */
export function* requestObjectProblemsIn(
  client: { readonly metadata: ClientMetadata; readonly hasKeys: boolean; readonly hasSecret: boolean },
  { keyManagement, contentEncryption }: ResponseAlgorithms,
): Generator<string> {
  const {
    request_object_signing_alg: signing,
    request_object_encryption_alg: alg,
    request_object_encryption_enc: enc,
  } = client.metadata;
  const signingField = 'metadata.request_object_signing_alg';
  const algorithms: readonly string[] = REQUEST_OBJECT_ALGORITHMS;
  if (signing !== undefined) {
    if (!algorithms.includes(signing)) yield `${signingField}: this server verifies ${algorithms.join(', ')}`;
    else if (isSymmetric(signing) ? !client.hasSecret : !client.hasKeys)
      yield `${signingField}: ${signing} needs ${isSymmetric(signing) ? 'a secret' : 'the public keys: jwks or jwksUri'}`;
  }
  // What this server can open is encrypted by the secret of the client, or to the one key that it publishes for that.
  const opened = keyManagement.filter((each) => isSymmetric(each) || each.startsWith('ECDH-ES'));
  if (alg !== undefined) {
    if (!opened.includes(alg))
      yield `metadata.request_object_encryption_alg: this server decrypts by ${opened.join(', ')}`;
    else if (isSymmetric(alg) && !client.hasSecret)
      yield `metadata.request_object_encryption_alg: ${alg} is for clients that authenticate by a secret`;
  }
  if (enc === undefined) return;
  const encField = 'metadata.request_object_encryption_enc';
  if (alg === undefined) yield `${encField}: needs request_object_encryption_alg beside it`;
  if (!contentEncryption.includes(enc))
    yield `${encField}: this server decrypts ${contentEncryption.join(', ')}`;
}
