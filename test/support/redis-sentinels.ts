import { setTimeout } from 'node:timers/promises';
import { type RedisServer, startRedisServer } from '#test/support/redis-server.ts';

/** A real primary with two replicas, and three sentinels that watch over them. */
export interface RedisSentinels extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  /** How the location of a store names them. */
  readonly location: string;
  /** The one that the sentinels take for the primary now. */
  primaryOf(): Promise<RedisServer>;
}

/** After how much silence the primary is given up, in milliseconds. */
const DOWN_AFTER_MS = 500;

export async function startRedisSentinels(): Promise<RedisSentinels> {
  await using opened = new AsyncDisposableStack();
  const first = opened.use(await startRedisServer());
  const replicas = await Promise.all([replicaOf(first), replicaOf(first)]);
  const sentinels = await Promise.all([0, 1, 2].map(() => sentinelOf(first)));
  for (const server of [...replicas, ...sentinels]) opened.use(server);
  await until(async () => (await first.cli('info', 'replication')).match(/state=online/g)?.length === 2);
  const known = (sentinel: RedisServer) => sentinel.cli('sentinel', 'master', 'main');
  for (const sentinel of sentinels) {
    await until(async () => /num-slaves\n2\n(?:.*\n)*num-other-sentinels\n2/.test(await known(sentinel)));
  }
  const servers = [first, ...replicas];
  const closing = opened.move();
  return {
    servers,
    location: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/main`,
    async primaryOf() {
      const [, port] =
        (await sentinels[0]?.cli('sentinel', 'get-master-addr-by-name', 'main'))?.split('\n') ?? [];
      const found = servers.find((server) => String(server.port) === port);
      if (found === undefined) throw new Error('the sentinels know no primary');
      return found;
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

function replicaOf({ port }: RedisServer): Promise<RedisServer> {
  return startRedisServer({ config: [`replicaof 127.0.0.1 ${port}`] });
}

function sentinelOf({ port }: RedisServer): Promise<RedisServer> {
  const config = [
    `sentinel monitor main 127.0.0.1 ${port} 2`,
    `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout main 2000',
  ];
  return startRedisServer({ program: 'sentinel', config });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await setTimeout(50);
}
