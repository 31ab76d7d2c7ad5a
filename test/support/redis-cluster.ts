import assert from 'node:assert/strict';
import { freePort } from '#test/support/free-port.ts';
import { type RedisServer, startRedisServer } from '#test/support/redis-server.ts';
import { until } from '#test/support/until.ts';

/** A real cluster: three primaries, each with a replica. */
export interface RedisCluster extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  /** How the location of a store names it. */
  readonly location: string;
  /** The one that holds this key, as one of the others sees it. */
  primaryOf(key: string, but?: RedisServer): Promise<RedisServer>;
}

const PRIMARIES = 3;
const SLOTS = 16_384;

/** After how much silence a node is given up, in milliseconds. */
const NODE_TIMEOUT_MS = 1000;

export async function startRedisCluster(): Promise<RedisCluster> {
  await using opened = new AsyncDisposableStack();
  const servers = await Promise.all(Array.from({ length: 2 * PRIMARIES }, startNode));
  for (const server of servers) opened.use(server);
  await join(servers);
  const closing = opened.move();
  return {
    servers,
    location: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    primaryOf: (key, but) =>
      primaryOf(servers, key, servers.find((server) => server !== but) ?? assert.fail()),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function startNode(): Promise<RedisServer> {
  const config = [
    'cluster-enabled yes',
    `cluster-port ${await freePort()}`,
    `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
    'cluster-replica-validity-factor 0',
  ];
  return startRedisServer({ config });
}

/** What `redis-cli --cluster create` does, without its waiting. */
async function join(servers: readonly RedisServer[]): Promise<void> {
  const [first, ...others] = servers;
  assert.ok(first !== undefined);
  await Promise.all(servers.map((node, at) => node.cli('cluster', 'set-config-epoch', `${at + 1}`)));
  const primaries = servers.slice(0, PRIMARIES);
  const share = (at: number) => Math.floor((SLOTS * at) / PRIMARIES);
  for (const [at, node] of primaries.entries()) {
    await node.cli('cluster', 'addslotsrange', `${share(at)}`, `${share(at + 1) - 1}`);
  }
  for (const other of others) {
    await first.cli('cluster', 'meet', '127.0.0.1', `${other.port}`, await busPortOf(other));
  }
  await Promise.all(
    servers.map((node) =>
      until('a node that knows all others', async () => (await nodesOf(node)).length === servers.length),
    ),
  );
  for (const [at, primary] of primaries.entries()) {
    await servers[PRIMARIES + at]?.cli('cluster', 'replicate', await primary.cli('cluster', 'myid'));
  }
  await Promise.all(
    servers.map((node) =>
      until('a node that is up, with every replica in its place', async () => {
        const replicas = (await nodesOf(node)).filter(({ flags }) => flags.includes('slave'));
        return replicas.length === PRIMARIES && (await isUp(node));
      }),
    ),
  );
}

async function isUp(node: RedisServer): Promise<boolean> {
  const replication = await node.cli('info', 'replication');
  const linked = replication.includes('role:master') || replication.includes('master_link_status:up');
  return linked && (await node.cli('cluster', 'info')).includes('cluster_state:ok');
}

const busPortOf = async (node: RedisServer) =>
  (await node.cli('config', 'get', 'cluster-port')).split('\n')[1] ?? '';

async function primaryOf(
  servers: readonly RedisServer[],
  key: string,
  asked: RedisServer,
): Promise<RedisServer> {
  const slot = Number(await asked.cli('cluster', 'keyslot', key));
  const holder = (await nodesOf(asked)).find(({ slots }) =>
    slots.some(([first, last]) => first <= slot && slot <= last),
  );
  return servers.find(({ port }) => port === holder?.port) ?? assert.fail(`nobody holds ${key}`);
}

/** The lines of CLUSTER NODES: id, address, flags, primary, ping, pong, epoch, link, slots. */
async function nodesOf(node: RedisServer) {
  const lines = (await node.cli('cluster', 'nodes')).split('\n');
  return lines.map((line) => {
    const [, address = '', flags = '', , , , , , ...ranges] = line.trim().split(' ');
    return {
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      flags: flags.split(','),
      slots: ranges.map((range): [number, number] => {
        const [first = Number.NaN, last = first] = range.split('-').map(Number);
        return [first, last];
      }),
    };
  });
}
