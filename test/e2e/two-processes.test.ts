import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce } from '#test/support/raw-http.ts';
import { rawRedemption } from '#test/support/raw-redemption.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const PASSWORD = 'the quick brown fox of tests';
const ROUNDS = 8;

test('a code redeemed fifty times at once at two processes on one store yields one token response (RFC 6749 section 4.1.2)', async () => {
  const env = { KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168', KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5' };
  await using one = await startKeyturn({ env });
  const { KEYTURN_STORE = '', KEYTURN_KEYS_DIR = '' } = one.env;
  await using other = await startKeyturn({
    env: { ...env, KEYTURN_STORE, KEYTURN_KEYS_DIR, KEYTURN_ISSUER: one.issuer },
  });
  (
    await one.cli(['accounts', 'add', '--username', 'ada', '--password-stdin', '--json'], { stdin: PASSWORD })
  ).json();
  const added = [
    'clients',
    'add',
    '--name',
    'Web',
    '--redirect-uri',
    CALLBACK,
    '--scope',
    'openid',
    '--json',
  ];
  const registered = (await one.cli(added)).json<{ client_id: string; client_secret: string }>();
  const client = { clientId: registered.client_id, authenticationMethod: 'client_secret_basic' } as const;
  const web = await RelyingParty.discover(one, { client, secret: registered.client_secret });
  const person = new Person();
  const origins = [one, other].map(({ env: { KEYTURN_PORT } }) => `http://127.0.0.1:${KEYTURN_PORT}`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { url, checks } = await web.request();
    const callback = await person.authorize(url, { login: 'ada', password: PASSWORD });
    const request = rawRedemption(callback, checks.pkceCodeVerifier, {
      id: registered.client_id,
      secret: registered.client_secret,
    });
    const answers = (await Promise.all(origins.map((origin) => allAtOnce(origin, request, 25)))).flat();
    const refused = answers.filter(({ status }) => status !== 200);
    assert.deepEqual([answers.length, refused.length], [50, 49]);
    for (const answer of refused) assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
  }
});
