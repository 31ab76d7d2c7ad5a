import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis';
import { disconnected } from '#src/storage/redis/disconnected.ts';
import { isPrimary } from '#src/storage/redis/primary.ts';
import type { RedisNode } from '#src/store-location.ts';

/** Of which cluster, and of which slot in it, the primary is wanted. */
export interface ClusterSlot {
  readonly nodes: readonly RedisNode[];
  /** A key in the slot. */
  readonly key: string;
  /** How to reach a node, whichever it is. */
  readonly reach: RedisOptions;
  readonly backOff: (attempt: number) => number;
  /** How many replicas it must have. */
  readonly replicas: number;
}

/**
 * Leads each connection to the node of a cluster that holds the slot at the time. All that Keyturn stores is in one slot,
 * so that one connection is enough, and is dealt with as that to a single server: a lost primary is a lost connection,
 * and while there is none, what is asked fails at once instead of wandering about the cluster.
 */
export function clusterConnector({ nodes, key, reach, backOff, replicas }: ClusterSlot) {
  return class ClusterConnector extends AbstractConnector {
    /** Those that were named, and those that one of them has told of. */
    #known: readonly RedisNode[] = nodes;

    constructor() {
      super(reach.disconnectTimeout ?? 0);
    }

    override check(info: Readonly<Record<string, string>>): boolean {
      return isPrimary(info, replicas);
    }

    async connect(report: (type: string, error: Error) => void): Promise<Socket> {
      this.connecting = true;
      for (let attempt = 1; ; attempt += 1) {
        const found = await this.#find();
        if (!this.connecting) throw new Error('Connection is closed.');
        if (!(found instanceof Error)) return this.#connectTo(found);
        report('error', found);
        await setTimeout(backOff(attempt));
      }
    }

    #connectTo({ host, port }: RedisNode): Socket {
      const stream =
        reach.tls === undefined ? connectTcp({ host, port }) : connectTls({ ...reach.tls, host, port });
      stream.once('error', (error) => {
        this.firstError = error;
      });
      this.stream = stream;
      return stream;
    }

    /** Whichever node answers first knows who has the slot. */
    async #find(): Promise<RedisNode | Error> {
      try {
        const { primary, others } = await Promise.any(this.#known.map((node) => ask(node, key, reach)));
        this.#known = [...nodes, ...others.filter((other) => !nodes.some((node) => isSame(node, other)))];
        return primary;
      } catch (error) {
        const [first] = error instanceof AggregateError ? error.errors : [error];
        return first instanceof Error ? first : new Error(String(first));
      }
    }
  };
}

interface Answer {
  readonly primary: RedisNode;
  readonly others: readonly RedisNode[];
}

const isSame = (one: RedisNode, other: RedisNode) => one.host === other.host && one.port === other.port;

/** Asks a node of the cluster who holds the slot of a key. Throws unless the cluster works as far as that node knows. */
async function ask(node: RedisNode, key: string, reach: RedisOptions): Promise<Answer> {
  const redis = new Redis({
    ...reach,
    ...node,
    replyMapping: 'legacy',
    retryStrategy: null,
    enableReadyCheck: false,
    lazyConnect: true,
  });
  let trouble: Error | null = null;
  redis.on('error', (error: Error) => {
    trouble = error;
  });
  try {
    await redis.connect();
    const [info, slot, ranges] = await Promise.all([
      redis.cluster('INFO'),
      redis.cluster('KEYSLOT', key),
      redis.cluster('SLOTS'),
    ]);
    return answerOf(node, { info, slot, ranges });
  } catch (error) {
    throw trouble ?? error;
  } finally {
    await disconnected(redis);
  }
}

/** First and last slot, primary, replicas. */
type SlotRange = readonly [
  number,
  number,
  ...(readonly [host: string | null, port: number, ...rest: unknown[]])[],
];

function answerOf(
  asked: RedisNode,
  { info, slot, ranges }: { info: string; slot: number; ranges: readonly SlotRange[] },
): Answer {
  if (!/^cluster_state:ok\r?$/m.test(info)) throw new Error('CLUSTERDOWN the cluster is down');
  // A node that does not know by which name others reach it says none.
  const nodesOf = ([, , ...nodes]: SlotRange) =>
    nodes.map(([host, port]): RedisNode => ({ host: host || asked.host, port }));
  const range = ranges.find(([first, last]) => first <= slot && slot <= last);
  const [primary] = range === undefined ? [] : nodesOf(range);
  if (primary === undefined) throw new Error('CLUSTERDOWN nobody holds the slot of our keys');
  return { primary, others: ranges.flatMap(nodesOf) };
}
