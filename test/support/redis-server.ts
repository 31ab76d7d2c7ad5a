import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort } from '#test/support/free-port.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A real redis-server of its own, on a free port of the loopback interface. Disposing it kills it and removes its data. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** Where it keeps its data. */
  readonly directory: string;
  readonly pid: number;
  /** Runs `redis-cli` on it, and answers what that printed. Throws if Redis answered with an error. */
  cli(...args: readonly string[]): Promise<string>;
  /** Ends it on the spot, as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again on its data, once it has ended. */
  start(): Promise<void>;
  /** Stops it in its tracks, without anybody being told, until `resume`. */
  pause(): void;
  resume(): void;
}

export interface RedisServerWishes {
  /** Lines of its configuration, beside those that every one has. */
  readonly config?: readonly string[];
  /** As which of its programs it runs. */
  readonly program?: 'server' | 'sentinel';
  /** What `redis-cli` needs to be let in. */
  readonly cliArgs?: readonly string[];
}

export async function startRedisServer(wishes: RedisServerWishes = {}): Promise<RedisServer> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTemporaryDirectory());
  const port = await freePort();
  const { config = [], program = 'server', cliArgs = [] } = wishes;
  const file = join(directory.path, 'redis.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory.path}`,
    'daemonize no',
    ...(program === 'server' ? SERVER_LINES : []),
    ...config,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  let child = await launch(file, program);
  opened.defer(() => kill(child));
  const closing = opened.move();
  const connect = config.some((line) => line.startsWith('tls-port')) ? [] : ['-p', `${port}`];
  return {
    port,
    directory: directory.path,
    get pid() {
      return child.pid as number;
    },
    cli: (...args) => redisCli([...connect, ...cliArgs, ...args]),
    kill: () => kill(child),
    start: async () => {
      child = await launch(file, program);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** As a store wants it; without what would only cost time. */
const SERVER_LINES = [
  'appendonly yes',
  'appendfsync always',
  'maxmemory-policy noeviction',
  'save ""',
  'repl-diskless-sync-delay 0',
];

const READY = { server: /Ready to accept connections/, sentinel: /Sentinel ID is/ };

/** Whatever still runs when the tests end for whatever reason ends with them. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

async function launch(file: string, program: 'server' | 'sentinel'): Promise<ChildProcess> {
  const args = program === 'sentinel' ? [file, '--sentinel'] : [file];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let output = '';
  const ready = Promise.withResolvers<void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    if (READY[program].test(output)) ready.resolve();
  });
  child.once('error', ready.reject);
  child.once('exit', () => ready.reject(new Error(`redis-server ended before it was ready:\n${output}`)));
  await ready.promise;
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function redisCli(args: readonly string[]): Promise<string> {
  const child = spawn('redis-cli', ['-e', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`redis-cli ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout.trimEnd();
}
