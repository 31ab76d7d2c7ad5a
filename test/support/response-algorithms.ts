import {
  CONTENT_ENCRYPTION_ALGORITHMS,
  KEY_MANAGEMENT_ALGORITHMS,
  type ResponseAlgorithms,
} from '#src/clients/response-protection.ts';

/** A server that signs with these, and encrypts by everything there is. */
export function algorithmsWith(...signing: readonly string[]): ResponseAlgorithms {
  return {
    signing,
    keyManagement: KEY_MANAGEMENT_ALGORITHMS,
    contentEncryption: CONTENT_ENCRYPTION_ALGORITHMS,
  };
}
