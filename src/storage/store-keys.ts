import type { Clock } from '#src/clock.ts';
import { SetupFault, StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { firstRegister, type KekRegister, neededKeys } from '#src/sealing/kek-register.ts';
import type { RegisteredKeys } from '#src/sealing/kek-rotation.ts';
import { type KeyFile, makeFurtherKey, readKeyDirectory } from '#src/sealing/key-directory.ts';
import {
  KeyEncryptionKeys,
  newKeyEncryptionKey,
  parseKeyEncryptionKeys,
} from '#src/sealing/key-encryption-keys.ts';
import { MissingKeyFault, Sealer } from '#src/sealing/sealer.ts';
import type { Secret } from '#src/secret.ts';
import type { Backend } from '#src/storage/backend.ts';
import { findRegister, type StoredRegister, writeRegister } from '#src/storage/kek-register-record.ts';

/** Where a process has its key-encryption keys from: by setting, one a line, or else from the files of a directory. */
export interface KeySource {
  readonly keysDirectory: string;
  readonly kek?: Secret;
}

export interface StoreKeysParts extends KeySource {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The key-encryption keys of this process together with the register of the store, which says what they are for. Seals
 * under the key that is current as far as is known; the store itself refuses what was sealed under an older one, and
 * `refresh` finds out about the new.
 */
export class StoreKeys implements RegisteredKeys {
  readonly held: KeyEncryptionKeys;
  readonly sealer: Sealer;
  readonly #parts: StoreKeysParts;
  #register: StoredRegister | null = null;
  #refreshing: Promise<StoredRegister> | null = null;

  constructor(parts: StoreKeysParts, held: KeyEncryptionKeys) {
    this.#parts = parts;
    this.held = held;
    this.sealer = new Sealer(held, parts.random);
  }

  /** The register as it was last read. */
  get register(): KekRegister {
    return this.#known().register;
  }

  /**
   * Reads the register of the store, or makes it where there is none, for a store whose root secret is under this key.
   * Throws `SetupFault` unless every key is held that something may be sealed under.
   */
  async open(rootKey: string, { created }: { readonly created: boolean }): Promise<void> {
    const { clock } = this.#parts;
    // What is new can have been sealed under no other key.
    const others = created ? [] : this.held.ids;
    const first = firstRegister(rootKey, others, clock.now());
    await this.#orSetupFault(async () => {
      if ((await this.#find()) === null) await this.#write(first, null);
    });
    await this.assertComplete();
  }

  /**
   * Reads the register anew, and the key directory too if it names keys that are not held. Throws `SetupFault`, which names
   * each, for keys that something may be sealed under and that are not there either.
   */
  async assertComplete(): Promise<void> {
    const { register } = await this.#orSetupFault(() => this.refresh());
    const missing = () => neededKeys(register).filter((id) => this.held.find(id) === null);
    // Another process may have made one since the directory was read.
    if (missing().length > 0) await this.readDirectory();
    if (missing().length > 0) throw missingKeys(missing(), this.held.source);
  }

  /**
   * Reads the register anew, and the key directory too if the register is under a key that is not held. Throws
   * `MissingKeyFault` if it is not there either, `StorageFault` if the directory cannot be read.
   */
  async refresh(): Promise<StoredRegister> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** As `writeRegister`, in place of the version that is known. False if somebody else was faster. */
  async replace(register: KekRegister, onlyVersion: number): Promise<boolean> {
    return (await this.#write(register, onlyVersion)) !== null;
  }

  /** Takes up what has come into the key directory. Throws `StorageFault` if it cannot be read. */
  async lookForKeys(): Promise<void> {
    try {
      await this.readDirectory();
    } catch (cause) {
      throw new StorageFault(`a key-encryption key is missing: ${(cause as Error).message}`, { cause });
    }
  }

  /** As `RegisteredKeys` says. */
  async readDirectory(): Promise<readonly KeyFile[] | null> {
    const { kek, keysDirectory } = this.#parts;
    if (kek !== undefined) return null;
    const files = await readKeyDirectory(keysDirectory);
    this.held.add(files.flatMap(({ keys }) => keys));
    return files;
  }

  /** Makes a key that is newer than the one of this id. Throws `SetupFault`. */
  async makeKey(newerThan: string): Promise<KeyFile | Secret> {
    const { kek, keysDirectory, clock, random } = this.#parts;
    if (kek !== undefined) return newKeyEncryptionKey({ clock, random, newerThan });
    const file = await makeFurtherKey(keysDirectory, { clock, random, newerThan });
    this.held.add(file.keys);
    return file;
  }

  /** The register in the store; it may be under a key that another process has made since the directory was read. */
  async #find(): Promise<StoredRegister | null> {
    const { backend, clock } = this.#parts;
    try {
      return await findRegister(backend, this.sealer, clock.now());
    } catch (fault) {
      if (!(fault instanceof MissingKeyFault)) throw fault;
      await this.lookForKeys();
      return findRegister(backend, this.sealer, clock.now());
    }
  }

  async #refresh(): Promise<StoredRegister> {
    const found = await this.#find();
    if (found === null) throw new StorageFault('the store has lost its register of key-encryption keys');
    return this.#follow(found);
  }

  async #orSetupFault<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (fault) {
      if (!(fault instanceof MissingKeyFault)) throw fault;
      throw missingKeys([fault.keyId], this.held.source);
    }
  }

  async #write(register: KekRegister, onlyVersion: number | null): Promise<StoredRegister | null> {
    const { backend, clock, random } = this.#parts;
    const written = await writeRegister(backend, this.held, register, {
      onlyVersion,
      random,
      now: clock.now(),
    });
    return written && this.#follow(written);
  }

  /** Answers of the store may overtake one another; the register never goes back. */
  #follow(stored: StoredRegister): StoredRegister {
    if (stored.version > (this.#register?.version ?? -1)) {
      const { current, retired } = stored.register;
      this.held.follow({ current: current.id, retired: retired.map(({ id }) => id) });
      this.#register = stored;
    }
    return this.#known();
  }

  #known(): StoredRegister {
    if (this.#register === null) throw new TypeError('the register has not been read yet');
    return this.#register;
  }
}

/** Throws `SetupFault` for keys that cannot be read, or of which two have the same id. */
export async function loadKeys({ kek, keysDirectory }: KeySource): Promise<KeyEncryptionKeys> {
  if (kek !== undefined) {
    const source = 'the setting of the key-encryption key';
    return new KeyEncryptionKeys(parseKeyEncryptionKeys(kek, source), source);
  }
  const files = await readKeyDirectory(keysDirectory);
  return new KeyEncryptionKeys(
    files.flatMap(({ keys }) => keys),
    keysDirectory,
  );
}

export function missingKeys(ids: readonly string[], source: string): SetupFault {
  const [which, that, it] =
    ids.length === 1
      ? [`the key-encryption key ${ids[0]}`, 'which is', 'it']
      : [`the key-encryption keys ${ids.join(' and ')}`, 'which are', 'they'];
  return new SetupFault(
    `records in the store are sealed under ${which}, ${that} not in ${source}`,
    `put ${it === 'it' ? 'it' : 'them'} back, from a backup of the keys; what ${it} sealed cannot be read otherwise`,
  );
}
