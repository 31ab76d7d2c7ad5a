import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { SetupFault } from '#src/fault.ts';
import { Attestations } from '#src/oidc/attestations.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

test('attesters that are not understood are a fault that names the file and what is wrong', async () => {
  await using directory = await makeTemporaryDirectory();
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const open = async (text: string | null) => {
    const path = `${directory.path}/${text === null ? 'nowhere' : 'attesters'}.json`;
    if (text !== null) await writeFile(path, text);
    return Attestations.open(path, Buffer.alloc(32));
  };
  const keys = async (key: typeof publicKey) => JSON.stringify({ a: { keys: [await exportJWK(key)] } });
  await open(await keys(publicKey));
  for (const [text, words] of [
    [null, /nowhere\.json cannot be read \(ENOENT\)/],
    ['nonsense', /are not understood/],
    ['{}', /there is none/],
    ['[]', /there is none/],
    ['{"a":1}', /are not understood/],
    ['{"a":{"keys":[{"kty":"x"}]}}', /are not understood/],
    [await keys(privateKey), /a key of a is not public/],
  ] as const) {
    await assert.rejects(open(text), (fault) => {
      assert.ok(fault instanceof SetupFault && fault.hint !== '', String(fault));
      assert.match(fault.message, words);
      return true;
    });
  }
});
