import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, deflate } from 'node:zlib';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type EpochSeconds, epochSeconds, minutes } from '#src/units.ts';

/** Where a token's status is told: Token Status List section 6.1. */
export interface StatusReference {
  readonly idx: number;
  readonly uri: string;
}

/** The media type of a list, and in short the type in its header: Token Status List sections 5.1 and 8.2. */
export const STATUS_LIST_TYPE = 'statuslist+jwt';

/** Where the lists are. */
export const STATUS_LISTS_PATH = '/status-lists';

/**
 * All tokens of one signature algorithm that expire in the same stretch of time share a list, whomever they are for: the
 * more, the less an index tells. So a list can be dropped when its stretch is over. To change it would orphan the
 * references of the tokens that are out.
 */
const STRETCH = minutes(15);

/** A list by what it is for. */
export interface ListKey {
  readonly alg: SigningAlgorithm;
  /** Counts stretches from 1970 on. */
  readonly stretch: number;
}

export function listFor(alg: SigningAlgorithm, expiresAt: EpochSeconds): ListKey {
  return { alg, stretch: Math.floor(expiresAt / STRETCH) };
}

/** When the last token of a list has expired. */
export function endOf({ stretch }: ListKey): EpochSeconds {
  return epochSeconds((stretch + 1) * STRETCH);
}

/** Names lists so that every node finds the same name, and nobody else one without having a token that says it. */
export class ListNames {
  readonly #key: KeyObject;

  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  nameOf({ alg, stretch }: ListKey): string {
    const digest = createHmac('sha256', this.#key).update(`${alg} ${stretch}`).digest();
    return digest.subarray(0, NAME_BYTES).toString('base64url');
  }
}

const NAME_BYTES = 16;

/** The statuses of a list, one bit each: 0 is valid, 1 is not. Token Status List sections 4.1 and 7.1. */
export class Statuses {
  readonly #bytes: Uint8Array;

  constructor(size: number) {
    this.#bytes = new Uint8Array(Math.ceil(size / 8));
  }

  setInvalid(index: number): void {
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (1 << (index & 7));
  }

  /** The list as a Status List Token carries it: Token Status List section 4.2. */
  async encoded(): Promise<{ readonly bits: 1; readonly lst: string }> {
    const compressed = await promisify(deflate)(this.#bytes, { level: constants.Z_BEST_COMPRESSION });
    return { bits: 1, lst: compressed.toString('base64url') };
  }
}
