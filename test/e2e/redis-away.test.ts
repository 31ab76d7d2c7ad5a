import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type RedisServer, startRedisServer } from '#test/support/redis-server.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';

/** More than a server that let requests pile up would answer while its store is away. */
const AT_ONCE = 300;

describe('a server whose Redis goes away', () => {
  let redis: RedisServer;
  let keyturn: RunningKeyturn;
  let client: string;
  let api: string;

  before(async () => {
    redis = await startRedisServer();
    keyturn = await startKeyturn({
      env: {
        KEYTURN_STORE: `redis://127.0.0.1:${redis.port}`,
        KEYTURN_REDIS_TIMEOUT_MS: '1000',
        KEYTURN_LIFETIMES_ACCESS_TOKEN: '10m',
      },
    });
    const add = async (...args: string[]) =>
      (await keyturn.cli([...args, '--json'])).json<Record<string, string>>();
    const basic = (id: string | undefined, secret: string | undefined) => `Basic ${btoa(`${id}:${secret}`)}`;
    const resource = await add('resources', 'add', '--identifier', API, '--scope', 'read');
    api = basic(resource.client_id, resource.client_secret);
    const service = await add(
      ...['clients', 'add', '--name', 'Service', '--grant', 'client_credentials', '--scope', 'read'],
    );
    client = basic(service.client_id, service.client_secret);
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  const post = (path: string, authorization: string, fields: Record<string, string>) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams(fields),
    });
  const issue = () => post('/token', client, { grant_type: 'client_credentials', scope: 'read' });
  const introspect = (token: string) => post('/introspect', api, { token });
  const ready = async () => (await fetch(`${keyturn.issuer}/readyz`)).status;

  const ways = [
    { how: 'is killed', go: () => redis.kill(), come: () => redis.start() },
    { how: 'is stopped in its tracks', go: async () => redis.pause(), come: async () => redis.resume() },
  ];
  for (const { how, go, come } of ways) {
    test(`since it ${how}, refuses what needs it while it is away, serves what does not, and recovers by itself`, async () => {
      const { access_token: token } = (await (await issue()).json()) as { access_token: string };
      assert.equal(((await (await introspect(token)).json()) as { active: boolean }).active, true);
      await go();

      // All of it is answered before Redis is back.
      const asked = Array.from({ length: AT_ONCE }, (_, at) => (at % 2 === 0 ? issue() : introspect(token)));
      for (const response of await Promise.all(asked)) {
        assert.equal(response.status, 503);
        assert.equal(response.headers.get('retry-after'), '2');
        assert.equal(((await response.json()) as { error: string }).error, 'temporarily_unavailable');
      }
      assert.equal(await ready(), 503);
      for (const path of ['/healthz', '/jwks', '/.well-known/openid-configuration']) {
        assert.equal((await fetch(keyturn.issuer + path)).status, 200, path);
      }
      await jwtVerify(token, createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`)), { audience: API });

      await come();
      while ((await ready()) !== 200);
      assert.equal((await issue()).status, 200);
      assert.equal(((await (await introspect(token)).json()) as { active: boolean }).active, true);
    });
  }

  test('ends with 0 when it is told to stop meanwhile', async () => {
    redis.pause();
    while ((await ready()) === 200);
    assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
    redis.resume();
  });
});

const API = 'https://api.example.com';
