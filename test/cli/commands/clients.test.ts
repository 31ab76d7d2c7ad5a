import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Commands, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

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
      registered_by: { by: 'administrator' },
    };
    assert.deepEqual(rest, { ...metadata, client_secret_expires_at: 0 });

    const shown = (await runJson(`clients show ${client_id}`)).json();
    assert.deepEqual(shown, { client_id, client_id_issued_at, ...metadata, live_secrets, updated_at });
    assert.deepEqual((await runJson('clients list')).json(), [shown]);
  });

  test('add says how a client proves itself, and refuses what the server has no means for', async () => {
    const mutualTls = {
      KEYTURN_MUTUAL_TLS_FROM: 'header',
      KEYTURN_MUTUAL_TLS_HEADER_VERIFIED: 'always',
      KEYTURN_TRUST_PROXY: '10.0.0.0/8',
    };
    const described = ['clients', 'add', '--name', 'pay', '--grant', 'client_credentials', '--json'];
    const bySubject = [
      ...described,
      '--auth-method',
      'tls_client_auth',
      '--tls-subject-dn',
      'CN=Pay\\, Ltd,C=DE',
    ];
    const added = await keyturn.runWithEnv([...bySubject, '--certificate-bound'], mutualTls);
    const { tls_client_auth_subject_dn, tls_client_certificate_bound_access_tokens } = added.json();
    assert.equal(tls_client_auth_subject_dn, 'CN=Pay\\, Ltd,C=DE');
    assert.equal(tls_client_certificate_bound_access_tokens, true);
    const dpop = await keyturn.run([...described, '--dpop-bound']);
    assert.equal(dpop.json().dpop_bound_access_tokens, true);
    assert.match(
      String(errorOf(await keyturn.run(bySubject)).message),
      /--auth-method: this server does not offer tls_client_auth/,
    );
    const twice = await keyturn.runWithEnv([...bySubject, '--tls-san-dns', 'pay.example'], mutualTls);
    assert.match(String(errorOf(twice).message), /exactly one of/);
    const both = await keyturn.run([...described, '--dpop-bound', '--certificate-bound']);
    assert.notEqual(both.code, 0);
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
    const client = (
      await runJson('clients add --name app --public --redirect-uri com.example.app:/cb')
    ).json();
    assert.equal(client.token_endpoint_auth_method, 'none');
    assert.equal(client.application_type, 'native');
    assert.equal('client_secret' in client, false);
    assert.equal(
      errorOf(await runJson(`clients roll-secret ${client.client_id}`)).error,
      'client_has_no_secret',
    );
  });

  test('what is wrong with a registration is told of all options at once, by their names', async () => {
    const { error, problems } = errorOf(
      await runJson('clients add --name bad --public --no-pkce --grant client_credentials --default-scope x'),
    );
    assert.equal(error, 'invalid_client_metadata');
    const told = (problems as string[]).join('\n');
    for (const option of ['--grant:', '--no-pkce:', '--default-scope:']) assert(told.includes(option), told);
  });

  test('update changes what is named, and nothing else', async () => {
    const metadata = join(keyturn.path, 'changed.json');
    await writeFile(metadata, '{"tos_uri":"https://a.example/tos","logo_uri":null}');
    const added = await runJson('clients add --name old --redirect-uri https://a.example/ --no-pkce');
    const { client_secret, client_secret_expires_at, updated_at, ...before } = added.json();
    const changed = await keyturn.run([
      ...['clients', 'update', String(before.client_id), '--name', 'new', '--pkce', '--metadata', metadata],
      '--json',
    ]);
    const { updated_at: _, ...after } = changed.json();
    assert.deepEqual(after, {
      ...before,
      client_name: 'new',
      require_pkce: true,
      tos_uri: 'https://a.example/tos',
    });
    const shown = (await runJson(`clients show ${before.client_id}`)).json();
    assert.deepEqual(shown, changed.json());
  });

  test('update tells a secret only where the client gets one, once', async () => {
    const { client_id } = (
      await runJson('clients add --name app --public --redirect-uri https://a.example/')
    ).json();
    const made = (await runJson(`clients update ${client_id} --auth-method client_secret_post`)).json();
    assert.match(String(made.client_secret), /^keyturn_cs_/);
    const kept = (await runJson(`clients update ${client_id} --auth-method client_secret_basic`)).json();
    assert.equal('client_secret' in kept, false);
    assert.equal('client_secret' in (await runJson(`clients update ${client_id} --public`)).json(), false);
  });

  test('update refuses what add refuses, by the names of the options, and a call that says nothing', async () => {
    const { client_id } = (await runJson('clients add --name x --redirect-uri https://a.example/')).json();
    const before = await runJson(`clients show ${client_id}`);
    const refused = errorOf(await runJson(`clients update ${client_id} --public --no-pkce`));
    assert.equal(refused.error, 'invalid_client_metadata');
    assert.match(String(refused.message), /^--no-pkce: /);
    assert.equal(errorOf(await runJson(`clients update ${client_id}`), 2).error, 'usage');
    assert.equal((await runJson(`clients show ${client_id}`)).stdout, before.stdout);
  });

  test('list tells who registered each client', async () => {
    const { stdout } = await keyturn.run(['clients', 'list']);
    assert.match(stdout, /REGISTERED BY\n(.* an administrator\n)+/);
  });

  test('a client identifier is given once', async () => {
    await runJson('clients add --name one --client-id taken --redirect-uri https://a.example/');
    const again = await runJson('clients add --name two --client-id taken --redirect-uri https://a.example/');
    assert.equal(errorOf(again).error, 'client_id_taken');
  });

  test('an identifier that begins with hyphens is no option', async () => {
    for (const clientId of ['-yZ3wLVnG0kDj_QXDHwAAA', '--Z3wLVnG0kDj_QXDHwAAA']) {
      (
        await runJson(`clients add --name dashed --redirect-uri https://a.example/ --client-id ${clientId}`)
      ).json();
      assert.equal((await runJson(`clients show ${clientId}`)).json().client_id, clientId);
      assert.deepEqual((await runJson(`clients remove ${clientId}`)).json(), {
        client_id: clientId,
        removed: true,
      });
    }
  });

  test('remove, show, roll-secret and update refuse a client that is not there', async () => {
    for (const command of ['remove nobody', 'show nobody', 'roll-secret nobody', 'update nobody --name x']) {
      assert.equal(errorOf(await runJson(`clients ${command}`)).error, 'client_not_found', command);
    }
  });
});
