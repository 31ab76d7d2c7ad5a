import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { modulesLoadedToServe } from '#test/support/loaded-modules.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** Each takes its share of the time and memory of every start, so it is loaded where the settings ask for it. */
const PACKAGES_FOR_SOME = ['ajv', 'ioredis', 'koffi', 'prom-client', 'pug', 'yaml'];

const ROOMS_FOR_SOME =
  /^src\/(cli\/\w+|metrics|pkcs11|storage\/backup|tracing)\/|\/(redis-backend|seat|supervisor|traced\S*)\.ts$/;

describe('what `keyturn serve` loads', () => {
  test('is, with default settings, no package and no room that only others have a use for, and no other command', async () => {
    const loaded = await modulesLoadedToServe();
    assert.ok(loaded.has('oidc-provider'), 'what is loaded can be seen');
    assert.deepEqual(
      PACKAGES_FOR_SOME.filter((name) => loaded.has(name)),
      [],
    );
    assert.deepEqual(
      loaded.own.filter((path) => ROOMS_FOR_SOME.test(path)),
      ['src/cli/commands/serve.ts'],
    );
    assert.deepEqual(
      loaded.files.filter((path) => realpathSync(path) !== path),
      [],
      'a file that has two names would be loaded twice',
    );
  });

  test('is what reads a file of types of authorization details where there is one', async () => {
    await using directory = await makeTemporaryDirectory();
    const file = join(directory.path, 'types.yaml');
    const type = {
      name: { en: 'A payment' },
      sentences: { en: 'Pay {amount}' },
      resources: ['https://api.example.com'],
      schema: { type: 'object' },
    };
    await writeFile(file, JSON.stringify({ payment: type }));
    const loaded = await modulesLoadedToServe({ KEYTURN_REQUESTS_AUTHORIZATION_DETAILS_FILE: file });
    assert.deepEqual(
      PACKAGES_FOR_SOME.filter((name) => loaded.has(name)),
      ['ajv', 'yaml'],
    );
  });
});
