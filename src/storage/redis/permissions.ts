import { type RedisConnection, RedisRefusal } from '#src/storage/redis/connection.ts';
import type { Keys } from '#src/storage/redis/keys.ts';
import type { RedisLocation } from '#src/store-location.ts';

/** What a user of Redis lacks: commands by name, and whether it may use the keys and their names. */
export interface MissingPermissions {
  readonly commands: readonly string[];
  readonly keys: boolean;
}

/** Finds out what the user of this connection lacks by trying, since users may seldom ask. @throws StorageFault */
export async function missingPermissions(
  connection: RedisConnection,
  { location, keys }: { location: RedisLocation; keys: Keys },
): Promise<MissingPermissions> {
  const commands: string[] = [];
  let keysMissing = false;
  for (const [command, ...given] of trialsOf(location, keys)) {
    const refused = await refusalOf(connection.ask((redis) => redis.call(command, ...given)));
    if (!refused?.startsWith('NOPERM')) continue;
    if (/\bkeys?\b/.test(refused)) keysMissing = true;
    else commands.push(command);
  }
  return { commands, keys: keysMissing };
}

/**
 * Every command there is use for, in a way that changes nothing: on a text, where most are out of place. Whether a
 * command is allowed is looked at before.
 */
function trialsOf(
  { topology }: RedisLocation,
  { pinged }: Keys,
): readonly (readonly [string, ...string[]])[] {
  return [
    ['info', 'server'],
    ['time'],
    ['wait', '0', '0'],
    ['set', pinged, ''],
    ['get', pinged],
    ['hget', pinged, ''],
    ['hmget', pinged, ''],
    ['hset', pinged, '', ''],
    ['hdel', pinged, ''],
    ['zadd', pinged, '0', ''],
    ['zrem', pinged, ''],
    ['zrange', pinged, '0', '0'],
    ['zrank', pinged, ''],
    ['zcount', pinged, '0', '0'],
    ['zscore', pinged, ''],
    ['zmscore', pinged, ''],
    ['eval', 'return 1', '1', pinged],
    ['evalsha', 'ffffffffffffffffffffffffffffffffffffffff', '1', pinged],
    ...(topology === 'cluster' ? [['cluster', 'info'] as const] : []),
  ];
}

async function refusalOf(asked: Promise<unknown>): Promise<string | null> {
  try {
    await asked;
    return null;
  } catch (error) {
    if (error instanceof RedisRefusal) return error.reply;
    throw error;
  }
}
