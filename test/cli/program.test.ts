import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Commands, errorOf, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('the command line', () => {
  test('what cannot be understood ends with 2, and says what is meant', async () => {
    for (const [command, message] of [
      ['clinets list', /unknown command 'clinets'[\s\S]*clients/],
      ['clients list --jsno', /unknown option '--jsno'/],
      ['clients show', /missing required argument 'client-id'/],
      ['clients show a b', /too many arguments/],
      ['clients add', /required option '--name <name>' not specified/],
      ['clients add --name a --public --auth-method none', /cannot be used with option '--public'/],
      ['clients add --name a --jwks nowhere.json', /--jwks: nowhere\.json cannot be read/],
    ] as const) {
      const { error, message: told } = errorOf(await runJson(command), 2);
      assert.equal(error, 'usage', command);
      assert.match(String(told), message);
    }
  });

  test('a group of commands without one of them prints its help beside the output, and ends with 2', async () => {
    const { code, stdout, stderr } = await keyturn.run(['clients']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^Usage: keyturn clients .*roll-secret/s);
  });

  test('--help and --version are answers, not errors', async () => {
    const help = await keyturn.run(['accounts', 'add', '--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^Usage: keyturn accounts add .*--password-stdin.*--json/s);
    assert.match((await keyturn.run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  test('without --json it speaks to people, without colours where they would not be seen', async () => {
    const empty = await keyturn.run(['clients', 'list']);
    assert.equal(empty.stdout, 'No client is registered. Add one: keyturn clients add --help\n');
    const added = await keyturn.run([
      ...[
        'clients',
        'add',
        '--name',
        'Größe 名前',
        '--client-id',
        'size',
        '--redirect-uri',
        'https://a.example/',
      ],
    ]);
    assert.match(
      added.stdout,
      /^Registered the client Größe 名前\.\n\n {2}client_id +size\n {2}client_secret +keyturn_cs_/,
    );
    const listed = await keyturn.run(['clients', 'list']);
    assert.match(listed.stdout, /^CLIENT ID +NAME +AUTHENTICATION +GRANTS +REGISTERED BY\n/);
    assert.match(
      listed.stdout,
      /^size +Größe 名前 +client_secret_basic +authorization_code +an administrator$/m,
    );
    const refused = await keyturn.run(['clients', 'show', 'nobody']);
    assert.deepEqual([refused.code, refused.stdout, refused.stderr], [1, '', 'keyturn: no client nobody\n']);
    const settings = await keyturn.run(['config', 'check']);
    assert.match(
      settings.stdout,
      /^issuer +http:\/\/localhost:\d+ +default\n[\s\S]*The settings are fine\.\n$/,
    );
  });

  test('a store that cannot be opened is told of, with a hint', async () => {
    const env = { ...keyturn.env, KEYTURN_KEYS_DIR: join(keyturn.path, 'other-keys') };
    await using other = await makeCommands(env);
    const { error, hint, message } = errorOf(await other.run(['clients', 'list', '--json']));
    assert.equal(error, 'setup_fault');
    assert.match(String(message), /sealed under the key-encryption key/);
    assert.match(String(hint), /put it back/);
  });
});
