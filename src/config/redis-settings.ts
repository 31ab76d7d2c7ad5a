import { file, flag, secretText, textFormat, wholeNumber } from '#src/config/format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import type { SettingRule } from '#src/config/setting-rule.ts';
import { parseStoreLocation, type RedisLocation } from '#src/store-location.ts';

/** Letters that mean nothing to Redis, whose hash tags and patterns of ACL are made of others. */
const keyPrefix = textFormat(
  'up to 64 letters, digits and any of . _ : -',
  (text) => (/^[\w.:-]{1,64}$/.test(text) ? { value: text } : { wrong: 'is no prefix of keys' }),
  (value) => value,
);

const name = textFormat(
  'a name',
  (text) => (/^[^\s\0]{1,256}$/.test(text) ? { value: text } : { wrong: 'is not understood' }),
  (value) => value,
);

/** What a store on Redis needs beside its location. */
export const redisSettings = group('A store on Redis', {
  prefix: setting(
    keyPrefix,
    'keyturn',
    'What the names of all keys begin with, in braces, so that a Redis can be shared; servers that share a store have the same one.',
  ),
  password: unlessSet(secretText, 'The password of the user that `store` names, in place of one in it.'),
  sentinelUsername: unlessSet(name, 'The user at the sentinels.'),
  sentinelPassword: unlessSet(secretText, 'The password at the sentinels.'),
  ca: unlessSet(
    file,
    'The authorities whose certificates Redis may have, in PEM, instead of those that are trusted anyway.',
  ),
  certificate: unlessSet(file, 'The certificate that is shown to Redis, in PEM.'),
  key: unlessSet(file, 'Its private key, in PEM.'),
  serverName: unlessSet(
    name,
    'The name that the certificates of Redis have, where it is not that of the host, as when nodes are known by addresses.',
  ),
  timeoutMs: setting(
    wholeNumber({ min: 100, max: 60_000 }),
    2000,
    'How long anything that is asked of Redis may take, in milliseconds; then it has failed, and the connection is made anew.',
  ),
  waitReplicas: setting(
    wholeNumber({ min: 0, max: 16 }),
    0,
    'How many replicas must have a write before it counts. What is acknowledged outlives the primary if all have it that may take its place: set their number. Counters do not wait.',
  ),
  acceptLoss: setting(
    flag,
    false,
    'Whether Redis may forget what was written last when it ends, that is, have no append-only file. For trying out.',
  ),
});

/** What must hold between these settings and the location of the store. */
export const REDIS_RULES: readonly SettingRule[] = [
  {
    settings: ['redis.password', 'store'],
    holds: (password: unknown, store: string) => password === null || redisOf(store)?.password === null,
    rule: '`redis.password` is set only where `store` is on Redis and carries no password',
    because: 'one of them would not be used',
  },
  {
    settings: ['redis.ca', 'redis.certificate', 'redis.serverName', 'store'],
    holds: (ca: unknown, certificate: unknown, serverName: unknown, store: string) =>
      [ca, certificate, serverName].every((each) => each === null) || redisOf(store)?.tls === true,
    rule: '`redis.ca`, `redis.certificate` and `redis.serverName` are set only where `store` begins with `rediss`',
    because: 'without TLS there are no certificates',
  },
  {
    settings: ['redis.certificate', 'redis.key'],
    holds: (certificate: unknown, key: unknown) => (certificate === null) === (key === null),
    rule: '`redis.certificate` and `redis.key` are set together',
    because: 'neither is of use alone',
  },
  {
    settings: ['redis.sentinelUsername', 'redis.sentinelPassword', 'store'],
    holds: (username: unknown, password: unknown, store: string) =>
      (username === null && password === null) || redisOf(store)?.topology === 'sentinel',
    rule: '`redis.sentinelUsername` and `redis.sentinelPassword` are set only where `store` names sentinels',
    because: 'nobody else is told them',
  },
];

function redisOf(store: string): RedisLocation | null {
  const location = parseStoreLocation(store);
  return 'engine' in location && location.engine === 'redis' ? location : null;
}
