import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '#src/cli/program.ts';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { CommandResult } from '#test/support/running-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** Commands that run in this process, on a store of their own; see `running-server.ts` for processes of their own. */
export interface Commands extends AsyncDisposable {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  run(args: readonly string[], input?: { stdin?: string }): Promise<CommandResult>;
  /** Runs a command given as words with spaces between them, with `--json`. */
  runJson(command: string, stdin?: string): Promise<CommandResult>;
  /** Runs a command on the same store with other settings beside those that it was made with. */
  runWithEnv(args: readonly string[], more: Readonly<Record<string, string>>): Promise<CommandResult>;
  /** Runs a command at a terminal where somebody types `typed`. */
  runAtTerminal(args: readonly string[], typed: string): Promise<CommandResult>;
}

/** The cheapest hashing that the settings allow, since nobody attacks these passwords. */
const CHEAP_HASHING = {
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
};

export async function makeCommands(more: Readonly<Record<string, string>> = {}): Promise<Commands> {
  const directory = await makeTemporaryDirectory();
  const { path } = directory;
  const made: Readonly<Record<string, string>> = {
    ...CHEAP_HASHING,
    KEYTURN_STORE: `sqlite:${join(path, 'data', 'keyturn.db')}`,
    KEYTURN_KEYS_DIR: join(path, 'keys'),
    ...more,
  };
  const runWith = async (
    args: readonly string[],
    stdin: string,
    isTTY: boolean,
    env = made,
  ): Promise<CommandResult> => {
    const streams = { stdin: stream(isTTY), stdout: stream(false), stderr: stream(isTTY) };
    const output = Promise.all([text(streams.stdout), text(streams.stderr)]);
    // Somebody at a terminal does not hang up, and what was piped ends.
    if (isTTY) streams.stdin.write(stdin);
    else streams.stdin.end(stdin);
    const surroundings = { clock: systemClock, random: systemRandom };
    const stopSignal = () => new AbortController().signal;
    const onSignal = () => {};
    const code = await run(args, {
      streams,
      surroundings,
      env,
      stopSignal,
      onSignal,
      onExit: () => {},
      threadsWanted: () => {},
    });
    streams.stdout.end();
    streams.stderr.end();
    const [stdout, stderr] = await output;
    return {
      code,
      stdout,
      stderr,
      json() {
        assert.equal(code, 0, `keyturn ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
        return JSON.parse(stdout);
      },
    };
  };
  return {
    path,
    env: made,
    run: (args, input) => runWith(args, input?.stdin ?? '', false),
    runJson: (command, stdin = '') => runWith([...command.split(' '), '--json'], stdin, false),
    runWithEnv: (args, more) => runWith(args, '', false, { ...made, ...more }),
    runAtTerminal: (args, typed) => runWith(args, typed, true),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

function stream(isTTY: boolean): PassThrough & { isTTY: boolean; setRawMode: () => void } {
  return Object.assign(new PassThrough(), { isTTY, setRawMode: () => {} });
}

/** A JSON document as a command prints it. */
export type Document = Record<string, unknown>;

/** The error of a command that was to fail, as it is told with `--json`. */
export function errorOf({ code, stdout, stderr }: CommandResult, expectedCode = 1): Document {
  assert.equal(code, expectedCode, stderr + stdout);
  assert.equal(stdout, '');
  return JSON.parse(stderr);
}

export function isEpochSeconds(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 1_700_000_000;
}
