import { randomBytes } from 'node:crypto';

/** Where the program gets its chance. Passed in everywhere, so that a test can repeat it. */
export interface Random {
  /** `count` bytes that nobody can guess. */
  bytes(count: number): Buffer;
}

/** How much is drawn at once, so that an identifier does not cost a call of its own. */
const POOL_BYTES = 4096;

/** Longer than every identifier and secret of ours; what is longer is drawn by itself. */
const POOLED_BYTES_MAX = 64;

/** The system's own, drawn in advance. What was handed out is no longer there. */
export class PooledRandom implements Random {
  #pool = Buffer.alloc(0);
  #drawn = 0;

  bytes(count: number): Buffer {
    if (count > POOLED_BYTES_MAX) return randomBytes(count);
    if (this.#drawn + count > this.#pool.length) {
      this.#pool = randomBytes(POOL_BYTES);
      this.#drawn = 0;
    }
    const end = this.#drawn + count;
    const bytes = Buffer.from(this.#pool.subarray(this.#drawn, end));
    this.#pool.fill(0, this.#drawn, end);
    this.#drawn = end;
    return bytes;
  }
}

export const systemRandom: Random = new PooledRandom();

/** Enough that guessing is hopeless: RFC 6819 section 5.1.4.2.2 asks for 128 bits, we take twice that. */
const CREDENTIAL_BYTES = 32;

/** Enough that two never meet by chance, for names that are not secrets. */
const IDENTIFIER_BYTES = 16;

/** A secret of 256 bits in URL-safe letters, behind a prefix that secret scanners can look for. */
export function newCredential(random: Random, prefix: `keyturn_${string}_`): string {
  return prefix + random.bytes(CREDENTIAL_BYTES).toString('base64url');
}

/** An identifier of 128 bits in URL-safe letters; not a secret. */
export function newIdentifier(random: Random): string {
  return random.bytes(IDENTIFIER_BYTES).toString('base64url');
}
