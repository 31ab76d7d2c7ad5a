import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, type Document, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('keyturn accounts', () => {
  const PASSWORD = 'correct horse battery';

  test('add prints sub; the account is found by username, e-mail address and subject', async () => {
    const added = await runJson(
      'accounts add --username Ada --email ada@Example.com --password-stdin',
      `${PASSWORD}\n`,
    );
    const { sub, created_at, updated_at, password_changed_at, ...rest } = added.json();
    assert.equal(added.stderr, '');
    assert.match(String(sub), /^[\w-]{22}$/);
    assert([created_at, updated_at, password_changed_at].every(isEpochSeconds));
    const described = { username: 'Ada', email: 'ada@example.com', email_verified: false, name: null };
    assert.deepEqual(rest, { ...described, groups: [], roles: [], state: 'active', locked_at: null });
    for (const named of ['ada', 'ADA@example.com', sub]) {
      assert.equal((await runJson(`accounts show ${named}`)).json().sub, sub, String(named));
    }
    assert.deepEqual(
      (await runJson('accounts list')).json<Document[]>().map((account) => account.sub),
      [sub],
    );
  });

  test('names are unique, passwords must be good, and what is asked for must be there', async () => {
    const taken = await runJson('accounts add --username ADA --password-stdin', PASSWORD);
    assert.equal(errorOf(taken).error, 'username_taken');
    const weak = await runJson('accounts add --username eve --password-stdin', 'password');
    assert.equal(errorOf(weak).error, 'password_common');
    const odd = await runJson('accounts add --username e--e --password-stdin', PASSWORD);
    assert.equal(errorOf(odd).error, 'username_invalid');
    const address = await runJson('accounts add --username eve --email eve --password-stdin', PASSWORD);
    assert.equal(errorOf(address).error, 'email_invalid');
    const empty = errorOf(await runJson('accounts add --username eve --password-stdin', ''), 2);
    assert.equal(empty.message, 'stdin is empty');
    const silent = errorOf(await runJson('accounts add --username eve', PASSWORD), 2);
    assert.match(String(silent.hint), /--password-stdin/);
    assert.equal(errorOf(await runJson('accounts show eve')).error, 'account_not_found');
  });

  test('groups and roles are named at the beginning or later, each list as a whole, and are bounded', async () => {
    const added = await runJson(
      'accounts add --username grace --group staff --group admins --role editor --password-stdin',
      PASSWORD,
    );
    assert.deepEqual(added.json().groups, ['staff', 'admins']);
    const groupsAndRoles = ({ groups, roles }: Document) => ({ groups, roles });
    const updated = (await runJson('accounts update grace --group alumni')).json();
    assert.deepEqual(groupsAndRoles(updated), { groups: ['alumni'], roles: ['editor'] });
    const cleared = (await runJson('accounts update grace --no-roles')).json();
    assert.deepEqual(groupsAndRoles(cleared), { groups: ['alumni'], roles: [] });
    assert.deepEqual((await runJson('accounts show grace')).json(), cleared);
    assert.match(String(errorOf(await runJson('accounts update grace'), 2).hint), /--help/);
    const long = errorOf(await runJson(`accounts update grace --group ${'x'.repeat(65)}`));
    assert.equal(long.error, 'memberships_invalid');
    assert.equal(errorOf(await runJson('accounts update eve --role x')).error, 'account_not_found');
    await runJson('accounts remove grace');
  });

  test('an account is locked, unlocked, signed out everywhere, given another password, and removed for good', async () => {
    const { sub } = (await runJson('accounts add --username bob --password-stdin', PASSWORD)).json();
    const locked = (await runJson('accounts lock bob')).json();
    assert.equal(locked.state, 'locked');
    assert(isEpochSeconds(locked.locked_at));
    assert.equal((await runJson('accounts unlock bob')).json().state, 'active');
    assert.equal((await runJson('accounts sign-out bob')).json().state, 'active');
    (await runJson('accounts reset-password bob --password-stdin', 'another horse battery\r\n')).json();
    assert.deepEqual((await runJson('accounts remove bob')).json(), { sub, removed: true });
    assert.equal(errorOf(await runJson(`accounts unlock ${sub}`)).error, 'account_not_found');
  });
});
