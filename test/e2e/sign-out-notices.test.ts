import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startReceiver } from '#test/support/receiver.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const PASSWORD = 'the quick brown fox of tests';
const SESSIONS = 10;

test('of two servers on one store one tells a client that a command has ended its sessions, each of them once', async () => {
  const env = {
    KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
    KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
    KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
  };
  await using receiver = await startReceiver();
  await using one = await startKeyturn({ env });
  const { KEYTURN_STORE = '', KEYTURN_KEYS_DIR = '' } = one.env;
  await using other = await startKeyturn({
    env: { ...env, KEYTURN_STORE, KEYTURN_KEYS_DIR, KEYTURN_ISSUER: one.issuer },
  });
  (
    await one.cli(['accounts', 'add', '--username', 'ada', '--password-stdin', '--json'], { stdin: PASSWORD })
  ).json();
  const metadata = join(one.path, 'metadata.json');
  await writeFile(metadata, JSON.stringify({ backchannel_logout_uri: `${receiver.origin}/out` }));
  const add = ['clients', 'add', '--name', 'Web', '--redirect-uri', CALLBACK, '--metadata', metadata];
  const registered = (await one.cli([...add, '--json'])).json<{ client_id: string; client_secret: string }>();
  const client = { clientId: registered.client_id, authenticationMethod: 'client_secret_basic' } as const;
  const web = await RelyingParty.discover(one, { client, secret: registered.client_secret });
  const sids: unknown[] = [];
  for (let session = 0; session < SESSIONS; session += 1) {
    const tokens = await web.signIn(new Person(), { login: 'ada', password: PASSWORD });
    sids.push(tokens.claims()?.sid);
  }
  (await one.cli(['accounts', 'sign-out', 'ada', '--json'])).json();
  const told: unknown[] = [];
  while (told.length < SESSIONS) {
    const call = await receiver.next();
    told.push(decodeJwt(new URLSearchParams(call.body).get('logout_token') ?? '').sid);
  }
  assert.deepEqual(told.toSorted(), sids.toSorted());
  // What has been delivered is gone from the store, so that nobody can find it any more.
  const delivered = () =>
    [one, other].flatMap((server) => server.output().stdout.match(/"outcome":"delivered"/g) ?? []).length;
  while (delivered() < SESSIONS) await setTimeout(20);
  assert.equal(receiver.received.length, SESSIONS);
});
