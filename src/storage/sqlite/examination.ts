import { stat, statfs } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import type { StoreFinding } from '#src/storage/store-finding.ts';

/** With less room than this on the disk somebody should know: a burst of sign-ins writes some megabytes. */
const FREE_MIB_NOTABLE = 256;

const MIB = 1024 * 1024;

/** Looks at how a database is set up, and at the file and the disk that it is on. */
export async function examineSqlite(database: DatabaseSync): Promise<StoreFinding[]> {
  const path = database.location();
  const findings = [versionFinding(database)];
  if (path !== null) findings.push(await fileFinding(path), await diskFinding(path));
  return findings;
}

function versionFinding(database: DatabaseSync): StoreFinding {
  const { version } = database.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  const says = `SQLite ${version}; every write is on the disk before it counts`;
  return { subject: 'sqlite', state: 'well', says };
}

async function fileFinding(path: string): Promise<StoreFinding> {
  const subject = 'sqlite file';
  const { mode, size } = await stat(path);
  if ((mode & 0o077) !== 0) {
    const says = 'others than its owner may read or write the database';
    return { subject, state: 'notable', says, remedy: `chmod 600 ${path}` };
  }
  return { subject, state: 'well', says: `${Math.ceil(size / MIB)} MiB, for its owner alone` };
}

async function diskFinding(path: string): Promise<StoreFinding> {
  const subject = 'sqlite disk';
  const { bavail, bsize } = await statfs(path);
  const free = Math.floor((bavail * bsize) / MIB);
  if (free >= FREE_MIB_NOTABLE) return { subject, state: 'well', says: `${free} MiB are free` };
  const says = `${free} MiB are free; once it is full, nobody can sign in`;
  return { subject, state: 'notable', says, remedy: 'make room on the disk of the database' };
}
