import { join } from 'node:path';
import type { Clock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { openStore } from '#src/storage/open-store.ts';
import { openSqliteBackend } from '#src/storage/sqlite/sqlite-backend.ts';
import type { StoreUnderTest } from '#test/storage/records-contract.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

export interface SqliteStoreUnderTest extends StoreUnderTest {
  readonly directory: string;
  readonly databaseFile: string;
  readonly keysDirectory: string;
}

/** An empty store in a directory of its own; nothing is made before the first connection. */
export async function makeSqliteStore(clock: Clock): Promise<SqliteStoreUnderTest> {
  const directory = await makeTemporaryDirectory();
  const databaseFile = join(directory.path, 'data', 'keyturn.db');
  const keysDirectory = join(directory.path, 'keys');
  const connections: AsyncDisposable[] = [];
  return {
    directory: directory.path,
    databaseFile,
    keysDirectory,
    async connect() {
      const store = await openStore({
        location: `sqlite:${databaseFile}`,
        keysDirectory,
        clock,
        random: systemRandom,
      });
      connections.push(store);
      return store;
    },
    async openBackend() {
      const backend = await openSqliteBackend(databaseFile);
      connections.push(backend);
      return backend;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
      await directory[Symbol.asyncDispose]();
    },
  };
}
