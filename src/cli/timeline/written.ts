import { open, writeFile } from 'node:fs/promises';
import { SetupFault } from '#src/fault.ts';

/** Finds out whether a file can be written, before the work that is to be written there. @throws SetupFault */
export async function assertWritable(path: string): Promise<void> {
  try {
    await (await open(path, 'a')).close();
  } catch (cause) {
    throw notWritten(path, cause);
  }
}

/** Writes a file, over whatever it holds. @throws SetupFault */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((cause) => {
    throw notWritten(path, cause);
  });
}

function notWritten(path: string, cause: unknown): SetupFault {
  const { code } = cause as NodeJS.ErrnoException;
  return new SetupFault(`${path} cannot be written: ${code}`, 'name a file in a folder where you may write', {
    cause,
  });
}
