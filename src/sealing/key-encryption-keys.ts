import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * The key-encryption keys (KEKs) that a process holds. Whatever is in the store is sealed under one of them, and
 * nothing else of a deployment has to be kept apart from it.
 */
export class KeyEncryptionKeys {
  /** The newest, under which new records are sealed; `null` if there is none. */
  readonly current: KeyEncryptionKey | null;
  /** Where they came from, for messages: a directory, or a setting. */
  readonly source: string;
  readonly #byId: ReadonlyMap<string, KeyEncryptionKey>;

  /** Throws `SetupFault` if two different keys have the same id. */
  constructor(keys: readonly KeyEncryptionKey[], source: string) {
    const byId = new Map<string, KeyEncryptionKey>();
    for (const kek of keys) {
      if (!(byId.get(kek.id)?.key.equals(kek.key) ?? true)) {
        throw new SetupFault(
          `two different key-encryption keys in ${source} have the id ${kek.id}`,
          'keep the one that the store was sealed under, which a backup can tell',
        );
      }
      byId.set(kek.id, kek);
    }
    this.#byId = byId;
    this.source = source;
    const newest = [...byId.keys()].sort().at(-1);
    this.current = byId.get(newest ?? '') ?? null;
  }

  find(id: string): KeyEncryptionKey | null {
    return this.#byId.get(id) ?? null;
  }
}

export interface KeyEncryptionKey {
  /** `YYYYMMDD-hhmmss-xxxxxx`: when it was made (UTC) and six random hex digits. The greatest id is the newest key. */
  readonly id: string;
  readonly key: KeyObject;
}

export const KEK_ID_CHARACTERS = 22;

export const isKeyEncryptionKeyId = (text: string): boolean => KEK_ID.test(text);

/** A new key-encryption key as the one line of text that a key file or the setting holds. */
export function newKeyEncryptionKey({ clock, random }: { clock: Clock; random: Random }): Secret {
  const id = `${timestamp(clock.now())}-${random.bytes(KEK_ID_RANDOM_BYTES).toString('hex')}`;
  return new Secret(`keyturn_kek_${id}_${random.bytes(KEK_BYTES).toString('base64url')}`);
}

/**
 * Reads key-encryption keys from text, one a line; `source` says where the text is from. Throws `SetupFault`, which
 * does not repeat the text, unless every line is a key and there is at least one.
 */
export function parseKeyEncryptionKeys(text: Secret, source: string): KeyEncryptionKey[] {
  const lines = text.reveal().trim().split(/\s+/);
  return lines.map((line) => {
    const [, id, encoded] = KEK_LINE.exec(line) ?? [];
    if (id === undefined || encoded === undefined) {
      throw new SetupFault(
        `${source} does not hold a key-encryption key`,
        'it must be one line, keyturn_kek_, the id of the key, an underscore and 43 letters, as Keyturn wrote it',
      );
    }
    return { id, key: createSecretKey(Buffer.from(encoded, 'base64url')) };
  });
}

const KEK_BYTES = 32;
const KEK_ID_RANDOM_BYTES = 3;
const KEK_ID = /^\d{8}-\d{6}-[0-9a-f]{6}$/;
const KEK_LINE = /^keyturn_kek_(\d{8}-\d{6}-[0-9a-f]{6})_([\w-]{43})$/;

/** `20260714-101530` */
function timestamp(now: EpochSeconds): string {
  const [date = '', time = ''] = new Date(now * 1000).toISOString().slice(0, 19).split('T');
  return `${date.replaceAll('-', '')}-${time.replaceAll(':', '')}`;
}
