import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Commands, type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('keyturn config check', () => {
  test('prints every setting with its value and where that came from, and never a secret', async () => {
    const settings = (await runJson('config check')).json<Document[]>();
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
