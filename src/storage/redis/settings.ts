import type { Secret } from '#src/secret.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** What the location of a store on Redis does not say. */
export interface RedisSettings {
  /** What every key begins with, so that a server can be shared. */
  readonly prefix: string;
  /** In place of one in the location. */
  readonly password: Secret | null;
  readonly sentinelUsername: string | null;
  readonly sentinelPassword: Secret | null;
  /** Paths of PEM files: whose certificates are trusted, instead of those that Node trusts, and the client's own. */
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
  /** The name that certificates must have, where it is not that of the host. */
  readonly serverName: string | null;
  /** How long anything that is asked of Redis may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How many replicas must have a write before it counts. */
  readonly waitReplicas: number;
  /** Whether the loss of what was written last may be risked: without an append-only file. */
  readonly acceptLoss: boolean;
  /** How far the clock of Redis may be from ours. */
  readonly clockSkewMax: Seconds;
}

export const DEFAULT_REDIS_SETTINGS: RedisSettings = {
  prefix: 'keyturn',
  password: null,
  sentinelUsername: null,
  sentinelPassword: null,
  ca: null,
  certificate: null,
  key: null,
  serverName: null,
  timeoutMs: 2000,
  waitReplicas: 0,
  acceptLoss: false,
  clockSkewMax: seconds(30),
};
