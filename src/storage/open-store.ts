import type { Clock } from '#src/clock.ts';
import { SetupFault, StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { makeFirstKey, readKeyDirectory } from '#src/sealing/key-directory.ts';
import { KeyEncryptionKeys, parseKeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { keyEncryptionKeyIdOf, Sealer } from '#src/sealing/sealer.ts';
import type { Secret } from '#src/secret.ts';
import type { Backend } from '#src/storage/backend.ts';
import { openRedisBackend } from '#src/storage/redis/redis-backend.ts';
import { DEFAULT_REDIS_SETTINGS, type RedisSettings } from '#src/storage/redis/settings.ts';
import { findRootRecord, makeRootSecret, openRootSecret, type RootSecret } from '#src/storage/root-secret.ts';
import { SealedRecords } from '#src/storage/sealed-records.ts';
import { openSqliteBackend } from '#src/storage/sqlite/sqlite-backend.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import { parseStoreLocation } from '#src/store-location.ts';

export interface StoreOptions {
  /** `sqlite:` and a path, or the URL of a Redis; see `store-location.ts`. */
  readonly location: string;
  /** What the location of a Redis does not say. */
  readonly redis?: RedisSettings;
  /** Where the key-encryption keys lie; not looked at when `kek` is given. */
  readonly keysDirectory: string;
  /** Key-encryption keys by setting, one a line. */
  readonly kek?: Secret;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Store extends AsyncDisposable {
  readonly records: Records;
  /** True if this call has made the store: its first start. */
  readonly created: boolean;
  /**
   * A key of 32 bytes for one purpose, named by the label. Every process on the store gets the same key for the same
   * label, today and after a restart; keys of different labels tell nothing of each other.
   */
  derive(label: string): Buffer;
  /** What can be said of how the database is set up, from well to ill. @throws StorageFault */
  examine(): Promise<readonly StoreFinding[]>;
}

/**
 * Opens the store and unlocks it with its key-encryption key. A store that is not there yet is made, and so is its
 * first key-encryption key, unless one is given; a store that exists never gets a new key in place of a lost one.
 * Throws `SetupFault` when the operator has to act, `StorageFault` when the store fails.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  await using opened = new AsyncDisposableStack();
  const backend = opened.use(await openBackend(options));
  const { root, sealer, created } = await unlock(backend, options);
  const closing = opened.move();
  return {
    records: new SealedRecords({ backend, sealer, root, clock: options.clock }),
    created,
    derive: (label) => root.derive(`room: ${label}`),
    examine: () => backend.examine(),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

function openBackend(options: StoreOptions): Promise<Backend> {
  const location = parseStoreLocation(options.location);
  if ('wrong' in location) {
    throw new SetupFault(
      `the location of the store ${location.wrong}`,
      'write sqlite: and the path of the database file, for example sqlite:data/keyturn.db, or a redis:// URL',
    );
  }
  if (location.engine === 'sqlite') return openSqliteBackend(location.path);
  const { redis: settings = DEFAULT_REDIS_SETTINGS, random, clock } = options;
  return openRedisBackend(location, { settings, random, clock });
}

async function unlock(
  backend: Backend,
  options: StoreOptions,
): Promise<{ root: RootSecret; sealer: Sealer; created: boolean }> {
  const { clock, random } = options;
  const found = await findRootRecord(backend, clock.now());
  let keys = await loadKeys(options);
  if (keys.current === null && found === null) {
    await makeFirstKey(options.keysDirectory, { clock, random });
    keys = await loadKeys(options);
  }
  if (found !== null) {
    assertHeld(keys, keyEncryptionKeyIdOf(found.body));
  }
  const sealer = new Sealer(keys, random);
  const created = found === null && (await makeRootSecret(backend, { sealer, random, now: clock.now() }));
  const record = found ?? (await findRootRecord(backend, clock.now()));
  if (record === null) {
    throw new StorageFault('the store has lost its root secret');
  }
  // Once more, for the case that another process with another key was faster.
  assertHeld(keys, keyEncryptionKeyIdOf(record.body));
  return { root: openRootSecret(record, sealer), sealer, created };
}

async function loadKeys({ kek, keysDirectory }: StoreOptions): Promise<KeyEncryptionKeys> {
  if (kek !== undefined) {
    const source = 'the setting of the key-encryption key';
    return new KeyEncryptionKeys(parseKeyEncryptionKeys(kek, source), source);
  }
  return new KeyEncryptionKeys(await readKeyDirectory(keysDirectory), keysDirectory);
}

function assertHeld(keys: KeyEncryptionKeys, id: string): void {
  if (keys.find(id) === null) {
    throw new SetupFault(
      `the store is sealed under the key-encryption key ${id}, which is not in ${keys.source}`,
      'put it back, from a backup of the key; without it nothing in the store can be read',
    );
  }
}
