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

const CI = 'https://ci.example.com';

describe('keyturn trusted-issuers', () => {
  test('add prints what an issuer is trusted with; show and list print the same', async () => {
    const added = (await runJson(`trusted-issuers add ${CI} --jwks-uri ${CI}/jwks`)).json();
    const { created_at, ...rest } = added;
    assert(isEpochSeconds(created_at));
    assert.deepEqual(rest, {
      issuer: CI,
      trusted_for: ['assertions'],
      subjects: 'client',
      jwks_uri: `${CI}/jwks`,
      algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      assertion_lifetime_max: 3600,
      single_use: true,
      scope: null,
      access_token_lifetime_max: null,
    });
    assert.deepEqual((await runJson(`trusted-issuers show ${CI}`)).json(), added);
    assert.deepEqual((await runJson('trusted-issuers list')).json(), [added]);
    assert.equal(
      errorOf(await runJson(`trusted-issuers add ${CI} --jwks-uri ${CI}/jwks`)).error,
      'issuer_taken',
    );
  });

  test('add takes every option', async () => {
    const jwks = join(keyturn.path, 'jwks.json');
    const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: 'one' };
    await writeFile(jwks, JSON.stringify({ keys: [key] }));
    const added = await keyturn.run([
      ...['trusted-issuers', 'add', 'https://sso.example.com', '--jwks', jwks, '--subjects', 'email'],
      ...['--algorithm', 'EdDSA', '--algorithm', 'ES256', '--assertion-lifetime', '5m', '--reusable'],
      ...['--scope', 'read', '--scope', 'write look', '--access-token-lifetime', '90s'],
      ...['--trusted-for', 'assertions', '--trusted-for', 'software-statements', '--json'],
    ]);
    const { created_at: _, ...rest } = added.json();
    assert.deepEqual(rest, {
      issuer: 'https://sso.example.com',
      trusted_for: ['assertions', 'software-statements'],
      subjects: 'email',
      jwks: { keys: [key] },
      algorithms: ['EdDSA', 'ES256'],
      assertion_lifetime_max: 300,
      single_use: false,
      scope: 'read write look',
      access_token_lifetime_max: 90,
    });
  });

  test('what is wrong is told by the names of the options', async () => {
    const { error, problems } = errorOf(
      await runJson(
        'trusted-issuers add https://x.example.com --scope é --jwks-uri http://x.example.com/jwks',
      ),
    );
    assert.equal(error, 'invalid_trusted_issuer');
    const told = (problems as string[]).join('\n');
    for (const option of ['--scope:', '--jwks-uri:']) assert(told.includes(option), told);
    const noKeys = errorOf(await runJson('trusted-issuers add https://x.example.com'));
    assert.match(String((noKeys.problems as string[])[0]), /^--jwks:/);
    const odd = await runJson(
      `trusted-issuers add https://x.example.com --jwks-uri ${CI} --assertion-lifetime long`,
    );
    assert.equal(odd.code, 2);
  });

  test('remove ends the trust, and says so where there was none', async () => {
    assert.deepEqual((await runJson(`trusted-issuers remove ${CI} --yes`)).json(), {
      issuer: CI,
      removed: true,
    });
    for (const command of ['show', 'remove --yes'])
      assert.equal(
        errorOf(await runJson(`trusted-issuers ${command} ${CI}`)).error,
        'trusted_issuer_not_found',
      );
  });
});

describe('keyturn clients, of grants that need a policy', () => {
  test('token exchange: from whom, to whom, and whether the token tells who acts', async () => {
    const added = (
      await runJson(
        'clients add --name gateway --grant token-exchange --scope read --exchange-from https://api.example.com --exchange-to https://orders.example.com',
      )
    ).json();
    assert.deepEqual(added.grant_types, ['urn:ietf:params:oauth:grant-type:token-exchange']);
    assert.deepEqual(added.token_exchange, {
      from: ['https://api.example.com'],
      to: ['https://orders.example.com'],
      semantics: ['delegation'],
    });
    const both = await runJson(
      `clients update ${added.client_id} --exchange-to https://orders.example.com --exchange-semantics both`,
    );
    assert.deepEqual(both.json().token_exchange, {
      from: [],
      to: ['https://orders.example.com'],
      semantics: ['delegation', 'impersonation'],
    });
    const without = (await runJson(`clients update ${added.client_id} --grant client_credentials`)).json();
    assert.equal('token_exchange' in without, false, 'the policy goes with its grant');
  });

  test('assertions: of whom, and what they must say', async () => {
    const added = (
      await runJson(
        'clients add --name deploy --public --grant jwt-bearer --assertion-issuer https://ci.example.com --assertion-claim sub=a=b --assertion-claim env=test --assertion-claim env=live',
      )
    ).json();
    assert.deepEqual(added.jwt_bearer, {
      issuer: 'https://ci.example.com',
      claims: { sub: ['a=b'], env: ['test', 'live'] },
    });
    const shown = await keyturn.run(['clients', 'show', String(added.client_id)]);
    assert.match(shown.stdout, /assertions_say +sub=a=b\n +env=test or live/);
  });

  test('a grant without its policy, or the other way round, is refused by the names of the options', async () => {
    const problemsOf = async (options: string) =>
      (errorOf(await runJson(`clients add --name odd ${options}`)).problems as string[]).join('\n');
    assert.match(await problemsOf('--grant token-exchange'), /^--exchange-to:/);
    assert.match(
      await problemsOf('--grant token-exchange --exchange-from https://a.example'),
      /--exchange-to/,
    );
    assert.match(await problemsOf('--grant jwt-bearer'), /^--assertion-issuer:/);
    assert.match(
      await problemsOf('--grant client_credentials --assertion-issuer https://ci.example.com'),
      /^--assertion-issuer:/,
    );
    const claim = await runJson('clients add --name odd --grant jwt-bearer --assertion-claim sub=x');
    assert.equal(claim.code, 2);
    const pair = await runJson(
      'clients add --name odd --grant jwt-bearer --assertion-issuer https://ci.example.com --assertion-claim sub',
    );
    assert.equal(pair.code, 2);
  });
});
