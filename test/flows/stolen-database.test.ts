import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import * as oauth from 'openid-client';
import { Device } from '#test/support/device.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

test('a copy of the database without keys/ holds no token, code, session, secret or personal datum in clear', async () => {
  await using keyturn = await startKeyturnHere();
  const sought = await use(keyturn);
  const directory = dirname(keyturn.services.config.store.slice('sqlite:'.length));
  const files = readdirSync(directory).filter((name) => name.startsWith('keyturn.db'));
  assert.ok(files.length >= 2, 'the database and its log');
  for (const file of files) assertHoldsNone(join(directory, file), sought);
});

test('neither does a dump of Redis, nor its append-only file', async () => {
  await using redis = await startRedisServer({ config: ['rdbcompression no'] });
  await using keyturn = await startKeyturnHere({ KEYTURN_STORE: `redis://127.0.0.1:${redis.port}` });
  const sought = await use(keyturn);
  const dump = join(redis.directory, 'copy.rdb');
  await redis.cli('--rdb', dump);
  const log = join(redis.directory, 'appendonlydir');
  const files = [dump, ...readdirSync(log).map((name) => join(log, name))];
  assert.ok(files.some((file) => statSync(file).size > 10_000));
  assert.ok(readFileSync(dump).includes('{keyturn}:records'), 'the dump can be searched');
  for (const file of files) assertHoldsNone(file, sought);
});

/** Has people and clients do what leaves something behind. Answers what must not be found, by what it is. */
async function use(keyturn: Keyturn): Promise<Readonly<Record<string, string | null | undefined>>> {
  const { account, password } = await keyturn.addAccount('ada.lovelace');
  const added = await keyturn.addClient({
    name: 'Analytical Engine',
    scope: 'openid email offline_access look',
  });
  const web = await RelyingParty.discover(keyturn, added);
  const opaque = await keyturn.addResourceServer({
    identifier: 'https://engine.example.com',
    scope: ['look'],
    tokenFormat: 'opaque',
  });
  const person = new Person();
  const { url, checks } = await web.request({ scope: 'openid email look', login_hint: 'hint-of-ada' });
  const callback = await person.authorize(url, { login: 'ada.lovelace', password });
  const unredeemed = await person.authorize((await web.request()).url, { login: 'ada.lovelace', password });
  const tokens = await web.redeem(callback, checks);
  const renewed = await web.refresh(tokens.refresh_token ?? '');
  await web.revoke(tokens.access_token);
  const pushed = await oauth.buildAuthorizationUrlWithPAR(web.configuration, {
    redirect_uri: CALLBACK,
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
    state: 'a-state-of-mind',
  });

  const device = await (await Device.register(keyturn)).begin();

  return {
    password,
    'password hash': 'argon2id',
    'client secret': added.secret,
    'secret of the resource server': opaque.secret,
    'authorization code that was redeemed': callback.searchParams.get('code'),
    'authorization code that was not': unredeemed.searchParams.get('code'),
    'access token': tokens.access_token,
    'refresh token': renewed.refresh_token,
    'signature of the refresh token': renewed.refresh_token?.split('.')[2],
    'ID token': tokens.id_token,
    'pushed request': pushed.searchParams.get('request_uri')?.split(':').at(-1),
    'device code': device.device_code,
    'user code': device.user_code.replace('-', ''),
    state: 'a-state-of-mind',
    nonce: checks.expectedNonce,
    username: 'ada.lovelace',
    'e-mail address': 'ada.lovelace@example.com',
    subject: account.subject,
    'name of the client': 'Analytical Engine',
    'identifier of the client': added.client.clientId,
    'redirect URI': CALLBACK,
    'resource identifier': 'engine.example.com',
    'login hint': 'hint-of-ada',
    'private key': '"d":',
    ...Object.fromEntries(person.cookieValues().map((value, index) => [`cookie ${index}`, value])),
  };
}

function assertHoldsNone(file: string, sought: Awaited<ReturnType<typeof use>>): void {
  const bytes = readFileSync(file);
  for (const [what, text] of Object.entries(sought)) {
    assert.ok(text, `there was a ${what}`);
    for (const encoded of [text, Buffer.from(text).toString('base64'), Buffer.from(text).toString('hex')]) {
      assert.ok(!bytes.includes(encoded), `${what} stands in ${file}`);
    }
  }
}
