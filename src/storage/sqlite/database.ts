import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { SetupFault } from '#src/fault.ts';
import { isBusy, isNotADatabase } from '#src/storage/sqlite/errors.ts';
import { migrate } from '#src/storage/sqlite/migrations.ts';

/**
 * Opens the database file at `path` with the schema of this program, and makes it if it is not there: the file for
 * its owner alone (0600), its directory too (0700). Throws `SetupFault` when the operator has to act.
 */
export async function openDatabase(path: string): Promise<DatabaseSync> {
  // An absolute path, because SQLite gives names such as `:memory:` and `file:` a meaning of their own.
  const file = resolve(path);
  try {
    await makeFile(file);
    return await whenFree(() => connect(file));
  } catch (fault) {
    if (fault instanceof SetupFault) {
      throw fault;
    }
    if (isNotADatabase(fault)) {
      throw new SetupFault(
        `${file} is not a database`,
        'name another file as the store, or restore a backup',
        {
          cause: fault,
        },
      );
    }
    throw new SetupFault(
      `the store ${file} cannot be opened: ${fault instanceof Error ? fault.message : fault}`,
      'see that the file and its directory belong to the user who runs Keyturn, and that the disk has room',
      { cause: fault },
    );
  }
}

/**
 * How long a statement waits, and the event loop with it, while another process opens, migrates or closes the file.
 * Transactions wait for those of others in another way: see `GroupCommit`.
 */
export const BUSY_TIMEOUT_MS = 250;

/** How often opening is tried while other processes open, or migrate, the same file. */
const OPEN_ATTEMPTS_MAX = 40;
const OPEN_RETRY_DELAY_MS = 25;

/** How long the write-ahead log grows, in pages of 4 KiB, before it is moved into the database, with the event loop waiting. */
const WAL_PAGES_MAX = 4096;

/** The write-ahead log shrinks back to this size after a burst of writes. */
const WAL_BYTES_KEPT = WAL_PAGES_MAX * 4096;

const PAGE_CACHE_KIB = 16 * 1024;

async function makeFile(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    // SQLite gives its -wal and -shm files the mode of the database.
    const handle = await open(file, 'wx', 0o600);
    await handle.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
  }
}

function connect(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, defensive: true });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${WAL_PAGES_MAX};
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA cache_size = -${PAGE_CACHE_KIB};
      PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
    `);
    migrate(database, file);
    return database;
  } catch (fault) {
    database.close();
    throw fault;
  }
}

/** SQLite answers `busy` at once, timeout or not, when two processes turn a new file to WAL at the same time. */
async function whenFree<T>(attempt: () => T): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return attempt();
    } catch (fault) {
      if (!isBusy(fault) || attempts === OPEN_ATTEMPTS_MAX) {
        throw fault;
      }
      await setTimeout(OPEN_RETRY_DELAY_MS);
    }
  }
}
