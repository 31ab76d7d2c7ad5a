import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0';

describe('keyturn sessions', () => {
  let keyturn: Keyturn;
  let commands: Commands;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    const { store, keysDir } = keyturn.services.config;
    commands = await makeCommands({ KEYTURN_STORE: store, KEYTURN_KEYS_DIR: keysDir });
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient());
  });
  after(async () => {
    await commands[Symbol.asyncDispose]();
    await keyturn[Symbol.asyncDispose]();
  });

  const list = async (account = 'ada') =>
    (await commands.runJson(`sessions list ${account}`)).json<Document[]>();
  const signIn = (person = new Person({ 'user-agent': FIREFOX })) => web.signIn(person, ada);
  const isActive = async (token: string) => (await web.introspect(token)).active;

  test('list tells where somebody is signed in, since when, and which clients know of it', async () => {
    const tokens = await signIn();
    const [session] = await list('ada@example.com');
    const { id, auth_time, last_used_at, ...rest } = session ?? {};
    const { sub, sid, auth_time: authTime } = tokens.claims() ?? assert.fail();
    assert.match(String(id), /^[\w-]{43}$/);
    assert.ok(Number(last_used_at) >= Number(auth_time));
    assert.ok(authTime === undefined || authTime === auth_time);
    const { client_id } = web.configuration.clientMetadata();
    assert.deepEqual(rest, {
      sub,
      browser: 'Firefox',
      system: 'Linux',
      network: '127.0.0.0/24',
      clients: [{ client_id, sid }],
    });
    const { stdout } = await commands.run(['sessions', 'list', 'ada']);
    assert.match(stdout, /LAST USED +BROWSER/);
    assert.match(stdout, /Firefox +Linux +127\.0\.0\.0\/24 +1$/m);
    await commands.runJson('sessions end --all ada');
  });

  test('end ends one session with its tokens, and leaves the others', async () => {
    const ended = await signIn();
    const [{ id } = {}] = await list();
    const other = await signIn();
    assert.deepEqual((await commands.runJson(`sessions end ${id}`)).json(), { ended: [id] });
    assert.deepEqual([await isActive(ended.access_token), await isActive(other.access_token)], [false, true]);
    assert.equal((await list()).length, 1);
    assert.equal(errorOf(await commands.runJson(`sessions end ${id}`)).error, 'session_not_found');
  });

  test('end --all ends every session of an account, but not what was allowed for offline access', async () => {
    await commands.runJson('sessions end --all ada');
    const [first, second] = [await signIn(), await signIn()];
    const offline = await web.signIn(new Person(), ada, {
      scope: 'openid offline_access',
      prompt: 'consent',
    });
    const ids = (await list()).map(({ id }) => id);
    assert.deepEqual((await commands.runJson('sessions end --all ada')).json(), { ended: ids });
    assert.deepEqual(
      await Promise.all([first, second, offline].map(({ access_token }) => isActive(access_token))),
      [false, false, true],
    );
    assert.deepEqual(await list(), []);
    assert.equal((await commands.run(['sessions', 'list', 'ada'])).stdout, 'ada is signed in nowhere.\n');
  });

  test('end wants one of the two, and list an account that there is', async () => {
    for (const args of ['sessions end', 'sessions end some-id --all ada'])
      assert.equal(errorOf(await commands.runJson(args), 2).error, 'usage');
    assert.equal(errorOf(await commands.runJson('sessions list eve')).error, 'account_not_found');
    assert.equal(errorOf(await commands.runJson('sessions end --all eve')).error, 'account_not_found');
  });

  test('an identifier that begins with a hyphen is one all the same', async () => {
    const id = '-DkIAcAUzu0f2fhfI1ihhrEGl9fznbu2JkD72M8T_F-';
    assert.equal(errorOf(await commands.runJson(`sessions end ${id}`)).message, `no session ${id}`);
  });
});
