import { StorageFault } from '#src/fault.ts';

/** What SQLite threw, as the fault that the storage contract promises. */
export function storageFault(cause: unknown): StorageFault {
  if (cause instanceof StorageFault) {
    return cause;
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StorageFault(`the database failed: ${reason}`, { cause });
}

/** Another connection holds the lock that was asked for. */
export const isBusy = (error: unknown): boolean => primaryCode(error) === SQLITE_BUSY;

export const isNotADatabase = (error: unknown): boolean => primaryCode(error) === SQLITE_NOTADB;

/** Result codes: https://sqlite.org/rescode.html. An extended code has its primary code in the low byte. */
const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;

function primaryCode(error: unknown): number | null {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null;
  return typeof code === 'number' ? code & 0xff : null;
}
