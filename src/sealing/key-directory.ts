import {
  chmod,
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import {
  type KeyEncryptionKey,
  newKeyEncryptionKey,
  parseKeyEncryptionKeys,
} from '#src/sealing/key-encryption-keys.ts';
import { Secret } from '#src/secret.ts';

/** A file of a key directory and what it holds: one key, unless somebody has put several together. */
export interface KeyFile {
  readonly path: string;
  readonly keys: readonly KeyEncryptionKey[];
}

/**
 * The files of key-encryption keys in a directory: those whose names end in `.kek`. None if the directory is empty or
 * missing. Throws `SetupFault` for a file that others than its owner may read, or that holds no key.
 */
export async function readKeyDirectory(directory: string): Promise<KeyFile[]> {
  const path = resolve(directory);
  try {
    const names = (await namesIn(path)).filter((name) => name.endsWith('.kek')).sort();
    return await Promise.all(names.map((name) => readKeyFile(join(path, name))));
  } catch (error) {
    if (error instanceof SetupFault) {
      throw error;
    }
    throw new SetupFault(
      `the key-encryption keys in ${path} cannot be read: ${(error as Error).message}`,
      `see that ${path} and the files in it belong to the user who runs Keyturn`,
      { cause: error },
    );
  }
}

/**
 * Makes the first key-encryption key of a directory. If another process does the same at the same time, one key comes
 * of it: whoever is later leaves the other's in place.
 */
export async function makeFirstKey(
  directory: string,
  source: { clock: Clock; random: Random },
): Promise<void> {
  const path = resolve(directory);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await closeToOthers(path);
    await writeOnce(path, FIRST_KEY_FILE, newKeyEncryptionKey(source));
  } catch (error) {
    throw new SetupFault(
      `no key-encryption key is in ${path}, and none can be made there: ${(error as Error).message}`,
      `make ${path} writable for the user who runs Keyturn, or give the key by a setting`,
      { cause: error },
    );
  }
}

/**
 * Makes one more key-encryption key of a directory, newer than `newerThan`, in a file that bears its id. When it
 * returns, the file is on the disk. Throws `SetupFault`.
 */
export async function makeFurtherKey(
  directory: string,
  source: { clock: Clock; random: Random; newerThan: string },
): Promise<KeyFile> {
  const path = resolve(directory);
  const text = newKeyEncryptionKey(source);
  const keys = parseKeyEncryptionKeys(text, 'the new key');
  const name = `${keys[0]?.id}.kek`;
  try {
    await writeOnce(path, name, text);
  } catch (error) {
    throw new SetupFault(
      `no key-encryption key can be made in ${path}: ${(error as Error).message}`,
      `make ${path} writable for the user who runs this command`,
      { cause: error },
    );
  }
  return { path: join(path, name), keys };
}

/** Removes a file of keys for good. Throws `SetupFault`. */
export async function removeKeyFile({ path }: KeyFile): Promise<void> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw new SetupFault(
      `the key file ${path} cannot be deleted: ${(error as Error).message}`,
      `delete it by hand: rm ${path}`,
      { cause: error },
    );
  }
}

/** A fixed name, because only one file of a name can come to be. */
const FIRST_KEY_FILE = 'first.kek';

const OTHERS_MAY_READ_OR_WRITE = 0o077;

/** Windows knows neither file modes nor the syncing of directories. */
const IS_POSIX = platform() !== 'win32';

/** A checkout makes the directory with the mode of any other. Of a mounted one, somebody else may be the owner. */
async function closeToOthers(directory: string): Promise<void> {
  try {
    await chmod(directory, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') {
      throw error;
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw error;
    }
    return [];
  }
}

async function readKeyFile(path: string): Promise<KeyFile> {
  await using file = await open(path, 'r');
  const { mode } = await file.stat();
  if (IS_POSIX && (mode & OTHERS_MAY_READ_OR_WRITE) !== 0) {
    throw new SetupFault(`others than its owner may read the key file ${path}`, `chmod 600 ${path}`);
  }
  return { path, keys: parseKeyEncryptionKeys(new Secret(await file.readFile('utf8')), path) };
}

/** The file appears under its name whole and on the disk, or not at all; one that is there already stays. */
async function writeOnce(directory: string, name: string, text: Secret): Promise<void> {
  const draft = await mkdtemp(join(directory, '.new-key-'));
  try {
    {
      await using file = await open(join(draft, name), 'wx', 0o600);
      await file.writeFile(`${text.reveal()}\n`);
      await giveToOwner(file, directory);
      await file.sync();
    }
    await link(join(draft, name), join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  await syncDirectory(directory);
}

/** Root may run the command for the user who runs the server: the server must be able to read the file. */
async function giveToOwner(file: FileHandle, directory: string): Promise<void> {
  if (!IS_POSIX) return;
  const [{ uid, gid }, mine] = await Promise.all([stat(directory), file.stat()]);
  if (uid === mine.uid) return;
  try {
    await file.chown(uid, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  if (!IS_POSIX) return;
  await using entry = await open(directory, 'r');
  await entry.sync();
}
