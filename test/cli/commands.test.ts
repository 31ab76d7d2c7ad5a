import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Commands, makeCommands } from '#test/cli/in-process.ts';
import type { CommandResult } from '#test/support/running-server.ts';

type Document = Record<string, unknown>;

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

/** Runs a command with its words separated by spaces, and `--json`. */
function run(command: string, stdin?: string): Promise<CommandResult> {
  return keyturn.run([...command.split(' '), '--json'], {
    ...(stdin === undefined ? undefined : { stdin }),
  });
}

/** The error of a command that was to fail. */
function errorOf({ code, stdout, stderr }: CommandResult, expectedCode = 1): Document {
  assert.equal(code, expectedCode, stderr + stdout);
  assert.equal(stdout, '');
  return JSON.parse(stderr);
}

const isEpochSeconds = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 1_700_000_000;

describe('keyturn clients', () => {
  test('add prints the metadata of RFC 7591, with the secret; show prints the same without it', async () => {
    const added = await keyturn.run([
      ...['clients', 'add', '--name', 'web', '--redirect-uri', 'http://127.0.0.1:4000/cb'],
      ...['--grant', 'authorization_code', '--grant', 'refresh_token'],
      ...['--scope', 'openid profile email offline_access', '--json'],
    ]);
    const { client_id, client_id_issued_at, client_secret, live_secrets, updated_at, ...rest } = added.json();
    assert.equal(added.stderr, '');
    assert.match(String(client_id), /^[\w-]{22}$/);
    assert.match(String(client_secret), /^keyturn_cs_[\w-]{43}$/);
    assert(isEpochSeconds(client_id_issued_at) && isEpochSeconds(updated_at));
    assert.equal((live_secrets as unknown[]).length, 1);
    const metadata = {
      client_name: 'web',
      application_type: 'web',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1:4000/cb'],
      post_logout_redirect_uris: [],
      scope: 'openid profile email offline_access',
      default_scope: 'openid profile email offline_access',
      require_pkce: true,
      id_token_signed_response_alg: 'ES256',
    };
    assert.deepEqual(rest, { ...metadata, client_secret_expires_at: 0 });

    const shown = (await run(`clients show ${client_id}`)).json();
    assert.deepEqual(shown, { client_id, client_id_issued_at, ...metadata, live_secrets, updated_at });
    assert.deepEqual((await run('clients list')).json(), [shown]);
  });

  test('add takes every option', async () => {
    const jwks = join(keyturn.path, 'jwks.json');
    await writeFile(
      jwks,
      '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
    );
    const added = await keyturn.run([
      ...[
        'clients',
        'add',
        '--name',
        'Größe 名前',
        '--client-id',
        'all-options',
        '--auth-method',
        'private_key_jwt',
      ],
      ...['--jwks', jwks, '--redirect-uri', 'https://a.example/1', '--redirect-uri', 'https://a.example/2'],
      ...[
        '--post-logout-redirect-uri',
        'https://a.example/bye',
        '--scope',
        'openid',
        '--scope',
        'read write',
      ],
      ...[
        '--default-scope',
        'openid read',
        '--no-pkce',
        '--id-token-alg',
        'RS256',
        '--application-type',
        'web',
      ],
      ...['--client-uri', 'https://a.example', '--json'],
    ]);
    const client = added.json();
    assert.equal(client.client_id, 'all-options');
    assert.equal(client.client_name, 'Größe 名前');
    assert.equal(client.token_endpoint_auth_method, 'private_key_jwt');
    assert.deepEqual(client.redirect_uris, ['https://a.example/1', 'https://a.example/2']);
    assert.deepEqual(client.post_logout_redirect_uris, ['https://a.example/bye']);
    assert.equal(client.scope, 'openid read write');
    assert.equal(client.default_scope, 'openid read');
    assert.equal(client.require_pkce, false);
    assert.equal(client.id_token_signed_response_alg, 'RS256');
    assert.equal(client.client_uri, 'https://a.example');
    assert.equal((client.jwks as { keys: unknown[] }).keys.length, 1);
    assert.equal('client_secret' in client, false);
  });

  test('a public client has no secret, and none can be rolled', async () => {
    const client = (await run('clients add --name app --public --redirect-uri com.example.app:/cb')).json();
    assert.equal(client.token_endpoint_auth_method, 'none');
    assert.equal(client.application_type, 'native');
    assert.equal('client_secret' in client, false);
    assert.equal(errorOf(await run(`clients roll-secret ${client.client_id}`)).error, 'client_has_no_secret');
  });

  test('what is wrong with a registration is told of all options at once, by their names', async () => {
    const { error, problems } = errorOf(
      await run('clients add --name bad --public --no-pkce --grant client_credentials --default-scope x'),
    );
    assert.equal(error, 'invalid_client_metadata');
    const told = (problems as string[]).join('\n');
    for (const option of ['--grant:', '--no-pkce:', '--default-scope:']) assert(told.includes(option), told);
  });

  test('a client identifier is given once', async () => {
    await run('clients add --name one --client-id taken --redirect-uri https://a.example/');
    const again = await run('clients add --name two --client-id taken --redirect-uri https://a.example/');
    assert.equal(errorOf(again).error, 'client_id_taken');
  });

  test('an identifier that begins with hyphens is no option', async () => {
    for (const clientId of ['-yZ3wLVnG0kDj_QXDHwAAA', '--Z3wLVnG0kDj_QXDHwAAA']) {
      (
        await run(`clients add --name dashed --redirect-uri https://a.example/ --client-id ${clientId}`)
      ).json();
      assert.equal((await run(`clients show ${clientId}`)).json().client_id, clientId);
      assert.deepEqual((await run(`clients remove ${clientId}`)).json(), {
        client_id: clientId,
        removed: true,
      });
    }
  });

  test('remove, show and roll-secret refuse a client that is not there', async () => {
    for (const command of ['remove', 'show', 'roll-secret']) {
      assert.equal(errorOf(await run(`clients ${command} nobody`)).error, 'client_not_found', command);
    }
  });
});

describe('keyturn resources', () => {
  test('add prints the identifier and the credentials for introspection; show prints the same without the secret', async () => {
    const added = await run('resources add --identifier https://api.example.com --scope read --scope write');
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
      token_format: 'jwt',
      signing_algorithm: 'ES256',
      access_token_lifetime: null,
    });
    const shown = (await run('resources show https://api.example.com/')).json();
    assert.deepEqual(shown, { ...described, client_id, created_at, updated_at, live_secrets });
    assert.deepEqual((await run(`resources show ${client_id}`)).json(), shown);
    assert.deepEqual((await run('resources list')).json(), [shown]);
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

  test('roll-secret gives a new secret, remove takes the resource server away', async () => {
    const added = (await run('resources add --identifier https://gone.example')).json();
    const rolled = (await run('resources roll-secret https://gone.example')).json();
    assert.notEqual(rolled.client_secret, added.client_secret);
    assert.equal((rolled.live_secrets as unknown[]).length, 2);
    const retired = (await run('resources roll-secret https://gone.example --retire-old')).json();
    assert.equal((retired.live_secrets as unknown[]).length, 1);
    assert.deepEqual((await run('resources remove https://gone.example')).json(), {
      identifier: 'https://gone.example',
      removed: true,
    });
    assert.equal(
      errorOf(await run('resources remove https://gone.example')).error,
      'resource_server_not_found',
    );
  });

  test('problems speak of the options', async () => {
    const relative = errorOf(await run('resources add --identifier api --access-token-lifetime 5h'));
    assert.equal(relative.error, 'invalid_resource_server');
    assert.match(String(relative.message), /^--identifier: must be an absolute URI/);
    const long = errorOf(
      await run('resources add --identifier https://b.example --access-token-lifetime 5h'),
    );
    assert.match(String(long.message), /^--access-token-lifetime: at most/);
    const odd = errorOf(
      await run('resources add --identifier https://b.example --access-token-lifetime soon'),
      2,
    );
    assert.match(String(odd.message), /^--access-token-lifetime: "soon" is no length of time/);
    const reserved = errorOf(await run('resources add --identifier https://b.example --scope openid'));
    assert.match(String(reserved.message), /^--scope: openid belongs to OpenID Connect/);
  });
});

describe('keyturn accounts', () => {
  const PASSWORD = 'correct horse battery';

  test('add prints sub; the account is found by username, e-mail address and subject', async () => {
    const added = await run(
      'accounts add --username Ada --email ada@Example.com --password-stdin',
      `${PASSWORD}\n`,
    );
    const { sub, created_at, updated_at, password_changed_at, ...rest } = added.json();
    assert.equal(added.stderr, '');
    assert.match(String(sub), /^[\w-]{22}$/);
    assert([created_at, updated_at, password_changed_at].every(isEpochSeconds));
    const described = { username: 'Ada', email: 'ada@example.com', email_verified: false, name: null };
    assert.deepEqual(rest, { ...described, state: 'active', locked_at: null });
    for (const named of ['ada', 'ADA@example.com', sub]) {
      assert.equal((await run(`accounts show ${named}`)).json().sub, sub, String(named));
    }
    assert.deepEqual(
      (await run('accounts list')).json<Document[]>().map((account) => account.sub),
      [sub],
    );
  });

  test('names are unique, passwords must be good, and what is asked for must be there', async () => {
    const taken = await run('accounts add --username ADA --password-stdin', PASSWORD);
    assert.equal(errorOf(taken).error, 'username_taken');
    const weak = await run('accounts add --username eve --password-stdin', 'password');
    assert.equal(errorOf(weak).error, 'password_common');
    const odd = await run('accounts add --username e--e --password-stdin', PASSWORD);
    assert.equal(errorOf(odd).error, 'username_invalid');
    const address = await run('accounts add --username eve --email eve --password-stdin', PASSWORD);
    assert.equal(errorOf(address).error, 'email_invalid');
    const empty = errorOf(await run('accounts add --username eve --password-stdin', ''), 2);
    assert.equal(empty.message, 'stdin is empty');
    const silent = errorOf(await run('accounts add --username eve', PASSWORD), 2);
    assert.match(String(silent.hint), /--password-stdin/);
    assert.equal(errorOf(await run('accounts show eve')).error, 'account_not_found');
  });

  test('an account is locked, unlocked, given another password, and removed for good', async () => {
    const { sub } = (await run('accounts add --username bob --password-stdin', PASSWORD)).json();
    const locked = (await run('accounts lock bob')).json();
    assert.equal(locked.state, 'locked');
    assert(isEpochSeconds(locked.locked_at));
    assert.equal((await run('accounts unlock bob')).json().state, 'active');
    (await run('accounts reset-password bob --password-stdin', 'another horse battery\r\n')).json();
    assert.deepEqual((await run('accounts remove bob')).json(), { sub, removed: true });
    assert.equal(errorOf(await run(`accounts unlock ${sub}`)).error, 'account_not_found');
  });
});

describe('keyturn keys', () => {
  test('list shows an active key and its successor for each algorithm', async () => {
    const keys = (await run('keys list')).json<Document[]>();
    assert.deepEqual(
      keys.map(({ alg, state, purpose }) => `${alg} ${state} ${purpose}`),
      ['ES256', 'RS256', 'HS256'].flatMap((alg) => {
        const purpose = alg === 'HS256' ? 'refresh' : 'jwks';
        return [`${alg} active ${purpose}`, `${alg} next ${purpose}`];
      }),
    );
    const [active, next] = keys;
    assert.equal(active?.retired_at, next?.signs_from);
    assert(isEpochSeconds(active?.published_at));
  });

  test('rotate lets the successor sign, revoke ends a key with all that it signed', async () => {
    const [active, next] = (await run('keys list')).json<Document[]>();
    const rotated = (await run('keys rotate --alg ES256')).json<Document[]>();
    assert.equal(rotated.length, 1);
    const [{ signs_from, ...outcome } = {}] = rotated;
    assert.deepEqual(outcome, { outcome: 'signs_now', alg: 'ES256', kid: next?.kid });
    assert(isEpochSeconds(signs_from));

    const states = async () =>
      new Map(
        (await run('keys list')).json<Document[]>().map(({ kid, state, reason }) => [kid, [state, reason]]),
      );
    assert.deepEqual((await states()).get(active?.kid), ['retired', null]);
    const revoked = await keyturn.run([
      'keys',
      'revoke',
      String(next?.kid),
      '--reason',
      'found in a paste',
      '--json',
    ]);
    const { successor, ...what } = revoked.json<{ successor: Document }>();
    assert.deepEqual(what, { outcome: 'revoked', kid: next?.kid });
    assert.equal(successor.caches_may_lack_it, true);
    assert.deepEqual((await states()).get(next?.kid), ['revoked', 'found in a paste']);
    assert.deepEqual((await states()).get(successor.kid), ['active', null]);
    const again = (await run(`keys revoke ${next?.kid} --reason again`)).json();
    assert.deepEqual(again, { outcome: 'already_revoked', kid: next?.kid, successor: null });
  });

  test('keys and algorithms that are not there are refused', async () => {
    assert.equal(errorOf(await run('keys rotate --alg ES384')).error, 'unknown_algorithm');
    assert.equal(errorOf(await run('keys revoke nothing --reason none')).error, 'key_not_found');
  });
});

describe('keyturn tokens inspect', () => {
  test('prints why a token is not active, by argument or from stdin, and that is an answer and no error', async () => {
    const told = (await run('tokens inspect a.b.c')).json();
    assert.deepEqual(told, {
      active: false,
      reason: 'malformed',
      kind: 'unknown',
      checks: [
        { check: 'format', outcome: 'failed', detail: 'this is no JWT that this server could have signed' },
      ],
      header: null,
      claims: null,
      client_id: null,
      sub: null,
      authorization: null,
      generation: null,
      current_generation: null,
    });
    assert.deepEqual((await run('tokens inspect -', 'a.b.c\n')).json(), told);
    const opaque = (await run('tokens inspect -yZ3wLVnG0kDj_QXDHwAAAyZ3wLVnG0kDj_QXDHwAAA')).json();
    assert.deepEqual([opaque.kind, opaque.reason], ['opaque_token', 'not_found']);
    assert.equal(errorOf(await run('tokens inspect -', ''), 2).message, 'stdin is empty');
  });
});

describe('keyturn config check', () => {
  test('prints every setting with its value and where that came from, and never a secret', async () => {
    const settings = (await run('config check')).json<Document[]>();
    const port = settings.find(({ setting }) => setting === 'port');
    assert.deepEqual(port, {
      setting: 'port',
      variable: 'KEYTURN_PORT',
      value: 3000,
      source: 'default',
      place: null,
    });
  });

  test('lists every problem of a settings file, and ends with 2', async () => {
    const file = join(keyturn.path, 'bad.yaml');
    await writeFile(file, 'port: many\nlifetimes:\n  accessToken: forever\n');
    const result = await keyturn.run(['config', 'check', '--config', file, '--json']);
    const { error, problems } = errorOf(result, 2);
    assert.equal(error, 'invalid_settings');
    assert.deepEqual(
      (problems as Document[]).map(({ setting, place }) => [setting, place]),
      [
        ['port', `${file}:1`],
        ['lifetimes.accessToken', `${file}:3`],
      ],
    );
  });
});

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
      const { error, message: told } = errorOf(await run(command), 2);
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
    const listed = await keyturn.run(['clients', 'list']);
    assert.match(listed.stdout, /^CLIENT ID +NAME +AUTHENTICATION +GRANTS\n/);
    assert.match(listed.stdout, /Größe 名前 +private_key_jwt/);
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
