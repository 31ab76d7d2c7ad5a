import { recordsContract } from '#test/storage/records-contract.ts';
import { makeSqliteStore } from '#test/storage/sqlite-store.ts';

recordsContract('SQLite', makeSqliteStore);
