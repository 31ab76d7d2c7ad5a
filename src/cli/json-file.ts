import { readFileSync } from 'node:fs';
import { UsageFault } from '#src/cli/failure.ts';

/** What stands in a file that an option names. @throws UsageFault naming the option */
export function readJson(option: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why =
      error instanceof SyntaxError
        ? 'is not JSON'
        : `cannot be read (${(error as NodeJS.ErrnoException).code})`;
    throw new UsageFault(`${option}: ${file} ${why}`);
  }
}
