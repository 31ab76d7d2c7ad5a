import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { type RedisOptions, type SentinelConnectionOptions, SentinelConnector } from 'ioredis';
import { SetupFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { clusterConnector } from '#src/storage/redis/cluster-connector.ts';
import type { Keys } from '#src/storage/redis/keys.ts';
import { isPrimary } from '#src/storage/redis/primary.ts';
import { SCRIPTS } from '#src/storage/redis/scripts.ts';
import type { RedisSettings } from '#src/storage/redis/settings.ts';
import type { RedisLocation } from '#src/store-location.ts';

/** How to reach the server that holds these keys, and nothing that would hold up, or repeat, what is asked of it. */
export async function redisOptionsOf(
  location: RedisLocation,
  { settings, keys, random }: { settings: RedisSettings; keys: Keys; random: Random },
): Promise<RedisOptions> {
  const { timeoutMs } = settings;
  const backOff = (attempt: number) => backOffMs(attempt, random);
  const reach: RedisOptions = {
    ...(location.tls ? { tls: await tlsOptions(settings) } : {}),
    ...credentialsOf(location, settings),
    connectionName: 'keyturn',
    // Whatever speaks Redis speaks this version, and nothing of the next one is needed.
    protocol: 2,
    connectTimeout: timeoutMs,
    // A server that does not answer is left, and with it all that waits for it.
    socketTimeout: timeoutMs,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  };
  return {
    ...reach,
    ...routeOf(location, { settings, keys, reach, backOff }),
    db: location.database,
    lazyConnect: true,
    // While there is no connection, whatever is asked fails at once instead of piling up.
    enableOfflineQueue: false,
    // What was asked when the connection broke may have been done, so it fails, and is not done again.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: backOff,
    enableAutoPipelining: true,
    // A pipeline waits for the one before it, and would make everything else wait for the replicas.
    autoPipeliningIgnoredCommands: ['wait'],
    scripts: Object.fromEntries(
      Object.entries(SCRIPTS).map(([name, { lua, keys }]) => [
        commandOf(name),
        { lua, numberOfKeys: keys.length },
      ]),
    ),
  };
}

/** Under which name the library calls a script. Some of ours are called as commands of Redis are. */
export const commandOf = (script: string): string => `keyturn-${script}`;

const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 1000;
const DISCONNECT_TIMEOUT_MS = 500;

/** Twice as long each time, and half of it by chance, so that servers that lost Redis together come back apart. */
function backOffMs(attempt: number, random: Random): number {
  const longest = Math.min(BACK_OFF_MIN_MS * 2 ** (attempt - 1), BACK_OFF_MAX_MS);
  return Math.round((longest * (1 + random.bytes(1).readUInt8() / 255)) / 2);
}

interface Route {
  readonly settings: RedisSettings;
  readonly keys: Keys;
  readonly reach: RedisOptions;
  readonly backOff: (attempt: number) => number;
}

function routeOf(
  { topology, nodes, primaryName }: RedisLocation,
  { settings, keys, reach, backOff }: Route,
): RedisOptions {
  const { sentinelUsername, sentinelPassword, timeoutMs } = settings;
  switch (topology) {
    case 'standalone':
      return { ...nodes[0] };
    case 'cluster':
      return {
        Connector: clusterConnector({
          nodes,
          key: keys.records,
          reach,
          backOff,
          replicas: settings.waitReplicas,
        }),
      };
    case 'sentinel':
      return {
        sentinels: [...nodes],
        name: primaryName ?? '',
        ...(sentinelUsername === null ? {} : { sentinelUsername }),
        ...(sentinelPassword === null ? {} : { sentinelPassword: sentinelPassword.reveal() }),
        ...(reach.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: reach.tls }),
        sentinelCommandTimeout: timeoutMs,
        sentinelRetryStrategy: backOff,
        Connector: sentinelConnector(settings.waitReplicas),
      };
  }
}

/** As the library's, and more careful about whom it believes. */
function sentinelConnector(replicas: number) {
  return class extends SentinelConnector {
    constructor(options: unknown) {
      super(options as SentinelConnectionOptions);
    }

    override check(info: Readonly<Record<string, string>>): boolean {
      return super.check(info) && isPrimary(info, replicas);
    }
  };
}

function credentialsOf({ username, password }: RedisLocation, settings: RedisSettings): RedisOptions {
  const secret = settings.password ?? password;
  return {
    ...(username === null ? {} : { username }),
    ...(secret === null ? {} : { password: secret.reveal() }),
  };
}

async function tlsOptions({ ca, certificate, key, serverName }: RedisSettings): Promise<ConnectionOptions> {
  return {
    ...(ca === null ? {} : { ca: await readPem(ca) }),
    ...(certificate === null ? {} : { cert: await readPem(certificate) }),
    ...(key === null ? {} : { key: await readPem(key) }),
    ...(serverName === null ? {} : { servername: serverName }),
  };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SetupFault(`a file of TLS to Redis cannot be read: ${reason}`, 'see the settings redis.*', {
      cause,
    });
  }
}
