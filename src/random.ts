import { randomBytes } from 'node:crypto';

/** Where the program gets its chance. Passed in everywhere, so that a test can repeat it. */
export interface Random {
  /** `count` bytes that nobody can guess. */
  bytes(count: number): Buffer;
}

export const systemRandom: Random = { bytes: randomBytes };

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
