import { createHash } from 'node:crypto';
import { StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import type { KekRegister } from '#src/sealing/kek-register.ts';
import type { KeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { MissingKeyFault, Sealer } from '#src/sealing/sealer.ts';
import type { Backend } from '#src/storage/backend.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface StoredRegister {
  readonly register: KekRegister;
  readonly version: number;
}

/** Throws `MissingKeyFault` without the key that is current. `null` if the store has no register yet. */
export async function findRegister(
  backend: Backend,
  sealer: Sealer,
  now: EpochSeconds,
): Promise<StoredRegister | null> {
  const found = await backend.find(REGISTER_KIND, REGISTER_KEY, now);
  if (found === null) return null;
  const register = JSON.parse(sealer.open(REGISTER_CONTEXT, found.body).toString()) as KekRegister;
  return { register, version: found.version };
}

/**
 * Replaces the register of that version, or makes the first where it is `null`; `null` if somebody else was faster. By
 * the same write the store takes the seal of the key that is current in it, and from then on no body with another.
 * Throws `MissingKeyFault` without that key.
 */
export async function writeRegister(
  backend: Backend,
  keys: KeyEncryptionKeys,
  register: KekRegister,
  { onlyVersion, random, now }: { onlyVersion: number | null; random: Random; now: EpochSeconds },
): Promise<StoredRegister | null> {
  const current = keys.find(register.current.id);
  if (current === null) throw new MissingKeyFault(register.current.id, keys.source);
  // Under the key that is current in what is written, not under the one that is so until then.
  const { source } = keys;
  const sealer = new Sealer({ current, source, find: (id) => keys.find(id) }, random);
  const put = await backend.put(
    {
      kind: REGISTER_KIND,
      key: REGISTER_KEY,
      body: sealer.seal(REGISTER_CONTEXT, Buffer.from(JSON.stringify(register))),
      expiresAt: null,
      group: null,
      owner: null,
      aliases: [],
      note: null,
      onlyIf: onlyVersion === null ? 'absent' : { version: onlyVersion },
      setsSeal: true,
    },
    now,
  );
  if (put.outcome === 'stored') return { register, version: put.version };
  if (put.outcome === 'stale') return null;
  throw new StorageFault(`the register of key-encryption keys could not be stored: ${put.outcome}`);
}

/** Its place is public, like that of the root secret: it tells which keys are needed to read anything else. */
export const REGISTER_KIND = 'kek-register';
const REGISTER_KEY = createHash('sha256').update('keyturn register of key-encryption keys').digest();
export const REGISTER_CONTEXT = 'register of key-encryption keys';
