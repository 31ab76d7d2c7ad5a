import { type RedisConnection, RedisRefusal } from '#src/storage/redis/connection.ts';
import type { Keys } from '#src/storage/redis/keys.ts';
import { type MissingPermissions, missingPermissions } from '#src/storage/redis/permissions.ts';
import type { RedisSettings } from '#src/storage/redis/settings.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import type { RedisLocation } from '#src/store-location.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface Examined {
  readonly connection: RedisConnection;
  readonly location: RedisLocation;
  readonly settings: RedisSettings;
  readonly keys: Keys;
}

/**
 * Looks at whether a Redis is fit to hold the records: that it is the primary, of a version that is known, forgets
 * nothing, and has a clock that agrees with ours. @throws StorageFault
 */
export async function examineRedis(examined: Examined, now: EpochSeconds): Promise<StoreFinding[]> {
  const { connection, location, settings } = examined;
  const facts = await factsOf(connection);
  const permissions = async () =>
    permissionsFinding(examined, await missingPermissions(connection, examined));
  if (facts === null) return [await permissions()];
  const general = [versionFinding(facts), topologyFinding(facts, location)];
  if (general.some(({ state }) => state === 'ill')) return general;
  general.push(await permissions());
  if (general.some(({ state }) => state === 'ill')) return general;
  return [
    ...general,
    memoryFinding(facts),
    persistenceFinding(facts, await fsyncPolicyOf(connection), settings),
    failoverFinding(facts, location, settings),
    clockFinding(await clockOf(connection), now, settings),
    transportFinding(location),
  ];
}

/** The version that brought scripts which say beforehand what they do. */
const VERSION_MIN = 7;

/** How full the memory may be before somebody should know. */
const MEMORY_NOTABLE_PERCENT = 80;

type Facts = ReadonlyMap<string, string>;

/** What Redis says of itself, if this user may ask. */
async function factsOf(connection: RedisConnection): Promise<Facts | null> {
  const info = await answerOrNull(connection.ask((redis) => redis.info()));
  if (info === null) return null;
  return new Map(
    info.split('\r\n').map((line): [string, string] => {
      const [name = '', value = ''] = line.split(':', 2);
      return [name, value];
    }),
  );
}

function permissionsFinding({ location, keys }: Examined, missing: MissingPermissions): StoreFinding {
  const subject = 'redis user';
  const user = location.username ?? 'default';
  if (missing.commands.length === 0 && !missing.keys) {
    return { subject, state: 'well', says: `${user} may do all that is needed` };
  }
  const pattern = `~${keys.records.replace(/[^:]*$/, '*')}`;
  const lacks = [...missing.commands, ...(missing.keys ? [`the keys ${pattern.slice(1)}`] : [])];
  const rights = [...missing.commands.map((command) => `+${command}`), ...(missing.keys ? [pattern] : [])];
  return {
    subject,
    state: 'ill',
    says: `the user ${user} may not use ${lacks.join(', ')}`,
    remedy: `as an administrator of Redis: ACL SETUSER ${user} ${rights.join(' ')}`,
  };
}

function versionFinding(facts: Facts): StoreFinding {
  const subject = 'redis';
  const valkey = facts.get('valkey_version');
  const version = facts.get('redis_version') ?? '0';
  const says = valkey === undefined ? `Redis ${version}` : `Valkey ${valkey}`;
  // Valkey says beside its own version which one of Redis it agrees with.
  if (Number.parseInt(version, 10) >= VERSION_MIN) return { subject, state: 'well', says };
  const remedy = `run Redis ${VERSION_MIN}.0 or later, or Valkey`;
  return { subject, state: 'ill', says: `${says} is too old`, remedy };
}

function topologyFinding(facts: Facts, { topology }: RedisLocation): StoreFinding {
  const subject = 'redis role';
  if (facts.get('role') !== 'master') {
    const says = 'this is a replica, which cannot be written to';
    return {
      subject,
      state: 'ill',
      says,
      remedy: 'name the primary in store, or the sentinels that know it',
    };
  }
  const inCluster = facts.get('cluster_enabled') === '1';
  if (inCluster === (topology === 'cluster')) {
    return { subject, state: 'well', says: inCluster ? 'the primary of our slot in a cluster' : 'a primary' };
  }
  return inCluster
    ? {
        subject,
        state: 'ill',
        says: 'this is a node of a cluster, and does not hold all keys',
        remedy: 'name some nodes of the cluster in store: redis+cluster://host,host,host',
      }
    : { subject, state: 'ill', says: 'this is no cluster', remedy: 'write redis:// in store' };
}

function memoryFinding(facts: Facts): StoreFinding {
  const subject = 'redis memory';
  const policy = facts.get('maxmemory_policy') ?? 'unknown';
  if (policy !== 'noeviction') {
    return {
      subject,
      state: 'ill',
      says: `when its memory is full it would throw the records away (maxmemory-policy ${policy})`,
      remedy: 'set maxmemory-policy noeviction in the configuration of Redis',
    };
  }
  const limit = Number(facts.get('maxmemory'));
  const percent = limit === 0 ? 0 : Math.round((Number(facts.get('used_memory')) * 100) / limit);
  if (percent >= MEMORY_NOTABLE_PERCENT) {
    const says = `${percent}% of maxmemory is used; once it is full, nobody can sign in`;
    return { subject, state: 'notable', says, remedy: 'raise maxmemory' };
  }
  return { subject, state: 'well', says: 'evicts nothing' };
}

type FsyncPolicy = 'always' | 'everysec' | 'no' | 'unknown';

/** Which users need not be allowed to ask, and hosts of Redis seldom let them. */
async function fsyncPolicyOf(connection: RedisConnection): Promise<FsyncPolicy> {
  const answer = await answerOrNull(connection.ask((redis) => redis.config('GET', 'appendfsync')));
  const [, policy] = (answer ?? []) as [string?, FsyncPolicy?];
  return policy ?? 'unknown';
}

function persistenceFinding(
  facts: Facts,
  fsync: FsyncPolicy,
  { acceptLoss, waitReplicas }: RedisSettings,
): StoreFinding {
  const subject = 'redis disk';
  const lossy = (says: string, remedy: string): StoreFinding =>
    acceptLoss
      ? { subject, state: 'notable', says: `${says}, as redis.acceptLoss allows` }
      : { subject, state: 'ill', says, remedy: `${remedy}; redis.acceptLoss does without` };
  if (facts.get('aof_enabled') !== '1') {
    return lossy(
      'it has no append-only file, so a restart forgets what was written last',
      'set appendonly yes in the configuration of Redis',
    );
  }
  if (facts.get('aof_last_write_status') !== 'ok') {
    const says = 'it could not write to its append-only file';
    return { subject, state: 'ill', says, remedy: 'see that its disk is there and has room' };
  }
  if (fsync === 'no') {
    return lossy(
      'it leaves to the system when something comes to the disk (appendfsync no)',
      'set appendfsync always, or everysec',
    );
  }
  if (fsync === 'always' || waitReplicas > 0) {
    const says = fsync === 'always' ? 'every write is on disk before it counts' : 'has an append-only file';
    return { subject, state: 'well', says };
  }
  const known =
    fsync === 'everysec' ? 'appendfsync everysec' : 'appendfsync is unknown, for this user may not ask';
  return {
    subject,
    state: 'notable',
    says: `has an append-only file; a crash can lose the last two seconds (${known})`,
    remedy: 'set appendfsync always, or have replicas confirm what is written (redis.waitReplicas)',
  };
}

function failoverFinding(
  facts: Facts,
  { topology }: RedisLocation,
  { waitReplicas }: RedisSettings,
): StoreFinding {
  const subject = 'redis replicas';
  const replicas = [...facts].filter(
    ([name, value]) => /^slave\d+$/.test(name) && /state=online/.test(value),
  );
  const count = replicas.length;
  if (count < waitReplicas) {
    return {
      subject,
      state: 'ill',
      says: `has ${count} replicas, while every write waits for ${waitReplicas}`,
      remedy: 'start the missing replicas, or lower redis.waitReplicas',
    };
  }
  if (topology !== 'standalone' && waitReplicas === 0) {
    return {
      subject,
      state: 'notable',
      says: `${count}, and no write waits for any: a failover can lose what was written last`,
      remedy: 'set redis.waitReplicas to 1 or more',
    };
  }
  if (waitReplicas > 0 && count > waitReplicas) {
    return {
      subject,
      state: 'notable',
      says: `${count}, of which ${waitReplicas} confirm a write: a failover to another can lose it`,
      remedy: `set redis.waitReplicas to ${count}`,
    };
  }
  const says = waitReplicas === 0 ? `${count}` : `${count}, and all of them confirm every write`;
  return { subject, state: 'well', says };
}

async function answerOrNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof RedisRefusal) return null;
    throw error;
  }
}

async function clockOf(connection: RedisConnection): Promise<number> {
  const [seconds] = await connection.ask((redis) => redis.time());
  return Number(seconds);
}

function clockFinding(clock: number, now: EpochSeconds, { clockSkewMax }: RedisSettings): StoreFinding {
  const subject = 'redis clock';
  const skew = Math.abs(clock - now);
  if (skew <= clockSkewMax) return { subject, state: 'well', says: 'agrees with the clock of this machine' };
  return {
    subject,
    state: 'ill',
    says: `its clock and the clock of this machine are ${skew}s apart; keys.clockSkewMax allows ${clockSkewMax}s`,
    remedy: 'have both machines set their clocks by NTP',
  };
}

function transportFinding({ tls, nodes }: RedisLocation): StoreFinding {
  const subject = 'redis network';
  if (tls) return { subject, state: 'well', says: 'TLS' };
  if (nodes.every(({ host }) => LOOPBACK.test(host))) return { subject, state: 'well', says: 'this machine' };
  return {
    subject,
    state: 'notable',
    says: 'the connection is not encrypted: whoever listens in learns the password of Redis',
    remedy: 'have Redis speak TLS, and write rediss:// in store',
  };
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/;
