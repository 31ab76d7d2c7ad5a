import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CompactEncrypt, calculateJwkThumbprint, compactDecrypt, importJWK } from 'jose';
import { decryptionKeyOf } from '#src/signing/decryption-key.ts';

const SECRET = Buffer.alloc(32, 7);

describe('the key that others encrypt to', () => {
  test('follows from the secret, and another from another', () => {
    assert.deepEqual(decryptionKeyOf(SECRET), decryptionKeyOf(Buffer.from(SECRET)));
    assert.notEqual(decryptionKeyOf(SECRET).publicJwk.x, decryptionKeyOf(Buffer.alloc(32, 8)).publicJwk.x);
  });

  test('is named by its thumbprint, and nothing private is published (RFC 7638 section 3)', async () => {
    const { publicJwk } = decryptionKeyOf(SECRET);
    assert.equal(publicJwk.kid, await calculateJwkThumbprint({ ...publicJwk }));
    assert.equal('d' in publicJwk, false);
  });

  test('opens what was encrypted to its public part (RFC 7518 section 4.6)', async () => {
    const { publicJwk, privateJwk } = decryptionKeyOf(SECRET);
    for (const alg of ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW']) {
      const sealed = await new CompactEncrypt(Buffer.from('a secret'))
        .setProtectedHeader({ alg, enc: 'A256GCM' })
        .encrypt(await importJWK({ ...publicJwk }, alg));
      const { plaintext } = await compactDecrypt(sealed, await importJWK({ ...privateJwk }, alg));
      assert.equal(Buffer.from(plaintext).toString(), 'a secret');
    }
  });
});
