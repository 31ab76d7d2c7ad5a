import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('keyturn resources', () => {
  test('add prints the identifier and the credentials for introspection; show prints the same without the secret', async () => {
    const added = await runJson(
      'resources add --identifier https://api.example.com --scope read --scope write',
    );
    const { client_id, client_secret, created_at, updated_at, live_secrets, ...rest } = added.json();
    assert.match(String(client_id), /^rs_[\w-]{22}$/);
    assert.match(String(client_secret), /^keyturn_cs_[\w-]{43}$/);
    assert(isEpochSeconds(created_at) && isEpochSeconds(updated_at));
    const { client_secret_expires_at, ...described } = rest;
    assert.equal(client_secret_expires_at, 0);
    assert.deepEqual(described, {
      identifier: 'https://api.example.com',
      name: 'https://api.example.com',
      audience: 'https://api.example.com',
      scope: 'read write',
      open_to_registration: false,
      scope_meanings: {},
      token_format: 'jwt',
      signing_algorithm: 'ES256',
      access_token_lifetime: null,
      claims: [],
      status_list: false,
      canary_url: null,
      introspection_signed_response_alg: 'ES256',
    });
    const shown = (await runJson('resources show https://api.example.com/')).json();
    assert.deepEqual(shown, { ...described, client_id, created_at, updated_at, live_secrets });
    assert.deepEqual((await runJson(`resources show ${client_id}`)).json(), shown);
    assert.deepEqual((await runJson('resources list')).json(), [shown]);
  });

  test('add takes what each scope means to a person, and refuses words for a scope that is not there', async () => {
    const base = [
      'resources',
      'add',
      '--identifier',
      'https://notes.example.com',
      '--scope',
      'read',
      '--json',
    ];
    for (const wrong of ['read', '=words', 'write=Write your notes']) {
      assert.notEqual((await keyturn.run([...base, '--scope-meaning', wrong])).code, 0, wrong);
    }
    const added = await keyturn.run([...base, '--scope-meaning', 'read=Read your notes']);
    assert.deepEqual(added.json().scope_meanings, { read: 'Read your notes' });
  });

  test('add takes every option; several scopes may stand in one', async () => {
    const added = await keyturn.run([
      ...['resources', 'add', '--identifier', 'urn:example:files', '--name', 'Files', '--audience', 'files'],
      ...['--scope', 'files:read files:write', '--token-format', 'opaque', '--signing-algorithm', 'RS256'],
      ...['--access-token-lifetime', '10m', '--json'],
    ]);
    const { name, audience, scope, token_format, signing_algorithm, access_token_lifetime } = added.json();
    assert.deepEqual(
      [name, audience, scope, token_format, signing_algorithm, access_token_lifetime],
      ['Files', 'files', 'files:read files:write', 'opaque', 'RS256', 600],
    );
  });

  test('add --status-list has its tokens say where their status is told, which opaque ones cannot', async () => {
    const added = await runJson('resources add --identifier https://listed.example --status-list');
    assert.equal(added.json().status_list, true);
    const opaque = await runJson(
      'resources add --identifier https://o.example --token-format opaque --status-list',
    );
    assert.match(String(errorOf(opaque).message), /^--status-list: /);
  });

  test('update changes what is named, and leaves the rest as it is', async () => {
    const identifier = 'https://changing.example.com';
    const added = (
      await keyturn.run([
        ...['resources', 'add', '--identifier', identifier, '--name', 'Before', '--scope', 'read write'],
        ...[
          '--scope-meaning',
          'read=Read',
          '--scope-meaning',
          'write=Write',
          '--access-token-lifetime',
          '1m',
        ],
        ...['--claim', 'groups', '--json'],
      ])
    ).json();
    const { client_secret, client_secret_expires_at, ...registered } = added;
    const update = async (...args: string[]) => {
      const { updated_at, ...changed } = (
        await keyturn.run(['resources', 'update', identifier, ...args, '--json'])
      ).json();
      assert(isEpochSeconds(updated_at));
      return changed;
    };
    const { updated_at, ...expected } = registered;
    const canary = 'https://changing.example.com/canary';
    assert.deepEqual(await update('--canary-url', canary), { ...expected, canary_url: canary });
    assert.deepEqual(
      await update('--signing-algorithm', 'RS256', '--no-access-token-lifetime', '--scope', 'read'),
      {
        ...expected,
        canary_url: canary,
        signing_algorithm: 'RS256',
        introspection_signed_response_alg: 'RS256',
        access_token_lifetime: null,
        scope: 'read',
        scope_meanings: { read: 'Read' },
      },
    );
    await update('--introspection-alg', 'ES256', '--status-list', '--open-to-registration');
    const last = await update(
      '--signing-algorithm',
      'ES256',
      '--no-canary-url',
      '--no-status-list',
      '--name',
      'After',
    );
    assert.deepEqual(last, {
      ...expected,
      name: 'After',
      access_token_lifetime: null,
      scope: 'read',
      scope_meanings: { read: 'Read' },
      open_to_registration: true,
    });
  });

  test('update refuses what add refuses, and changes nothing then', async () => {
    const identifier = 'https://unchanging.example.com';
    await runJson(`resources add --identifier ${identifier}`);
    const before = (await runJson(`resources show ${identifier}`)).json();
    for (const [args, says] of [
      ['--canary-url http://changing.example.com/', /^--canary-url: must be an https URI/],
      ['--canary-url https://u.example/#x', /^--canary-url: must not have a fragment/],
      ['--signing-algorithm HS256', /^--signing-algorithm: /],
      ['--access-token-lifetime 5h', /^--access-token-lifetime: at most/],
      ['--token-format opaque --status-list', /^--status-list: /],
    ] as const)
      assert.match(String(errorOf(await runJson(`resources update ${identifier} ${args}`)).message), says);
    assert.equal(errorOf(await runJson(`resources update ${identifier}`), 2).error, 'usage');
    const unknown = errorOf(await runJson('resources update https://nobody.example --name Nobody'));
    assert.equal(unknown.error, 'resource_server_not_found');
    assert.deepEqual((await runJson(`resources show ${identifier}`)).json(), before);
  });

  test('roll-secret gives a new secret, remove takes the resource server away', async () => {
    const added = (await runJson('resources add --identifier https://gone.example')).json();
    const rolled = (await runJson('resources roll-secret https://gone.example')).json();
    assert.notEqual(rolled.client_secret, added.client_secret);
    assert.equal((rolled.live_secrets as unknown[]).length, 2);
    const retired = (await runJson('resources roll-secret https://gone.example --retire-old')).json();
    assert.equal((retired.live_secrets as unknown[]).length, 1);
    assert.deepEqual((await runJson('resources remove https://gone.example')).json(), {
      identifier: 'https://gone.example',
      removed: true,
    });
    assert.equal(
      errorOf(await runJson('resources remove https://gone.example')).error,
      'resource_server_not_found',
    );
  });

  test('problems speak of the options', async () => {
    const relative = errorOf(await runJson('resources add --identifier api --access-token-lifetime 5h'));
    assert.equal(relative.error, 'invalid_resource_server');
    assert.match(String(relative.message), /^--identifier: must be an absolute URI/);
    const long = errorOf(
      await runJson('resources add --identifier https://b.example --access-token-lifetime 5h'),
    );
    assert.match(String(long.message), /^--access-token-lifetime: at most/);
    const odd = errorOf(
      await runJson('resources add --identifier https://b.example --access-token-lifetime soon'),
      2,
    );
    assert.match(String(odd.message), /^--access-token-lifetime: "soon" is no length of time/);
    const reserved = errorOf(await runJson('resources add --identifier https://b.example --scope openid'));
    assert.match(String(reserved.message), /^--scope: openid belongs to OpenID Connect/);
  });
});
