import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * Subject identifiers that differ from one sector to the next, so that clients of two sectors cannot find out that they
 * know the same person: OpenID Connect Core section 8.1. One is the same for ever, as its key is this deployment's own
 * and never changes; nobody without that key can compute it or turn it back.
 */
export class PairwiseSubjects {
  readonly #key: KeyObject;

  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  of(sector: string, subject: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([sector, subject]))
      .digest('base64url');
  }
}
