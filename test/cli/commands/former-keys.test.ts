import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Commands, type Document, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;
let file: string;

before(async () => {
  keyturn = await makeCommands();
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'former', use: 'sig' };
  file = join(keyturn.path, 'former-jwks.json');
  await writeFile(file, JSON.stringify({ keys: [key, { ...key, kid: 'enc', use: 'enc' }] }));
});

after(() => keyturn[Symbol.asyncDispose]());

describe('keyturn former-keys', () => {
  test('add publishes the signing keys of a JWK Set for a time, list shows them, remove ends that', async () => {
    const { added, passed_over: over } = (await keyturn.runJson(`former-keys add ${file} --for 12h`)).json<{
      added: Document[];
      passed_over: Document[];
    }>();
    assert.deepEqual(
      added.map(({ kid, kty }) => [kid, kty]),
      [['former', 'EC']],
    );
    assert.deepEqual(over, [{ kid: 'enc', why: 'it is not for signatures' }]);
    const [listed] = (await keyturn.runJson('former-keys list')).json<Document[]>();
    assert.deepEqual(listed, added[0]);
    assert.ok(isEpochSeconds(listed?.until));
    assert.equal(Number(listed?.until) - Number(listed?.added_at), 12 * 3600);
    const told = await keyturn.run(['former-keys', 'add', file]);
    assert.match(told.stdout, /Published former\nPassed over enc: it is not for signatures\nUntil \d/);
    assert.deepEqual((await keyturn.runJson('former-keys remove former')).json(), { removed: 'former' });
    assert.equal(errorOf(await keyturn.runJson('former-keys remove former')).error, 'key_not_found');
    assert.match((await keyturn.run(['former-keys', 'list'])).stdout, /No keys of a former server/);
  });

  test('lengths of time that are none, or too long, and files that are not there are refused', async () => {
    for (const length of ['0s', '31d', 'soon']) {
      assert.equal(
        errorOf(await keyturn.runJson(`former-keys add ${file} --for ${length}`), 2).error,
        'usage',
      );
    }
    assert.equal(errorOf(await keyturn.runJson('former-keys add /nowhere.json'), 2).error, 'usage');
  });
});
