import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { Random } from '#src/random.ts';
import type { Sealer } from '#src/sealing/sealer.ts';
import type { Backend, BackendRecord } from '#src/storage/backend.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * The one secret of a store, 32 random bytes from which every other is derived. It lies in the store itself, sealed,
 * so that all who share the store share it, and so that it outlives the key-encryption key that seals it.
 */
export class RootSecret {
  readonly #key: KeyObject;

  constructor(bytes: Uint8Array) {
    this.#key = createSecretKey(bytes);
  }

  /** A key of 32 bytes for one purpose: the same label gives the same key, and no key tells anything of another. */
  derive(label: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', `keyturn derived key: ${label}`, KEY_BYTES));
  }
}

/** The sealed root secret of a store, or `null` if the store is new. */
export function findRootRecord(backend: Backend, now: EpochSeconds): Promise<BackendRecord | null> {
  return backend.find(ROOT_KIND, ROOT_KEY, now);
}

/** Throws `StorageFault` if the sealer does not have the key for it. */
export function openRootSecret(record: BackendRecord, sealer: Sealer): RootSecret {
  return new RootSecret(sealer.open(ROOT_CONTEXT, record.body));
}

/** Gives a new store its root secret. False if another process was faster: then that one's counts. */
export async function makeRootSecret(
  backend: Backend,
  { sealer, random, now }: { sealer: Sealer; random: Random; now: EpochSeconds },
): Promise<boolean> {
  const body = sealer.seal(ROOT_CONTEXT, random.bytes(KEY_BYTES));
  const place = {
    kind: ROOT_KIND,
    key: ROOT_KEY,
    expiresAt: null,
    group: null,
    owner: null,
    aliases: [],
    note: null,
  };
  const { outcome } = await backend.put({ ...place, body, onlyIf: 'absent' }, now);
  return outcome === 'stored';
}

const KEY_BYTES = 32;

/** Its place is public, since the key that hides other places is derived from what it holds. */
export const ROOT_KIND = 'root';
const ROOT_KEY = createHash('sha256').update('keyturn root secret').digest();
export const ROOT_CONTEXT = 'root secret';
