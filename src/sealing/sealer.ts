import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import {
  isKeyEncryptionKeyId,
  KEK_ID_CHARACTERS,
  type KeyEncryptionKey,
  type KeyEncryptionKeys,
} from '#src/sealing/key-encryption-keys.ts';

/**
 * Seals bytes so that only a holder of the key-encryption key can read them, and only in the context that they were
 * sealed for. AES-256-GCM (NIST SP 800-38D), and per epoch a data key of its own, derived from the key-encryption key
 * and a random salt by HKDF-SHA256 (RFC 5869). An epoch ends with the process, or after `SEALS_PER_EPOCH_MAX` seals.
 *
 *     sealed = version (1) | KEK id (22, ASCII) | epoch salt (16) | nonce (12) | ciphertext | tag (16)
 */
export class Sealer {
  readonly #keys: KeyEncryptionKeys;
  readonly #current: KeyEncryptionKey;
  readonly #random: Random;
  readonly #sealsPerEpochMax: number;
  readonly #dataKeys = new Map<string, KeyObject>();
  #epoch: Epoch;

  constructor(keys: KeyEncryptionKeys, random: Random, options: { sealsPerEpochMax?: number } = {}) {
    if (keys.current === null) {
      throw new TypeError('a sealer needs a key-encryption key');
    }
    this.#keys = keys;
    this.#current = keys.current;
    this.#random = random;
    this.#sealsPerEpochMax = options.sealsPerEpochMax ?? SEALS_PER_EPOCH_MAX;
    this.#epoch = this.#newEpoch();
  }

  /** Seals under the current key-encryption key. */
  seal(context: Uint8Array | string, plaintext: Uint8Array): Buffer {
    if (this.#epoch.seals >= this.#sealsPerEpochMax) {
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
   * Opens what was sealed in the same context under any of the keys. Throws `StorageFault` if the key is missing, or if
   * the bytes were changed or sealed in another context.
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
    const salt = this.#random.bytes(SALT_BYTES);
    return {
      dataKey: deriveDataKey(this.#current.key, salt),
      prefix: Buffer.concat([Buffer.of(FORMAT_VERSION), Buffer.from(this.#current.id, 'latin1'), salt]),
      seals: 0,
    };
  }

  /** The most recently used data keys are kept, so that opening does not derive one each time. */
  #dataKeyFor(id: string, salt: Uint8Array): KeyObject {
    const name = id + asBuffer(salt).toString('latin1');
    let dataKey = this.#dataKeys.get(name);
    if (dataKey === undefined) {
      const kek = this.#keys.find(id);
      if (kek === null) {
        throw new StorageFault(`the key-encryption key ${id} is not in ${this.#keys.source}`);
      }
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
  const id = asBuffer(sealed).toString('latin1', KEK_ID_AT, SALT_AT);
  if (
    sealed[0] !== FORMAT_VERSION ||
    sealed.length < CIPHERTEXT_AT + TAG_BYTES ||
    !isKeyEncryptionKeyId(id)
  ) {
    throw new StorageFault('a record in the store is not in the sealed form that this program knows');
  }
  return id;
}

interface Epoch {
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
const SALT_AT = KEK_ID_AT + KEK_ID_CHARACTERS;
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
