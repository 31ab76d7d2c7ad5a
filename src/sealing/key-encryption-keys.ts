import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { after, type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';

/**
 * The key-encryption keys (KEKs) that a process holds. Whatever is in the store is sealed under one of them, and
 * nothing else of a deployment has to be kept apart from it. Keys join; none ever leaves but by being retired.
 */
export class KeyEncryptionKeys {
  /** Where they came from, for messages: a directory, or a setting. */
  readonly source: string;
  readonly #byId = new Map<string, KeyEncryptionKey>();
  readonly #retired = new Set<string>();
  #current: KeyEncryptionKey | null = null;

  /** Throws `SetupFault` if two different keys have the same id. */
  constructor(keys: readonly KeyEncryptionKey[], source: string) {
    this.source = source;
    this.add(keys);
  }

  /** The one that new bodies are sealed under: that of the register, and until that is known the newest. */
  get current(): KeyEncryptionKey {
    const current = this.#current ?? this.#byId.get(this.ids.at(-1) ?? '');
    if (current === undefined) throw new TypeError('there is no key-encryption key');
    return current;
  }

  /** The ids of all that are held and not retired, the oldest first. */
  get ids(): readonly string[] {
    return [...this.#byId.keys()].filter((id) => !this.#retired.has(id)).sort();
  }

  /** How many are known to be retired: what was opened under one of them when this grows may not be again. */
  get retiredCount(): number {
    return this.#retired.size;
  }

  /** `null` for a key that is not held, or is retired. */
  find(id: string): KeyEncryptionKey | null {
    return this.#retired.has(id) ? null : (this.#byId.get(id) ?? null);
  }

  /** Takes keys in beside those that are held. Throws `SetupFault`, and takes none, if one differs from one of its id. */
  add(keys: readonly KeyEncryptionKey[]): void {
    const held = new Map(this.#byId);
    for (const kek of keys) {
      if (!(held.get(kek.id)?.key.equals(kek.key) ?? true)) {
        throw new SetupFault(
          `two different key-encryption keys in ${this.source} have the id ${kek.id}`,
          'keep the one that the store was sealed under, which a backup can tell',
        );
      }
      if (!held.has(kek.id)) held.set(kek.id, kek);
    }
    for (const [id, kek] of held) this.#byId.set(id, kek);
  }

  /** Turns to what the register says. Throws `RangeError`, and does not turn, if the current key is not held. */
  follow({ current, retired }: { readonly current: string; readonly retired: readonly string[] }): void {
    const kek = this.#byId.get(current);
    if (kek === undefined) throw new RangeError(`the key-encryption key ${current} is not held`);
    this.#current = kek;
    for (const id of retired) this.#retired.add(id);
  }
}

export interface KeyEncryptionKey {
  /** `YYYYMMDD-hhmmss-xxxxxx`: when it was made (UTC) and six random hex digits. The greatest id is the newest key. */
  readonly id: string;
  readonly key: KeyObject;
}

export const KEK_ID_CHARACTERS = 22;

export const isKeyEncryptionKeyId = (text: string): boolean => KEK_ID.test(text);

/**
 * A new key-encryption key as the one line of text that a key file or the setting holds. Its id is greater than
 * `newerThan`, also within the same second and with a clock that went back.
 */
export function newKeyEncryptionKey({
  clock,
  random,
  newerThan = '',
}: {
  readonly clock: Clock;
  readonly random: Random;
  readonly newerThan?: string;
}): Secret {
  const tail = random.bytes(KEK_ID_RANDOM_BYTES).toString('hex');
  let madeAt = clock.now();
  if (timestamp(madeAt) <= newerThan.slice(0, TIMESTAMP_CHARACTERS))
    madeAt = after(madeAtOf(newerThan), seconds(1));
  return new Secret(
    `keyturn_kek_${timestamp(madeAt)}-${tail}_${random.bytes(KEK_BYTES).toString('base64url')}`,
  );
}

/** When a key-encryption key was made, as its id says. */
function madeAtOf(id: string): EpochSeconds {
  const iso = id.replace(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-.*$/, '$1-$2-$3T$4:$5:$6Z');
  return epochSeconds(Date.parse(iso) / 1000);
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

const TIMESTAMP_CHARACTERS = '20260714-101530'.length;
const KEK_BYTES = 32;
const KEK_ID_RANDOM_BYTES = 3;
const KEK_ID = /^\d{8}-\d{6}-[0-9a-f]{6}$/;
const KEK_LINE = /^keyturn_kek_(\d{8}-\d{6}-[0-9a-f]{6})_([\w-]{43})$/;

/** `20260714-101530` */
function timestamp(now: EpochSeconds): string {
  const [date = '', time = ''] = new Date(now * 1000).toISOString().slice(0, 19).split('T');
  return `${date.replaceAll('-', '')}-${time.replaceAll(':', '')}`;
}
