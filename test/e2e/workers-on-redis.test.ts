import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, type RawResponse, rawRequest } from '#test/support/raw-http.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const PASSWORD = 'the quick brown fox of tests';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

test('two workers on one Redis redeem a code once (RFC 6749 section 4.1.2), and what one has revoked is inactive at both at once (RFC 7009 section 2.1)', async () => {
  await using redis = await startRedisServer();
  await using keyturn = await startKeyturn({
    env: {
      KEYTURN_WORKERS: '2',
      KEYTURN_STORE: `redis://127.0.0.1:${redis.port}`,
      KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
      KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
    },
  });
  const add = async (...args: string[]) =>
    (await keyturn.cli([...args, '--json'], { stdin: PASSWORD })).json<Record<string, string>>();
  await add('accounts', 'add', '--username', 'ada', '--password-stdin');
  const client = await add('clients', 'add', '--name', 'W', '--redirect-uri', CALLBACK, '--scope', 'openid');
  const { client_id: clientId = '', client_secret: secret = '' } = client;
  const web = await RelyingParty.discover(keyturn, {
    client: { clientId, authenticationMethod: 'client_secret_basic' },
    secret,
  });
  const headers = { ...FORM, Authorization: `Basic ${btoa(`${clientId}:${secret}`)}` };
  const origin = `http://127.0.0.1:${keyturn.env.KEYTURN_PORT}`;
  const atOnce = (path: string, form: Record<string, string>): Promise<RawResponse[]> =>
    allAtOnce(origin, rawRequest(`POST ${path}`, headers, new URLSearchParams(form).toString()), 50);
  const answeredBy = (path: string) =>
    new Set(
      keyturn
        .output()
        .stdout.trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { path?: string; worker?: number })
        .filter((line) => line.path === path)
        .map(({ worker }) => worker),
    );

  // Which of them takes a connection is up to the kernel.
  for (let round = 0; round < 50 && answeredBy('/introspect').size < 2; round += 1) {
    const { url, checks } = await web.request();
    const callback = await new Person().authorize(url, { login: 'ada', password: PASSWORD });
    const answers = await atOnce('/token', {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: checks.pkceCodeVerifier,
    });
    assert.deepEqual([answers.length, answers.filter(({ status }) => status === 200).length], [50, 1]);

    const token = (await web.signIn(new Person(), { login: 'ada', password: PASSWORD })).access_token;
    assert.equal((await web.introspect(token)).active, true);
    await web.revoke(token);
    for (const { body } of await atOnce('/introspect', { token })) assert.equal(body, '{"active":false}');
  }
  assert.deepEqual([...answeredBy('/introspect')].toSorted(), [1, 2]);
  assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
});
