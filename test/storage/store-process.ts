import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process of its own can be told to do with a store; see `store-process-main.ts`. */
export type StoreProcessTask = 'derive' | 'reseal' | 'write';

export interface StoreProcess {
  /** Each whole line of its output, as it comes; a line that the process did not live to end is left out. */
  readonly lines: AsyncIterable<string>;
  /** Ends it on the spot, as `kill -9` does. */
  kill(): void;
  readonly ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

/** Starts a process that opens the SQLite store in this directory. Its lines are read by one reader only. */
export function startStoreProcess(task: StoreProcessTask, directory: string): StoreProcess {
  const main = fileURLToPath(import.meta.resolve('#test/storage/store-process-main.ts'));
  const child = spawn(process.execPath, [main, task, directory], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return {
    lines: wholeLines(child.stdout),
    kill: () => child.kill('SIGKILL'),
    ended: new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    }),
  };
}

async function* wholeLines(stream: AsyncIterable<string>): AsyncIterable<string> {
  let rest = '';
  for await (const text of stream) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
