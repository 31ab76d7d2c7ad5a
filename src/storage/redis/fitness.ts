import { SetupFault, StorageFault } from '#src/fault.ts';
import { type RedisConnection, RedisRefusal } from '#src/storage/redis/connection.ts';
import type { Keys } from '#src/storage/redis/keys.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import { type RedisLocation, writtenStoreLocation } from '#src/store-location.ts';

/** Makes the first connection. Throws `SetupFault` with what is in the way. */
export async function assertReachable(connection: RedisConnection, location: RedisLocation): Promise<void> {
  try {
    await connection.open();
  } catch (error) {
    if (!(error instanceof StorageFault)) throw error;
    const reason = error instanceof RedisRefusal ? error.reply : error.message;
    const hint = OBSTACLES.find(([pattern]) => pattern.test(reason))?.[1] ?? UNREACHABLE;
    throw new SetupFault(`${writtenStoreLocation(location)} cannot be opened: ${reason}`, hint);
  }
}

/** Throws `SetupFault` if a Redis must not hold records as it is set up. */
export function assertFit(location: RedisLocation, findings: readonly StoreFinding[]): void {
  const ill = findings.filter(({ state }) => state === 'ill');
  if (ill.length === 0) return;
  throw new SetupFault(
    `${writtenStoreLocation(location)} is not fit to be the store: ${ill.map(({ says }) => says).join('; ')}`,
    ill.map(({ remedy }) => remedy).join('; '),
  );
}

/**
 * Which keys there are, and what each holds. A record says by itself how it is packed, so that a layout that only adds to
 * records needs no new number here.
 */
const LAYOUT = 1;

/** Throws `SetupFault` for a store that a newer Keyturn keeps in another way. */
export async function assertLayout(connection: RedisConnection, { layout }: Keys): Promise<void> {
  await connection.ask((redis) => redis.set(layout, LAYOUT, 'NX'));
  const present = Number(await connection.ask((redis) => redis.get(layout)));
  if (present === LAYOUT) return;
  throw new SetupFault(
    `the store has layout ${present}; this program knows layout ${LAYOUT}`,
    'run the version of Keyturn that wrote it, or set another redis.prefix',
  );
}

const UNREACHABLE =
  'see that it runs, that store names its host and port, and that nothing between keeps us out';

const OBSTACLES: readonly (readonly [reason: RegExp, hint: string])[] = [
  [
    /WRONGPASS|NOAUTH|invalid password|no password is set/i,
    'set the user in store and its password in redis.password',
  ],
  [
    /certificate|altnames/i,
    'name the authority of its certificate in redis.ca, and its name in redis.serverName if that is not the host',
  ],
  [/SSL|TLS|EPROTO/i, 'write rediss:// in store where Redis speaks TLS, and redis:// where it does not'],
  [/CLUSTERDOWN/, 'see with redis-cli --cluster check what is wrong with the cluster'],
  [/cluster support disabled/i, 'this is no cluster: write redis:// in store'],
  [
    /has not answered/,
    'see that it runs, and that its primary has as many replicas as redis.waitReplicas says',
  ],
  [/sentinel/i, 'see that the sentinels run, and that they know the primary by the name in store'],
];
