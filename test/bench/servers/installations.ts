import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cores, pin } from '#test/bench/load/cores.ts';
import type { Contestant } from '#test/bench/measure.ts';
import type { StoreName } from '#test/bench/options.ts';
import { startBare } from '#test/bench/servers/bare.ts';
import {
  type InstallationOptions,
  installKeyturn,
  type KeyturnServer,
  startKeyturn,
} from '#test/bench/servers/keyturn.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A Keyturn that is ready to be asked. */
export interface KeyturnContestant extends Contestant {
  readonly served: KeyturnServer;
  /** How long each start took, in milliseconds. */
  readonly startsMs: readonly number[];
}

export interface ArenaOptions {
  readonly cores: Cores;
  readonly connections: number;
  /** How often the server is started to see how long that takes. */
  readonly starts?: number;
  readonly fill?: InstallationOptions['fill'];
}

/** A Keyturn on a new store, with a Redis of its own where it is on Redis. */
export async function enterKeyturn(
  store: StoreName,
  opened: AsyncDisposableStack,
  { cores, connections, starts = 1, fill }: ArenaOptions,
): Promise<KeyturnContestant> {
  const directory = opened.use(await makeTemporaryDirectory()).path;
  await mkdir(join(directory, 'keys'));
  const redis = store === 'redis' ? opened.use(await startRedisServer({ config: DURABLE })) : null;
  if (redis !== null) pin(redis.pid, cores.load);
  const installation = await installKeyturn({
    directory,
    people: connections,
    ...(redis === null ? undefined : { redisPort: redis.port }),
    ...(fill === undefined ? undefined : { fill }),
  });
  const startsMs: number[] = [];
  for (let start = 1; start < starts; start += 1) {
    await using started = await startKeyturn(installation, cores.server);
    startsMs.push(started.startMs);
  }
  const served = opened.use(await startKeyturn(installation, cores.server));
  return {
    served,
    startsMs: [...startsMs, served.startMs],
    storePids: redis === null ? [] : [redis.pid],
    connections,
  };
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
