import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { freePort } from '#test/support/free-port.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';
import { storeSettings } from '#test/support/test-store.ts';

/** What came of a command. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The one JSON document on stdout. Fails the test when the command did not succeed or printed something else. */
  json<T = Record<string, unknown>>(): T;
}

/** How a server ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CommandInput {
  readonly stdin?: string;
  readonly onStderr?: (text: string) => void;
}

/** A directory with a store and keys in it, and the real program to run on it. Disposing it removes the directory. */
export interface KeyturnDirectory extends AsyncDisposable {
  /** Where keys and data lie, and where the program runs. */
  readonly path: string;
  readonly issuer: string;
  /** The environment that the program gets, and nothing of ours beside it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `keyturn ARGS…` to its end. `onStderr` is told what it writes to stderr while it runs. */
  cli(args: readonly string[], input?: CommandInput): Promise<CommandResult>;
  /** Runs `keyturn serve`, and returns once it answers. Fails the test with its output if it ends before. */
  serve(): Promise<ServingKeyturn>;
}

/** A server in a process of its own. */
export interface ServingKeyturn {
  readonly pid: number;
  /** What it has written to stdout so far, and to stderr. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Waits until its stdout holds something that matches. Fails the test if the server ends before. */
  printed(pattern: RegExp): Promise<void>;
  /** Asks it to end, as a service manager does, and waits until it has. */
  stop(signal?: NodeJS.Signals): Promise<Ending>;
  /** Ends it on the spot, as `kill -9` does. */
  kill(): Promise<Ending>;
  readonly ended: Promise<Ending>;
}

/** A server with the directory it runs on. Disposing it ends the server and removes the directory. */
export interface RunningKeyturn extends Omit<KeyturnDirectory, 'serve'>, ServingKeyturn {
  /** Starts it anew on the same directory and port, once it has ended. */
  restart(): Promise<void>;
}

export interface KeyturnOptions {
  /** More settings, or other ones. Its log level must let `info` through. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a real server on a new store, on a free port of the loopback interface. */
export async function startKeyturn(options: KeyturnOptions = {}): Promise<RunningKeyturn> {
  const directory = await makeKeyturnDirectory(options);
  let serving: ServingKeyturn;
  try {
    serving = await directory.serve();
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...directory,
    get pid() {
      return serving.pid;
    },
    get ended() {
      return serving.ended;
    },
    output: () => serving.output(),
    printed: (pattern) => serving.printed(pattern),
    stop: (signal) => serving.stop(signal),
    kill: () => serving.kill(),
    async restart() {
      await serving.ended;
      serving = await directory.serve();
    },
  };
}

/** With it no request is turned away because the machine has too much to do. */
export const PATIENT = { KEYTURN_HTTP_WAIT_MAX_MS: '600000' };

/** A new directory with nothing in it yet, and a free port. */
export async function makeKeyturnDirectory(options: KeyturnOptions = {}): Promise<KeyturnDirectory> {
  const directory = await makeTemporaryDirectory();
  const port = options.env?.KEYTURN_PORT ?? String(await freePort());
  const env: Readonly<Record<string, string>> = {
    PATH: process.env.PATH ?? '',
    KEYTURN_PORT: port,
    ...PATIENT,
    ...storeSettings(join(directory.path, 'data', 'keyturn.db')),
    KEYTURN_KEYS_DIR: join(directory.path, 'keys'),
    ...options.env,
  };
  const children = new Set<ChildProcessWithoutNullStreams>();
  const start = (args: readonly string[]) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: directory.path, env });
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  };
  return {
    path: directory.path,
    issuer: env.KEYTURN_ISSUER ?? `http://localhost:${port}`,
    env,
    cli: (args, input) => runToEnd(start(args), args, input),
    serve: () => served(start(['serve'])),
    async [Symbol.asyncDispose]() {
      const endings = [...children].map((child) => once(child, 'close'));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(endings);
      await directory[Symbol.asyncDispose]();
    },
  };
}

const PROGRAM = fileURLToPath(import.meta.resolve('#src/keyturn.js'));

async function runToEnd(
  child: ChildProcessWithoutNullStreams,
  args: readonly string[],
  { stdin = '', onStderr }: CommandInput = {},
): Promise<CommandResult> {
  // A command that does not read its input may be gone before all of it is written.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  if (onStderr !== undefined) child.stderr.on('data', (chunk: Buffer) => onStderr(chunk.toString()));
  const ended = once(child, 'close');
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return {
    code,
    stdout,
    stderr,
    json() {
      assert.equal(code, 0, `keyturn ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
      return JSON.parse(stdout);
    },
  };
}

/** The line of the log that says that the server answers. */
const READY = /^\{.*"msg":"ready".*\}$/m;

async function served(child: ChildProcessWithoutNullStreams): Promise<ServingKeyturn> {
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output.stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]): Ending => ({ code, signal }));
  const printed = async (pattern: RegExp): Promise<void> => {
    const seen = new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(output.stdout)) return;
        child.stdout.off('data', look);
        resolve();
      };
      child.stdout.on('data', look);
      look();
    });
    const early = await Promise.race([seen, ended]);
    if (early === undefined) return;
    throw new Error(
      `the server ended with ${early.code ?? early.signal} before it printed ${pattern}: ${output.stderr}${output.stdout}`,
    );
  };
  await printed(READY);
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    pid: child.pid as number,
    output: () => ({ ...output }),
    printed,
    stop: (signal = 'SIGTERM') => end(signal),
    kill: () => end('SIGKILL'),
    ended,
  };
}
