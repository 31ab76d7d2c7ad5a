import { access } from 'node:fs/promises';
import type { Clock } from '#src/clock.ts';
import { SetupFault, StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { RECORD_KINDS, type Records } from '#src/records.ts';
import { makeFirstKey } from '#src/sealing/key-directory.ts';
import { keyEncryptionKeyIdOf } from '#src/sealing/sealer.ts';
import type { Secret } from '#src/secret.ts';
import type { Backend, BackendCensus } from '#src/storage/backend.ts';
import { movedFindings } from '#src/storage/moved.ts';
import type { OperationObserver } from '#src/storage/observed-backend.ts';
import { DEFAULT_REDIS_SETTINGS, type RedisSettings } from '#src/storage/redis/settings.ts';
import { findRootRecord, makeRootSecret, openRootSecret, type RootSecret } from '#src/storage/root-secret.ts';
import { SealedBodies } from '#src/storage/sealed-bodies.ts';
import { SealedRecords } from '#src/storage/sealed-records.ts';
import { openSqliteBackend } from '#src/storage/sqlite/sqlite-backend.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import { loadKeys, missingKeys, StoreKeys } from '#src/storage/store-keys.ts';
import { assertFinished } from '#src/storage/unfinished.ts';
import { parseStoreLocation, writtenStoreLocation } from '#src/store-location.ts';
import type { EpochSeconds } from '#src/units.ts';

export type BackendOptions = Pick<StoreOptions, 'location' | 'redis' | 'clock' | 'random'>;

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
  /** True to refuse a store that is not there yet, instead of making it. */
  readonly mustExist?: boolean;
}

export interface Store extends AsyncDisposable {
  readonly records: Records;
  /** True if this call has made the store: its first start. */
  readonly created: boolean;
  /** The key-encryption keys, and what the store knows of them. */
  readonly keys: StoreKeys;
  /** Everything that lies in it, as it lies there: to be copied, and to be backed up. */
  readonly content: Pick<Backend, 'entries' | 'sequences'>;
  /** All that is sealed, whatever it is: to be counted by key, and to be sealed anew. */
  readonly bodies: SealedBodies;
  /**
   * A key of 32 bytes for one purpose, named by the label. Every process on the store gets the same key for the same
   * label, today and after a restart; keys of different labels tell nothing of each other.
   */
  derive(label: string): Buffer;
  /** How many bodies are held in mind as they were opened. */
  opened(): number;
  /** Has somebody told of each operation from now on, with how long it took in milliseconds and whether it failed. */
  observe(onDone: OperationObserver): void;
  /** How many records there are of each kind, and how much else; see `Backend.census`. @throws StorageFault */
  census(): Promise<BackendCensus | null>;
  /** What can be said of how the database is set up, from well to ill, and of where it has gone. @throws StorageFault */
  examine(): Promise<readonly StoreFinding[]>;
  /** What the store's own clock says; `null` if it has none but that of this process. Throws `StorageFault`. */
  ownClock(): Promise<EpochSeconds | null>;
}

/**
 * Opens the store and unlocks it with its key-encryption keys. A store that is not there yet is made, and so is its
 * first key-encryption key, unless one is given; a store that exists never gets a new key in place of a lost one.
 * Throws `SetupFault` when the operator has to act, `StorageFault` when the store fails.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  await using opened = new AsyncDisposableStack();
  if (options.mustExist === true) await assertFileExists(options.location);
  const backend = opened.use(await openBackend(options));
  await assertFinished(backend, options.clock.now());
  const { root, keys, created } = await unlock(backend, options);
  // Once more, for the case that somebody has begun to fill it while it was empty.
  await assertFinished(backend, options.clock.now());
  const records = new SealedRecords({ backend, keys, root, clock: options.clock });
  const closing = opened.move();
  return {
    records,
    created,
    keys,
    content: backend,
    bodies: new SealedBodies({ backend, keys }),
    derive: (label) => root.derive(`room: ${label}`),
    opened: () => records.opened,
    observe: (onDone) => records.observe(onDone),
    census: () => backend.census(RECORD_KINDS),
    examine: async () => [...(await backend.examine()), ...(await movedFindings(records))],
    ownClock: () => backend.clock(),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Opens what is below a store, whether or not there is one. Throws `SetupFault`. */
export async function openBackend(options: BackendOptions): Promise<Backend> {
  const location = parseStoreLocation(options.location);
  if ('wrong' in location) {
    throw new SetupFault(
      `the location of the store ${location.wrong}`,
      'write sqlite: and the path of the database file, for example sqlite:data/keyturn.db, or a redis:// URL',
    );
  }
  if (location.engine === 'sqlite') return openSqliteBackend(location.path);
  // Loaded here, since most servers have no Redis.
  const { openRedisBackend } = await import('#src/storage/redis/redis-backend.ts');
  const { redis: settings = DEFAULT_REDIS_SETTINGS, random, clock } = options;
  return openRedisBackend(location, { settings, random, clock });
}

async function unlock(
  backend: Backend,
  options: StoreOptions,
): Promise<{ root: RootSecret; keys: StoreKeys; created: boolean }> {
  const { clock, random } = options;
  const found = await findRootRecord(backend, clock.now());
  if (found === null && options.mustExist === true) throw noStore(options.location);
  let held = await loadKeys(options);
  if (held.ids.length === 0 && found === null) {
    await makeFirstKey(options.keysDirectory, { clock, random });
    held = await loadKeys(options);
  }
  const assertHeld = (id: string) => {
    if (held.find(id) === null) throw missingKeys([id], held.source);
  };
  if (found !== null) {
    assertHeld(keyEncryptionKeyIdOf(found.body));
  }
  const keys = new StoreKeys({ ...options, backend }, held);
  const { sealer } = keys;
  const created = found === null && (await makeRootSecret(backend, { sealer, random, now: clock.now() }));
  const record = found ?? (await findRootRecord(backend, clock.now()));
  if (record === null) {
    throw new StorageFault('the store has lost its root secret');
  }
  const rootKey = keyEncryptionKeyIdOf(record.body);
  // Once more, for the case that another process with another key was faster.
  assertHeld(rootKey);
  const root = openRootSecret(record, sealer);
  await keys.open(rootKey, { created });
  return { root, keys, created };
}

/** SQLite would make the file. */
async function assertFileExists(text: string): Promise<void> {
  const location = parseStoreLocation(text);
  if ('wrong' in location || location.engine !== 'sqlite') return;
  await access(location.path).catch(() => {
    throw noStore(text);
  });
}

function noStore(text: string): SetupFault {
  const location = parseStoreLocation(text);
  const name = 'wrong' in location ? 'the location' : writtenStoreLocation(location);
  return new SetupFault(`there is no store at ${name}`, 'name the store of a server that has run');
}
