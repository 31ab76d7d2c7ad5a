import type { Clock } from '#src/clock.ts';
import { StorageFault } from '#src/fault.ts';
import { type KekListing, kekListing } from '#src/sealing/kek-listing.ts';
import {
  candidates,
  type KekRegister,
  type KeyUser,
  neededKeys,
  nextRegister,
  withoutKey,
} from '#src/sealing/kek-register.ts';
import type { KeyFile } from '#src/sealing/key-directory.ts';
import type { KeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { type BodyCount, countSealed, type SealedStore } from '#src/sealing/resealing.ts';
import { Secret } from '#src/secret.ts';

/** The keys of this process and the register of the store, which every process reads and writes. */
export interface RegisteredKeys {
  readonly held: KeyEncryptionKeys;
  /** Reads the register. Throws `StorageFault`, also where its current key is not held. */
  refresh(): Promise<{ readonly register: KekRegister; readonly version: number }>;
  /** Replaces the register if it is still that version, and has the store take nothing but what its current key seals. */
  replace(register: KekRegister, onlyVersion: number): Promise<boolean>;
  /** Takes up new keys of the directory; `null` where the keys come by a setting. Throws `SetupFault`. */
  readDirectory(): Promise<readonly KeyFile[] | null>;
  /** Makes a key that is newer than the one of this id, in a file, or as a text where keys come by a setting. */
  makeKey(newerThan: string): Promise<KeyFile | Secret>;
}

export interface KekRotationParts<User extends KeyUser> {
  readonly keys: RegisteredKeys;
  readonly store: Pick<SealedStore, 'count'>;
  /** All processes that live and serve, this one included if it does. */
  readonly users: () => Promise<readonly User[]>;
  readonly clock: Clock;
}

/**
 * `made`: a new key lies in the key directory. `waiting`: one lies there that has not become current yet, and another is
 * not wanted. `to-be-set`: the keys come by a setting, and this is to be put there beside the others.
 */
export type NewKek =
  | { readonly outcome: 'made'; readonly id: string; readonly file: string }
  | { readonly outcome: 'waiting'; readonly id: string }
  | { readonly outcome: 'to-be-set'; readonly text: Secret };

/** What stands in the way of a key: processes that do not have it. */
export interface KekStanding<User> {
  readonly register: KekRegister;
  /** The newest key here that is to become current; `null` if there is none. */
  readonly waiting: string | null;
  readonly lacking: readonly User[];
}

/** `in-use`: so many bodies are sealed under it. `unknown`: nobody here has such a key. */
export type KekRetirement =
  | { readonly outcome: 'retired' | 'already-retired' | 'current' | 'next' | 'unknown' }
  | { readonly outcome: 'in-use'; readonly counts: readonly BodyCount[] };

/** Each lost race means that somebody else has changed the register, which happens a few times a year. */
const ATTEMPTS_MAX = 16;

/** Replaces the key-encryption key of a store while any number of processes use it. */
export class KekRotation<User extends KeyUser = KeyUser> {
  readonly #parts: KekRotationParts<User>;

  constructor(parts: KekRotationParts<User>) {
    this.#parts = parts;
  }

  /** Makes a key that is newer than all others, unless one is waiting. Throws `SetupFault`, `StorageFault`. */
  async make(): Promise<NewKek> {
    const { keys } = this.#parts;
    await keys.readDirectory();
    const { register } = await keys.refresh();
    const [waiting] = candidates(register, keys.held.ids);
    if (waiting !== undefined) return { outcome: 'waiting', id: waiting };
    const known = [...keys.held.ids, ...neededKeys(register), ...register.retired.map(({ id }) => id)];
    const made = await keys.makeKey(known.toSorted().at(-1) ?? '');
    if (made instanceof Secret) return { outcome: 'to-be-set', text: made };
    return { outcome: 'made', id: made.keys[0]?.id ?? '', file: made.path };
  }

  /**
   * Lets a newer key become current if every process that lives has it, and says how things stand then. Any number of
   * processes may do this at once. Throws `StorageFault`.
   */
  async advance(): Promise<KekStanding<User>> {
    const { keys, users, clock } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const { register, version } = await keys.refresh();
      // After the register: whoever starts later than this look has read the announcement.
      const everyone = await users();
      const following = nextRegister(register, keys.held.ids, everyone, clock.now());
      if (following === null) {
        const [waiting = null] = candidates(register, keys.held.ids);
        const lacking = everyone.filter(({ keks }) => waiting !== null && !keks.includes(waiting));
        return { register, waiting, lacking };
      }
      await keys.replace(following, version);
    }
    throw new StorageFault('the register of key-encryption keys changes faster than this process can follow');
  }

  /** Everything that is sealed, counted by key and kind. Throws `StorageFault`. */
  count(): Promise<readonly BodyCount[]> {
    return countSealed(this.#parts.store);
  }

  /** Every key-encryption key, and what is sealed under it. Throws `StorageFault`. */
  async list(): Promise<readonly KekListing[]> {
    const { keys } = this.#parts;
    const counts = await this.count();
    const { register } = await keys.refresh();
    return kekListing(register, keys.held.ids, counts);
  }

  /** The file of the key directory that holds this key; `null` if there is none. Throws `SetupFault`. */
  async fileOf(id: string): Promise<KeyFile | null> {
    const files = (await this.#parts.keys.readDirectory()) ?? [];
    return files.find(({ keys }) => keys.some((key) => key.id === id)) ?? null;
  }

  /**
   * Ends a key that nothing is sealed under. Nothing can come to be under it after it has been counted: the store takes
   * what the current key seals, and nothing else. Throws `StorageFault`.
   */
  async retire(id: string): Promise<KekRetirement> {
    const { keys, clock } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const { register, version } = await keys.refresh();
      if (register.current.id === id) return { outcome: 'current' };
      if (register.next === id) return { outcome: 'next' };
      if (register.retired.some((key) => key.id === id)) return { outcome: 'already-retired' };
      const counts = (await this.count()).filter(({ kekId }) => kekId === id);
      if (counts.length > 0) return { outcome: 'in-use', counts };
      const isFormer = register.former.some((key) => key.id === id);
      if (!isFormer && !keys.held.ids.includes(id)) return { outcome: 'unknown' };
      if (await keys.replace(withoutKey(register, id, clock.now()), version)) return { outcome: 'retired' };
    }
    throw new StorageFault('the register of key-encryption keys changes faster than this process can follow');
  }
}
