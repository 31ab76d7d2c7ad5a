import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
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
const listed = async () => (await runJson('keys list')).json<Document[]>();

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

async function fileWith(text: string): Promise<string> {
  const path = join(keyturn.path, `${Math.random()}.key`);
  await writeFile(path, text);
  return path;
}

const pemOf = (key = newKey()) => key.export({ format: 'pem', type: 'pkcs8' }).toString();

function encryptedPem(passphrase: string): string {
  return newKey().export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase }).toString();
}

describe('keyturn keys import', () => {
  test('publishes a key under the name that it has elsewhere, and lets it sign next', async () => {
    const file = await fileWith(pemOf());
    const imported = (await runJson(`keys import ${file} --kid its-old-name`)).json();
    const { signs_from: from, touches, ...what } = imported;
    assert.deepEqual(what, { outcome: 'scheduled', alg: 'ES256', kid: 'its-old-name', outside: false });
    assert.ok((touches as Document).clients, 'what there is of the key that signs until then');
    const key = (await listed()).find(({ kid }) => kid === 'its-old-name');
    assert.deepEqual([key?.state, key?.signs_from, key?.outside], ['next', from, false]);
    // It goes before the standby that was there.
    const [rotated] = (await runJson('keys rotate --alg ES256')).json<Document[]>();
    assert.deepEqual([rotated?.kid, rotated?.outcome], ['its-old-name', 'scheduled']);
    assert.equal(rotated?.signs_from, key?.ready_at);
  });

  test('says what it does, and that the file is to go, but not what is in it', async () => {
    const text = pemOf();
    const file = await fileWith(text);
    const { code, stdout, stderr } = await keyturn.run(['keys', 'import', file, '--kid', 'told']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Imported the ES256 key told\. It is published now, and the next to sign: from /);
    assert.match(stdout, /keyturn keys rotate --alg ES256/);
    assert.ok(stdout.includes(`Remove ${file}, and every copy of it.`));
    const line = text.split('\n')[1] ?? '';
    assert.equal((stdout + stderr).includes(line.slice(0, 20)), false);
  });

  test('takes a JWK from stdin, with the kid that it brings', async () => {
    const jwk = { ...newKey().export({ format: 'jwk' }), kid: 'of-the-jwk', use: 'sig', alg: 'ES256' };
    const imported = (await runJson('keys import -', JSON.stringify(jwk))).json();
    assert.equal(imported.kid, 'of-the-jwk');
  });

  test('opens an encrypted key with a passphrase from a file, or from whoever sits there', async () => {
    const passphraseFile = await fileWith('correct horse\n');
    const first = await fileWith(encryptedPem('correct horse'));
    assert.equal((await runJson(`keys import ${first} --passphrase-file ${passphraseFile}`)).code, 0);
    const second = await fileWith(encryptedPem('typed horse'));
    const asked = await keyturn.runAtTerminal(['keys', 'import', second], 'typed horse\n');
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stderr, /Passphrase of the key: \n$/);
    assert.equal(asked.stderr.includes('typed horse'), false);
    const third = await fileWith(encryptedPem('x'));
    assert.equal(errorOf(await runJson(`keys import ${third}`), 2).error, 'usage');
    const wrong = await runJson(`keys import ${third} --passphrase-file ${passphraseFile}`);
    assert.equal(errorOf(wrong).error, 'passphrase_wrong');
  });

  test('takes no key twice, by whatever name, nor one that has been revoked', async () => {
    const key = newKey();
    const file = await fileWith(pemOf(key));
    assert.equal((await runJson(`keys import ${file} --kid stolen`)).code, 0);
    assert.equal(errorOf(await runJson(`keys import ${file} --kid another`)).error, 'key_exists');
    const other = await fileWith(pemOf());
    assert.equal(errorOf(await runJson(`keys import ${other} --kid stolen`)).error, 'key_exists');
    assert.equal((await runJson('keys revoke stolen --reason theft')).code, 0);
    const again = errorOf(await runJson(`keys import ${file} --kid another`));
    assert.equal(again.error, 'key_exists');
    assert.match(String(again.message), /is revoked/);
  });

  test('changes nothing when a key is refused', async () => {
    const before = await listed();
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    for (const [text, error] of [
      ['nonsense', 'key_unreadable'],
      [pemOf(p384), 'key_unsuitable'],
    ] as const) {
      const file = await fileWith(text);
      assert.equal(errorOf(await runJson(`keys import ${file}`)).error, error);
    }
    const unserved = await runJson(`keys import ${await fileWith(pemOf(p384))} --alg ES384`);
    assert.equal(errorOf(unserved).error, 'unknown_algorithm');
    assert.equal(errorOf(await runJson('keys import /nowhere.pem'), 2).error, 'usage');
    const long = await fileWith('x'.repeat(70_000));
    assert.equal(errorOf(await runJson(`keys import ${long}`), 2).error, 'usage');
    assert.deepEqual(await listed(), before);
  });
});
