import { timingSafeEqual } from 'node:crypto';
import argon2 from 'argon2';
import {
  type Argon2Cost,
  formatHash,
  isPayable,
  type ParsedHash,
  type PasswordHash,
  readHash,
} from '#src/accounts/password-hash.ts';
import { WaitingLine } from '#src/accounts/waiting-line.ts';
import type { Random } from '#src/random.ts';
import type { Secret } from '#src/secret.ts';
import type { Seconds } from '#src/units.ts';

/** RFC 9106 section 3.1 recommends 16 bytes of salt for passwords. */
const SALT_BYTES = 16;
const DIGEST_BYTES = 32;

export interface PasswordHasherOptions {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
  /**
   * How many hashes are computed at once. Fewer than the threads of libuv's pool, which serves files and DNS
   * too.
   */
  readonly concurrency: number;
  /** How many more may wait for their turn. */
  readonly queueMax: number;
  /** How long one may wait for its turn. */
  readonly waitMax: Seconds;
  readonly random: Random;
}

/**
 * Hashes passwords with argon2id and compares them. Whatever it is asked, it computes no more than
 * `concurrency` hashes at once; who finds the line full or waits too long gets `Refusal('overloaded')`.
 */
export class PasswordHasher {
  readonly #cost: Argon2Cost;
  readonly #random: Random;
  readonly #line: WaitingLine;
  /**
   * A hash at today's cost that no password has. Random digests serve as well as computed ones, for nobody
   * knows a preimage.
   */
  readonly #nobody: ParsedHash;

  /** @throws RangeError for a cost at which argon2 cannot run. */
  constructor({ memoryKiB, iterations, parallelism, random, ...line }: PasswordHasherOptions) {
    this.#cost = { memoryKiB, iterations, parallelism };
    if (!isPayable(this.#cost)) throw new RangeError('argon2 cannot run at this cost');
    this.#random = random;
    this.#line = new WaitingLine(line);
    this.#nobody = { ...this.#cost, salt: random.bytes(SALT_BYTES), digest: random.bytes(DIGEST_BYTES) };
  }

  /** Where passwords wait for their turn. */
  get line(): Pick<WaitingLine, 'waiting' | 'running' | 'observe'> {
    return this.#line;
  }

  /** @throws Refusal `overloaded` */
  async hash(password: Secret): Promise<PasswordHash> {
    const salt = this.#random.bytes(SALT_BYTES);
    const digest = await this.#derive(password, { ...this.#cost, salt }, DIGEST_BYTES);
    return formatHash({ ...this.#cost, salt, digest });
  }

  /**
   * Whether the hash was made from this password. For no hash, or one that cannot be read, the answer is
   * false after the work that a wrong password takes at today's cost, so that the time tells nothing.
   * @throws Refusal `overloaded`
   */
  async verify({ password, hash }: { password: Secret; hash: PasswordHash | null }): Promise<boolean> {
    const known = hash === null ? null : readHash(hash);
    const expected = known ?? this.#nobody;
    const digest = await this.#derive(password, expected, expected.digest.length);
    return timingSafeEqual(digest, expected.digest) && known !== null;
  }

  /** Whether the hash costs something else than one made today. */
  needsRehash(hash: PasswordHash): boolean {
    const { memoryKiB, iterations, parallelism } = this.#cost;
    const made = readHash(hash);
    return (
      made === null ||
      made.memoryKiB !== memoryKiB ||
      made.iterations !== iterations ||
      made.parallelism !== parallelism
    );
  }

  #derive(password: Secret, how: Argon2Cost & { salt: Buffer }, hashLength: number): Promise<Buffer> {
    return this.#line.whenFree(() =>
      argon2.hash(preparePassword(password.reveal()), {
        raw: true,
        type: argon2.argon2id,
        memoryCost: how.memoryKiB,
        timeCost: how.iterations,
        parallelism: how.parallelism,
        salt: how.salt,
        hashLength,
      }),
    );
  }
}

/**
 * The form of a password that is measured and hashed, so that the same keys pressed on another device give
 * the same password: all spaces alike, then NFKC, nothing trimmed or cut off (NIST SP 800-63B-4 section
 * 3.1.1.2; RFC 8265 section 4.2 maps spaces alike).
 */
export function preparePassword(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFKC');
}
