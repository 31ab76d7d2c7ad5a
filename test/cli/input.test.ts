import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const ADD = ['accounts', 'add', '--username'];
const CONTROL_C = '\u0003';
const PASSWORD = 'pass words of tests';

describe('a password that is asked for', () => {
  test('is asked for twice and never shown, and the output stays one JSON document', async () => {
    const added = await keyturn.runAtTerminal([...ADD, 'ada', '--json'], `${PASSWORD}\n${PASSWORD}\n`);
    assert.equal(added.json().username, 'ada');
    assert.match(added.stderr, /New password: \nOnce more: \n$/);
    assert.equal(added.stderr.includes(PASSWORD), false);
  });

  test('is taken back when the two differ', async () => {
    const { code, stderr } = await keyturn.runAtTerminal([...ADD, 'bob'], `${PASSWORD}\n${PASSWORD}!\n`);
    assert.equal(code, 1);
    assert.match(stderr, /The two passwords differ\. Nothing was changed\.\n$/);
    assert.equal((await keyturn.run(['accounts', 'show', 'bob'])).code, 1);
  });

  test('can be given up by Control-C, which ends with 130', async () => {
    const { code, stderr } = await keyturn.runAtTerminal([...ADD, 'bob'], `pass${CONTROL_C}`);
    assert.equal(code, 130);
    assert.match(stderr, /interrupted\n$/);
  });

  test('is only asked for when the rest of the request is good', async () => {
    const { code, stderr } = await keyturn.runAtTerminal([...ADD, 'b b'], '');
    assert.equal(code, 1);
    assert.doesNotMatch(stderr, /password:/);
  });
});

describe('what cannot be undone', () => {
  const remove = ['clients', 'remove', 'web'];
  const isThere = async () => (await keyturn.run(['clients', 'show', 'web'])).code === 0;

  before(async () => {
    await keyturn.run([
      'clients',
      'add',
      '--name',
      'web',
      '--client-id',
      'web',
      '--redirect-uri',
      'https://a.example/',
    ]);
  });

  for (const answer of ['', 'n', 'no', 'yess']) {
    test(`is left alone for the answer ${JSON.stringify(answer)}`, async () => {
      const { code, stderr } = await keyturn.runAtTerminal(remove, `${answer}\n`);
      assert.equal(code, 1);
      assert.match(stderr, /Remove the client web \(web\) and end its tokens\? \[y\/N\]/);
      assert.match(stderr, /Nothing was changed\.\n$/);
      assert.equal(await isThere(), true);
    });
  }

  test('is done for a yes', async () => {
    const { code } = await keyturn.runAtTerminal(remove, 'y\n');
    assert.equal(code, 0);
    assert.equal(await isThere(), false);
  });

  test('is done without a question with --yes', async () => {
    await keyturn.run(['resources', 'add', '--identifier', 'https://api.example']);
    const { code, stderr } = await keyturn.runAtTerminal(
      ['resources', 'remove', 'https://api.example', '--yes'],
      '',
    );
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /\?/);
  });
});
