import { open } from 'node:fs/promises';
import { platform } from 'node:os';
import { SetupFault } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';

/** A file that a group reads is how containers are given secrets; others than that are nobody's business. */
const OTHERS_MAY_READ_OR_GROUP_WRITE = 0o027;

/** Windows knows no file modes. */
const IS_POSIX = platform() !== 'win32';

/** A PIN is a handful of letters. In bytes. */
const PIN_BYTES_MAX = 256;

/** A PIN, and which writing of its file it is from. */
export interface WrittenPin {
  readonly pin: Secret;
  readonly writing: string;
}

/** The PIN in a file, without the line break at its end. Throws `SetupFault`, also if others may read the file. */
export async function readPin(path: string): Promise<WrittenPin> {
  try {
    await using file = await open(path, 'r');
    const { mode, size, mtimeMs } = await file.stat();
    if (IS_POSIX && (mode & OTHERS_MAY_READ_OR_GROUP_WRITE) !== 0) {
      throw new SetupFault(
        `others may read the PIN of the token in ${path}, or change it`,
        `chmod 600 ${path}`,
      );
    }
    const text = size > PIN_BYTES_MAX ? '' : (await file.readFile('utf8')).replace(/\r?\n$/, '');
    if (text !== '') return { pin: new Secret(text), writing: `${mtimeMs}` };
    throw new SetupFault(`${path} holds no PIN`, 'put the PIN of the user of the token into it, on one line');
  } catch (error) {
    if (error instanceof SetupFault) throw error;
    throw new SetupFault(
      `the PIN of the token cannot be read from ${path}: ${(error as Error).message}`,
      'see that pkcs11.pinFile is its path, and that it belongs to the user who runs Keyturn',
      { cause: error },
    );
  }
}
