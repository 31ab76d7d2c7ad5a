import { randomUUID } from 'node:crypto';

/**
 * On which store a server is tested: on SQLite in this file, unless `KEYTURN_TEST_STORE` names a Redis that may be
 * filled. There every server has a prefix of its own.
 */
export function storeSettings(sqliteFile: string): Readonly<Record<string, string>> {
  const redis = process.env.KEYTURN_TEST_STORE;
  if (redis === undefined) return { KEYTURN_STORE: `sqlite:${sqliteFile}` };
  return { KEYTURN_STORE: redis, KEYTURN_REDIS_PREFIX: `test-${randomUUID()}` };
}

/** True where it is a Redis. It has a clock that no test can move, and no file that a test can look into. */
export const onRedis = process.env.KEYTURN_TEST_STORE !== undefined;
