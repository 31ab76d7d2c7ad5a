import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string) => keyturn.runJson(command);

describe('keyturn registration-tokens', () => {
  test('add shows the token once, list tells of it, revoke ends it', async () => {
    const added = (
      await runJson(
        'registration-tokens add --uses 3 --expires 30d --scope read --grant client_credentials --profile mcp',
      )
    ).json();
    const { initial_access_token, ...token } = added;
    assert.match(String(initial_access_token), /^keyturn_iat_[\w-]{43}$/);
    const { id, created_at, expires_at, ...rest } = token;
    assert.ok(isEpochSeconds(created_at));
    assert.equal(Number(expires_at) - Number(created_at), 30 * 86_400);
    assert.deepEqual(rest, {
      uses: 3,
      uses_left: 3,
      scope: 'read',
      grant_types: ['client_credentials'],
      profile: 'mcp',
    });
    assert.deepEqual((await runJson('registration-tokens list')).json(), [token]);
    const { stdout } = await keyturn.run(['registration-tokens', 'list']);
    assert.match(stdout, /^ID +USES LEFT +EXPIRES .*\n[0-9a-f]{16} +3 of 3 +in (29|30) days +read /);
    assert.ok(!stdout.includes(String(initial_access_token)));
    assert.deepEqual((await runJson(`registration-tokens revoke ${id}`)).json(), { id, revoked: true });
    assert.deepEqual((await runJson('registration-tokens list')).json(), []);
    const again = await runJson(`registration-tokens revoke ${id}`);
    assert.equal(errorOf(again).error, 'registration_token_not_found');
  });

  test('add is for one client and a week by default, and says where registration is closed', async () => {
    const { uses, created_at, expires_at, scope } = (await runJson('registration-tokens add')).json();
    assert.deepEqual([uses, scope, Number(expires_at) - Number(created_at)], [1, '', 7 * 86_400]);
    const { stdout } = await keyturn.run(['registration-tokens', 'add']);
    assert.match(stdout, /registration is closed/);
  });

  test('add refuses numbers, lengths and names that make no sense', async () => {
    for (const [option, value] of [
      ['--uses', '0'],
      ['--uses', '10001'],
      ['--uses', '1e3'],
      ['--expires', '0s'],
      ['--expires', '366d'],
      ['--expires', 'soon'],
      ['--scope', 'a"b'],
      ['--grant', 'password'],
      ['--profile', 'none'],
    ]) {
      const refused = await runJson(`registration-tokens add ${option} ${value}`);
      assert.match(String(errorOf(refused, 2).message), new RegExp(String(option)));
    }
  });
});
