import { createWriteStream } from 'node:fs';
import { access, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Refusal } from '#src/fault.ts';
import { newIdentifier, type Random } from '#src/random.ts';

/**
 * Writes a file for its owner alone (0600) that is there whole, and safe from a loss of power, or not at all. Answers its
 * length in bytes. Throws `Refusal` with `file_exists`: what is there already is never replaced.
 */
export async function writeWhole(
  path: string,
  bytes: AsyncIterable<Buffer>,
  random: Random,
): Promise<number> {
  if (await exists(path)) {
    throw new Refusal('file_exists', `${path} is there already. Name a file that is not.`);
  }
  const partial = `${path}.${newIdentifier(random)}.partial`;
  const file = await open(partial, 'wx', 0o600).catch((error: Error) => {
    throw new Refusal('file_unwritable', `${path} cannot be written: ${error.message}`);
  });
  try {
    let length = 0;
    await using handle = file;
    for await (const chunk of bytes) {
      await handle.writeFile(chunk);
      length += chunk.length;
    }
    await handle.sync();
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return length;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** What comes by a pipe, as a file that is gone with the end of `await using`: what has to be read more than once. */
export async function spooled(
  input: NodeJS.ReadableStream,
): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'keyturn-restore-'));
  const path = join(directory, 'backup');
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    await pipeline(input, createWriteStream(path, { mode: 0o600 }));
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

/** Writes to a pipe, no faster than it is read. Answers how many bytes. */
export async function writePiped(
  output: NodeJS.WritableStream,
  bytes: AsyncIterable<Buffer>,
): Promise<number> {
  let length = 0;
  const counted = async function* () {
    for await (const chunk of bytes) {
      length += chunk.length;
      yield chunk;
    }
  };
  await pipeline(Readable.from(counted()), output, { end: false });
  return length;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path);
  await directory.sync();
}
