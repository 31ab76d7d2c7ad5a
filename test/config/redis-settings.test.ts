import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { describeConfig } from '#src/config/describe.ts';
import { load, problemsOf } from '#test/config/sources.ts';

const redis = (store: string, more: Record<string, string> = {}) => ({ KEYTURN_STORE: store, ...more });

describe('a store on Redis', () => {
  test('has its password from the location, from its setting or from a file, and shows it nowhere', () => {
    const loads = [
      load({ env: redis('redis://ada:hunter2@cache') }),
      load({ env: redis('redis://ada@cache', { KEYTURN_REDIS_PASSWORD: 'hunter2' }) }),
      load({
        env: redis('redis://ada@cache', { KEYTURN_REDIS_PASSWORD_FILE: '/run/secrets/redis' }),
        files: { '/run/secrets/redis': 'hunter2\n' },
      }),
    ];
    for (const loaded of loads) {
      assert.equal(loaded.config.store, 'redis://ada@cache:6379');
      assert.equal(loaded.config.redis.password?.reveal(), 'hunter2');
      const told = inspect(loaded, { depth: null }) + JSON.stringify(describeConfig(loaded));
      assert.doesNotMatch(told, /hunter2/);
    }
  });

  test('has one password, and no problem with it repeats it', () => {
    const problems = problemsOf({
      env: redis('redis://ada:hunter2@cache', { KEYTURN_REDIS_PASSWORD: 'hunter3' }),
    });
    assert.match(
      problems[0]?.message ?? '',
      /redis\.password is \[secret\] and store is redis:\/\/ada@cache:6379/,
    );
    assert.doesNotMatch(JSON.stringify(problems), /hunter/);
    assert.match(
      problemsOf({ env: { KEYTURN_REDIS_PASSWORD: 'x' } })[0]?.message ?? '',
      /only where `?store/,
    );
  });

  test('has certificates where it is spoken to by TLS, and users of sentinels where there are sentinels', () => {
    const tls = {
      KEYTURN_REDIS_CA: 'ca.pem',
      KEYTURN_REDIS_CERTIFICATE: 'c.pem',
      KEYTURN_REDIS_KEY: 'k.pem',
    };
    const { config } = load({ env: redis('rediss+cluster://a,b', tls) });
    assert.deepEqual(
      [config.redis.ca, config.redis.certificate, config.redis.key],
      ['/srv/ca.pem', '/srv/c.pem', '/srv/k.pem'],
    );
    assert.match(
      problemsOf({ env: redis('redis://a', { KEYTURN_REDIS_CA: 'ca.pem' }) })[0]?.message ?? '',
      /rediss/,
    );
    const alone = { KEYTURN_REDIS_CERTIFICATE: 'c.pem' };
    assert.match(problemsOf({ env: redis('rediss://a', alone) })[0]?.message ?? '', /are set together/);
    const sentinels = { KEYTURN_REDIS_SENTINEL_PASSWORD: 'x' };
    assert.match(problemsOf({ env: redis('redis://a', sentinels) })[0]?.message ?? '', /names sentinels/);
    load({ env: redis('redis+sentinel://a/main', sentinels) });
  });

  test('has a prefix that means nothing to Redis', () => {
    assert.equal(load({ env: { KEYTURN_REDIS_PREFIX: 'team-1' } }).config.redis.prefix, 'team-1');
    for (const prefix of ['{a}', 'a*', 'a b', 'x'.repeat(65)]) {
      assert.match(
        problemsOf({ env: { KEYTURN_REDIS_PREFIX: prefix } })[0]?.message ?? '',
        /no prefix of keys/,
      );
    }
  });
});
