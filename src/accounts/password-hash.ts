import { Secret } from '#src/secret.ts';

declare const passwordHash: unique symbol;

/**
 * A PHC string of argon2id, version 1.3. Not the password, but enough to guess at it offline, so it is not
 * printed either.
 */
export type PasswordHash = Secret & { readonly [passwordHash]: true };

/**
 * What a hash costs. OWASP asks for at least 19 MiB with 2 iterations, or an equal trade of one for the
 * other.
 */
export interface Argon2Cost {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
}

/** A password hash, read: what has to be done again to compare. */
export interface ParsedHash extends Argon2Cost {
  readonly salt: Buffer;
  readonly digest: Buffer;
}

/** No hash is followed beyond this, however it came into the store: 1 GiB. */
const MEMORY_KIB_MAX = 1024 * 1024;
const ITERATIONS_MAX = 100;
const PARALLELISM_MAX = 64;

/** argon2 works in blocks of 1 KiB, at least eight for each lane (RFC 9106 section 3.1). */
const MEMORY_KIB_PER_LANE_MIN = 8;

/** Salts of 8 to 64 bytes and digests of 16 to 64, in base64 without padding. */
const PHC = /^\$argon2id\$v=19\$([^$]*)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** The three costs once each. The reference implementation writes them in the order m, t, p; others do not. */
const COST =
  /^(?=.*m=(\d{1,9})(?:,|$))(?=.*t=(\d{1,9})(?:,|$))(?=.*p=(\d{1,9})(?:,|$))[mtp]=\d+,[mtp]=\d+,[mtp]=\d+$/;

/** A text from the store, taken for a hash; whether it is one shows when it is read. */
export function storedHash(text: string): PasswordHash {
  return new Secret(text) as PasswordHash;
}

export function formatHash({ memoryKiB, iterations, parallelism, salt, digest }: ParsedHash): PasswordHash {
  const cost = `m=${memoryKiB},t=${iterations},p=${parallelism}`;
  return storedHash(`$argon2id$v=19$${cost}$${unpadded(salt)}$${unpadded(digest)}`);
}

/** Reads a hash, or answers `null` for a text that is none or costs more than the limits. */
export function readHash(hash: PasswordHash): ParsedHash | null {
  const [, costs = '', salt, digest] = PHC.exec(hash.reveal()) ?? [];
  const [, memory, iterations, parallelism] = COST.exec(costs) ?? [];
  if (salt === undefined || digest === undefined) return null;
  const cost = {
    memoryKiB: Number(memory),
    iterations: Number(iterations),
    parallelism: Number(parallelism),
  };
  if (!isPayable(cost)) return null;
  return { ...cost, salt: Buffer.from(salt, 'base64'), digest: Buffer.from(digest, 'base64') };
}

/** Whether argon2 can be run at this cost, within the limits. */
export function isPayable({ memoryKiB, iterations, parallelism }: Argon2Cost): boolean {
  return (
    within(1, parallelism, PARALLELISM_MAX) &&
    within(1, iterations, ITERATIONS_MAX) &&
    within(MEMORY_KIB_PER_LANE_MIN * parallelism, memoryKiB, MEMORY_KIB_MAX)
  );
}

function within(min: number, value: number, max: number): boolean {
  return Number.isInteger(value) && min <= value && value <= max;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
