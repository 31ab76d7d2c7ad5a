import { type RedisSentinels, startRedisSentinels } from '#test/support/redis-sentinels.ts';
import type { RedisServer } from '#test/support/redis-server.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';
import { until } from '#test/support/until.ts';

/** Three servers on one Redis under Sentinel, of which every replica confirms every write. */
export interface Fleet extends AsyncDisposable {
  readonly redis: RedisSentinels;
  readonly nodes: readonly [RunningKeyturn, RunningKeyturn, RunningKeyturn];
  /** Waits until Redis has its primary and all replicas, and every server says that it is ready. */
  whole(): Promise<void>;
  /**
   * Kills the primary with writes that no replica has, starts it again as soon as another has taken its place, as a
   * supervisor would, and ends when all is whole.
   */
  losePrimary(): Promise<void>;
  /** Stops every Redis in its tracks for so long, and ends when all is whole. */
  pauseRedis(lasting: () => Promise<void>): Promise<void>;
}

export async function startFleet(): Promise<Fleet> {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startRedisSentinels());
  const shared = { ...SETTINGS, KEYTURN_STORE: redis.location };
  const one = opened.use(await startKeyturn({ env: shared }));
  const { KEYTURN_KEYS_DIR = '' } = one.env;
  const same = { ...shared, KEYTURN_ISSUER: one.issuer, KEYTURN_KEYS_DIR };
  const [two, three] = await Promise.all([startKeyturn({ env: same }), startKeyturn({ env: same })]);
  opened.use(two);
  opened.use(three);
  const nodes = [one, two, three] as const;
  const whole = async () => {
    await until('a primary with all its replicas', () => redis.isWhole());
    for (const node of nodes) await until(`readiness of ${originOf(node)}`, () => isReady(node));
  };
  const closing = opened.move();
  return {
    redis,
    nodes,
    whole,
    async losePrimary() {
      const primary = await redis.primaryOf();
      const replicas = redis.servers.filter((server) => server !== primary);
      for (const replica of replicas) replica.pause();
      await primary.cli('client', 'kill', 'type', 'replica');
      const enough = (await writtenBy(primary)) + LOST_BYTES;
      await until('writes that no replica has', async () => (await writtenBy(primary)) >= enough);
      await primary.kill();
      for (const replica of replicas) replica.resume();
      await until('another primary', async () => (await redis.primaryOf()) !== primary);
      await primary.start();
      await whole();
    },
    async pauseRedis(lasting) {
      for (const server of redis.servers) server.pause();
      await lasting();
      for (const server of redis.servers) server.resume();
      await whole();
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Under which address a server listens, which is not that of the issuer for all but one. */
export const originOf = ({ env }: RunningKeyturn) => `http://localhost:${env.KEYTURN_PORT}`;

const SETTINGS = {
  KEYTURN_REDIS_WAIT_REPLICAS: '2',
  KEYTURN_REDIS_TIMEOUT_MS: '1000',
  // Whoever was not answered asks again when the faults are over, within these.
  KEYTURN_LIFETIMES_REFRESH_GRACE: '2m',
  KEYTURN_LIFETIMES_AUTHORIZATION_CODE: '5m',
  KEYTURN_REGISTRATION: 'open',
  KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '100000',
  KEYTURN_REGISTRATION_LIMITS_CLIENTS_MAX: '100000',
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
};

/** How much of what the primary has written is lost with it: some twenty refreshes of tokens. */
const LOST_BYTES = 30_000;

/** How far a primary is in the stream that its replicas follow, in bytes. */
async function writtenBy(primary: RedisServer): Promise<number> {
  return Number(/master_repl_offset:(\d+)/.exec(await primary.cli('info', 'replication'))?.[1]);
}

async function isReady(node: RunningKeyturn): Promise<boolean> {
  const { status, body } = await fetch(`${originOf(node)}/readyz`);
  await body?.cancel();
  return status === 200;
}
