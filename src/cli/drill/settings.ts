import type { Environment } from '#src/config/environment.ts';
import { minutes, type Seconds, seconds } from '#src/units.ts';

/**
 * What the drill sets, beside ports and paths: as much as can go wrong in as little time as can be. Tokens live for
 * half of the time that a key signs, nodes look at the ring as seldom as they may, and clocks are apart.
 *
 * All algorithms turn by the same schedule, without jitter: kids come out differently each time, and with them the
 * jitter would.
 */
export const DRILL_SETTINGS: Environment = {
  KEYTURN_KEYS_ALGORITHMS: 'ES256,RS256',
  KEYTURN_KEYS_ROTATE_EVERY: '1h',
  KEYTURN_KEYS_JITTER_PERCENT: '0',
  KEYTURN_KEYS_JWKS_MAX_AGE: '10m',
  KEYTURN_KEYS_CLOCK_SKEW_MAX: '30s',
  KEYTURN_KEYS_RING_POLL: '1m',
  KEYTURN_LIFETIMES_ACCESS_TOKEN: '30m',
  KEYTURN_LIFETIMES_ACCESS_TOKEN_MAX: '30m',
  KEYTURN_LIFETIMES_REFRESH_IDLE: '1h',
  KEYTURN_LIFETIMES_REFRESH_ABSOLUTE: '90m',
  // Nobody attacks the only password, which is gone in a minute.
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
};

/** By how much the clocks of the nodes are ahead of the time. They are as far apart as `keys.clockSkewMax` lets them be. */
export const CLOCKS: readonly Seconds[] = [seconds(0), seconds(30)];

/** For how long an application refreshes what came of one sign-in: nearly as long as it may. */
export const REFRESHES_FOR: Seconds = minutes(85);
