import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** An example from `examples/`, running as whoever copied it would run it. Disposing it ends it. */
export interface ExampleProcess extends AsyncDisposable {
  /** Its next line of output. Fails the test, with what it complained about, if it ends before. */
  line(): Promise<string>;
}

export function startExample(path: string, env: Readonly<Record<string, string>>): ExampleProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../../${path}`, import.meta.url))], { env });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk;
  });
  const ended = once(child, 'close');
  const lines = linesOf(child.stdout.setEncoding('utf8'));
  return {
    async line() {
      const { value, done } = await lines.next();
      assert.ok(done !== true, `${path} ended: ${complaint}`);
      return value;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  let pending = '';
  for await (const chunk of chunks) {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    yield* lines;
  }
  return undefined;
}
