import { spawnSync } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cores, pin } from '#test/bench/load/cores.ts';
import type { Contestant } from '#test/bench/measure.ts';
import type { StoreName } from '#test/bench/options.ts';
import { startBare } from '#test/bench/servers/bare.ts';
import {
  installKeyturn,
  type KeyturnInstallation,
  type KeyturnServer,
  startKeyturn,
} from '#test/bench/servers/keyturn.ts';
import { freePort } from '#test/support/free-port.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A Keyturn that is ready to be asked. */
export interface KeyturnContestant extends Contestant {
  readonly served: KeyturnServer;
  /** How long each start took, in milliseconds. */
  readonly startsMs: readonly number[];
  /** Where the files of its store are. */
  readonly storeDirectory: string;
}

export interface ArenaOptions {
  readonly cores: Cores;
  readonly connections: number;
  /** How often the server is started to see how long that takes. */
  readonly starts?: number;
  /** Processes behind one port. */
  readonly workers?: number;
  /** Servers with a port of their own each. */
  readonly nodes?: number;
  /** More settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** Who has signed in once stays signed in for all cases. */
  readonly staying?: boolean;
  /** Puts something into the store before it is served. */
  readonly fill?: (installation: KeyturnInstallation) => Promise<void>;
}

/** A Keyturn on a new store, with a Redis of its own where it is on Redis. */
export async function enterKeyturn(
  store: StoreName,
  opened: AsyncDisposableStack,
  { cores, connections, starts = 1, workers = 1, nodes = 1, env = {}, staying = false, fill }: ArenaOptions,
): Promise<KeyturnContestant> {
  const directory = opened.use(await makeTemporaryDirectory()).path;
  await mkdir(join(directory, 'keys'));
  const redis = store === 'redis' ? opened.use(await startRedisServer({ config: DURABLE })) : null;
  if (redis !== null) pin(redis.pid, cores.load);
  const installation = await installKeyturn({
    directory,
    people: connections,
    env: { KEYTURN_WORKERS: String(workers), ...env },
    ...(redis === null ? undefined : { redisPort: redis.port }),
  });
  await fill?.(installation);
  const startsMs: number[] = [];
  for (let start = 1; start < starts; start += 1) {
    await using started = await startKeyturn(installation, cores.server);
    startsMs.push(started.startMs);
  }
  const served = opened.use(await startKeyturn(installation, cores.server));
  const further: KeyturnServer[] = [];
  for (let node = 1; node < nodes; node += 1)
    further.push(opened.use(await startKeyturn(installation, cores.server, await freePort())));
  return {
    served: together(served, further),
    startsMs: [...startsMs, served.startMs],
    storeDirectory: redis?.directory ?? directory,
    storePids: redis === null ? [] : [redis.pid],
    processes: workers * nodes,
    connections,
    ...(staying ? { signedIn: new Map() } : undefined),
  };
}

/** Several servers as one that has all of their ports and processes. */
const together = (first: KeyturnServer, further: readonly KeyturnServer[]): KeyturnServer => ({
  ...first,
  ports: [first, ...further].flatMap(({ ports }) => ports),
  pids: () => [first, ...further].flatMap(({ pids }) => pids()),
});

/** How many bytes its store has on disk. */
export async function sizeOf({ storeDirectory }: Pick<KeyturnContestant, 'storeDirectory'>): Promise<number> {
  const files = await readdir(storeDirectory, { recursive: true });
  const sizes = files.filter(isOfStore).map(async (name) => (await stat(join(storeDirectory, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** The database with its log, or the append-only file and what it began from. */
const isOfStore = (name: string) => /^keyturn\.db|^appendonlydir\/.*\.(?:rdb|aof)$/.test(name);

/** Those of the stores that this machine has what it takes for. */
export function storesAtHand(
  stores: readonly StoreName[],
  tell: (line: string) => void,
): readonly StoreName[] {
  const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
  if (hasRedis || !stores.includes('redis')) return stores;
  tell('there is no redis-server, so nothing is measured on Redis');
  return stores.filter((store) => store !== 'redis');
}

/** As Redis is set up where it must not forget: what was acknowledged outlives the process, and all but a second the machine. */
const DURABLE = ['appendfsync everysec'];

export async function enterBare(
  opened: AsyncDisposableStack,
  { cores, connections }: ArenaOptions,
): Promise<Contestant> {
  const served = opened.use(await startBare(cores.server));
  return {
    served,
    storePids: [],
    connections,
  };
}
