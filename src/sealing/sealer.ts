import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import {
  isKeyEncryptionKeyId,
  KEK_ID_CHARACTERS,
  type KeyEncryptionKey,
} from '#src/sealing/key-encryption-keys.ts';

/** The keys that a sealer works with. Which one is current may change at any time. */
export interface SealingKeys {
  readonly current: KeyEncryptionKey;
  /** `null` for a key that is not held, or must not be used any more. */
  find(id: string): KeyEncryptionKey | null;
  /** Where they came from, for messages. */
  readonly source: string;
}

/** Something is sealed under a key-encryption key that this process does not have, or may not use. */
export class MissingKeyFault extends StorageFault {
  readonly keyId: string;

  constructor(keyId: string, source: string) {
    super(`the key-encryption key ${keyId} is not in ${source}`);
    this.name = 'MissingKeyFault';
    this.keyId = keyId;
  }
}

/**
 * Seals bytes so that only a holder of the key-encryption key can read them, and only in the context that they were
 * sealed for. AES-256-GCM (NIST SP 800-38D), and per epoch a data key of its own, derived from the key-encryption key
 * and a random salt by HKDF-SHA256 (RFC 5869). An epoch ends with the process, when another key becomes current, or after
 * `SEALS_PER_EPOCH_MAX` seals.
 *
 *     sealed = seal (23) | epoch salt (16) | nonce (12) | ciphertext | tag (16);  seal = version (1) | KEK id (22, ASCII)
 */
export class Sealer {
  readonly #keys: SealingKeys;
  readonly #random: Random;
  readonly #sealsPerEpochMax: number;
  readonly #dataKeys = new Map<string, KeyObject>();
  #epoch: Epoch;

  constructor(keys: SealingKeys, random: Random, options: { sealsPerEpochMax?: number } = {}) {
    this.#keys = keys;
    this.#random = random;
    this.#sealsPerEpochMax = options.sealsPerEpochMax ?? SEALS_PER_EPOCH_MAX;
    this.#epoch = this.#newEpoch();
  }

  /** Seals under the current key-encryption key. */
  seal(context: Uint8Array | string, plaintext: Uint8Array): Buffer {
    if (this.#epoch.kek !== this.#keys.current || this.#epoch.seals >= this.#sealsPerEpochMax) {
      this.#epoch = this.#newEpoch();
    }
    this.#epoch.seals += 1;
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#epoch.dataKey, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(bytesOf(context));
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([this.#epoch.prefix, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /**
   * Opens what was sealed in the same context under any of the keys. Throws `MissingKeyFault` if the key is not
   * there, `StorageFault` if the bytes were changed or sealed in another context.
   */
  open(context: Uint8Array | string, sealed: Uint8Array): Buffer {
    const id = keyEncryptionKeyIdOf(sealed);
    const dataKey = this.#dataKeyFor(id, sealed.subarray(SALT_AT, NONCE_AT));
    const nonce = sealed.subarray(NONCE_AT, CIPHERTEXT_AT);
    const tagAt = sealed.length - TAG_BYTES;
    try {
      const decipher = createDecipheriv('aes-256-gcm', dataKey, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(bytesOf(context));
      decipher.setAuthTag(sealed.subarray(tagAt));
      const plaintext = decipher.update(sealed.subarray(CIPHERTEXT_AT, tagAt));
      decipher.final();
      return plaintext;
    } catch (cause) {
      throw new StorageFault(
        `what was sealed under the key-encryption key ${id} was changed, moved, or sealed under another key of that id`,
        { cause },
      );
    }
  }

  #newEpoch(): Epoch {
    const kek = this.#keys.current;
    const salt = this.#random.bytes(SALT_BYTES);
    const dataKey = deriveDataKey(kek.key, salt);
    return { kek, dataKey, prefix: Buffer.concat([sealOfKey(kek.id), salt]), seals: 0 };
  }

  /** The most recently used data keys are kept, so that opening does not derive one each time. */
  #dataKeyFor(id: string, salt: Uint8Array): KeyObject {
    // Asked each time, for a key may have been retired since its data key was derived.
    const kek = this.#keys.find(id);
    if (kek === null) throw new MissingKeyFault(id, this.#keys.source);
    const name = id + asBuffer(salt).toString('latin1');
    let dataKey = this.#dataKeys.get(name);
    if (dataKey === undefined) {
      dataKey = deriveDataKey(kek.key, salt);
    } else {
      this.#dataKeys.delete(name);
    }
    this.#dataKeys.set(name, dataKey);
    if (this.#dataKeys.size > DATA_KEYS_KEPT_MAX) {
      const leastRecentlyUsed = this.#dataKeys.keys().next().value as string;
      this.#dataKeys.delete(leastRecentlyUsed);
    }
    return dataKey;
  }
}

/** Under which key-encryption key something was sealed. Throws `StorageFault` for what no sealer has made. */
export function keyEncryptionKeyIdOf(sealed: Uint8Array): string {
  const id = keyOfSeal(asBuffer(sealed));
  if (id === null || sealed.length < CIPHERTEXT_AT + TAG_BYTES) {
    throw new StorageFault('a record in the store is not in the sealed form that this program knows');
  }
  return id;
}

/** The id of the key-encryption key that a seal is of; `null` for what is no seal. */
export function keyOfSeal(seal: Buffer): string | null {
  const id = seal.toString('latin1', KEK_ID_AT, SEAL_BYTES);
  return seal[0] === FORMAT_VERSION && isKeyEncryptionKeyId(id) ? id : null;
}

/** What every body begins with that a key-encryption key has sealed. */
export const sealOfKey = (id: string): Buffer =>
  Buffer.concat([Buffer.of(FORMAT_VERSION), Buffer.from(id, 'latin1')]);

/** The seal of a body: its first `SEAL_BYTES`. */
export const sealOf = (body: Buffer): Buffer => body.subarray(0, SEAL_BYTES);

interface Epoch {
  readonly kek: KeyEncryptionKey;
  readonly dataKey: KeyObject;
  /** What every body of the epoch begins with. */
  readonly prefix: Buffer;
  seals: number;
}

const FORMAT_VERSION = 1;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEK_ID_AT = 1;
/** How much of a body says under which key it was sealed. */
export const SEAL_BYTES = KEK_ID_AT + KEK_ID_CHARACTERS;
const SALT_AT = SEAL_BYTES;
const NONCE_AT = SALT_AT + SALT_BYTES;
const CIPHERTEXT_AT = NONCE_AT + NONCE_BYTES;

/** With so many random nonces under one key two are equal with a chance below 2^-36; SP 800-38D allows 2^-32. */
const SEALS_PER_EPOCH_MAX = 2 ** 30;

const DATA_KEYS_KEPT_MAX = 256;
const DATA_KEY_BYTES = 32;

function deriveDataKey(kek: KeyObject, salt: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', kek, salt, 'keyturn data key', DATA_KEY_BYTES)));
}

const bytesOf = (context: Uint8Array | string): Uint8Array =>
  typeof context === 'string' ? Buffer.from(context) : context;

/** The same bytes, not a copy. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
