import { type RedisServer, startRedisServer } from '#test/support/redis-server.ts';
import { until } from '#test/support/until.ts';

/** A real primary with two replicas, and three sentinels that watch over them. */
export interface RedisSentinels extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  /** How the location of a store names them. */
  readonly location: string;
  /** The one that the sentinels take for the primary now. */
  primaryOf(): Promise<RedisServer>;
  /** True if that one is the primary, and all others follow it. */
  isWhole(): Promise<boolean>;
}

/** After how much silence the primary is given up, in milliseconds. */
const DOWN_AFTER_MS = 500;

/**
 * How often sentinels tell one another what they know. Four times as long a primary that is back may call itself one, before
 * they make a replica of it: eight seconds, unless they talk more often.
 */
const PUBLISH_PERIOD_MS = 250;
const INFO_PERIOD_MS = 500;

export async function startRedisSentinels(): Promise<RedisSentinels> {
  await using opened = new AsyncDisposableStack();
  const first = opened.use(await startRedisServer());
  const replicas = await Promise.all([replicaOf(first), replicaOf(first)]);
  const sentinels = await Promise.all([0, 1, 2].map(() => sentinelOf(first)));
  for (const server of [...replicas, ...sentinels]) opened.use(server);
  await until('two replicas of the primary', () => isFollowed(first));
  const known = (sentinel: RedisServer) => sentinel.cli('sentinel', 'master', 'main');
  for (const sentinel of sentinels) {
    await until('a sentinel that knows all others', async () =>
      /num-slaves\n2\n(?:.*\n)*num-other-sentinels\n2/.test(await known(sentinel)),
    );
  }
  const servers = [first, ...replicas];
  const primaryOf = async () => {
    const [, port] =
      (await sentinels[0]?.cli('sentinel', 'get-master-addr-by-name', 'main'))?.split('\n') ?? [];
    const found = servers.find((server) => String(server.port) === port);
    if (found === undefined) throw new Error('the sentinels know no primary');
    return found;
  };
  const closing = opened.move();
  return {
    servers,
    location: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/main`,
    primaryOf,
    isWhole: async () => isFollowed(await primaryOf()),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

function replicaOf({ port }: RedisServer): Promise<RedisServer> {
  return startRedisServer({ config: [`replicaof 127.0.0.1 ${port}`] });
}

async function sentinelOf({ port }: RedisServer): Promise<RedisServer> {
  const config = [
    `sentinel monitor main 127.0.0.1 ${port} 2`,
    `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout main 2000',
  ];
  const sentinel = await startRedisServer({ program: 'sentinel', config });
  const periods = ['publish-period', PUBLISH_PERIOD_MS, 'info-period', INFO_PERIOD_MS].map(String);
  await sentinel.cli('sentinel', 'debug', ...periods);
  return sentinel;
}

/** True if it is a primary with both replicas. */
async function isFollowed(server: RedisServer): Promise<boolean> {
  const replication = await server.cli('info', 'replication').catch(() => '');
  return replication.includes('role:master') && replication.match(/state=online/g)?.length === 2;
}
