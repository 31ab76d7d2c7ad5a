import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { calculateJwkThumbprint, compactVerify, exportJWK, importJWK } from 'jose';
import { systemRandom } from '#src/random.ts';
import {
  generateKey,
  hmac,
  importPrivateKey,
  importPublicKey,
  publicJwk,
  SIGNING_ALGORITHMS,
  signWith,
  thumbprint,
  verifyHmac,
  verifyWith,
} from '#src/signing/algorithm.ts';

/** RFC 7638 section 3.1. */
const RSA_OF_RFC_7638 = {
  kty: 'RSA',
  n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
  alg: 'RS256',
  kid: '2011-04-29',
};

/** RFC 8037 appendix A.1. */
const ED25519_OF_RFC_8037 = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
};

test('a thumbprint is that of RFC 7638 section 3.1 and of RFC 8037 appendix A.3', () => {
  assert.equal(thumbprint(RSA_OF_RFC_7638), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
  assert.equal(thumbprint(ED25519_OF_RFC_8037), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
});

for (const alg of SIGNING_ALGORITHMS) {
  describe(alg, () => {
    const generated = generateKey(alg, systemRandom);
    const data = Buffer.from('eyJhbGciOiJ4In0.e30');

    test('makes a key whose kid is its thumbprint and whose public JWK has only public members', async () => {
      const key = await generated;
      const shown = publicJwk({ kid: key.kid, alg, jwk: key.jwk });
      assert.equal(key.kid, await calculateJwkThumbprint(shown));
      const { kid, use, ...members } = shown;
      assert.deepEqual({ kid, use }, { kid: key.kid, use: 'sig' });
      assert.deepEqual(members, { ...(await exportJWK(importPublicKey(key.jwk))), alg });
      if (shown.kty === 'RSA') assert.ok(Buffer.from(String(shown.n), 'base64url').length * 8 >= 2048);
    });

    test('makes signatures that an independent implementation verifies', async () => {
      const { jwk } = await generated;
      const signed = `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.e30`;
      const signature = await signWith(alg, importPrivateKey(alg, jwk), Buffer.from(signed));
      const key = await importJWK(publicJwk({ kid: 'a', alg, jwk }), alg);
      await compactVerify(`${signed}.${signature.toString('base64url')}`, key, { algorithms: [alg] });
    });

    test('verifies its own signature, and neither a changed one nor one over other bytes', async () => {
      const { jwk } = await generated;
      const signature = await signWith(alg, importPrivateKey(alg, jwk), data);
      const key = importPublicKey(jwk);
      const changed = Buffer.from(signature);
      changed.writeUInt8(changed.readUInt8(9) ^ 1, 9);
      assert.equal(verifyWith(alg, key, data, signature), true);
      assert.equal(verifyWith(alg, key, Buffer.from('eyJhbGciOiJ4In0.e31'), signature), false);
      const bad = [changed, signature.subarray(1), Buffer.concat([signature, signature]), Buffer.alloc(0)];
      for (const each of [...bad, Buffer.alloc(signature.length)]) {
        assert.equal(verifyWith(alg, key, data, each), false);
      }
    });
  });
}

describe('the refresh key', () => {
  test('is 256 random bits under a kid that says nothing about them', async () => {
    const [one, other] = [await generateKey('HS256', systemRandom), await generateKey('HS256', systemRandom)];
    assert.equal(Buffer.from(String(one.jwk.k), 'base64url').length, 32);
    assert.notEqual(one.jwk.k, other.jwk.k);
    assert.notEqual(one.kid, other.kid);
    assert.throws(() => thumbprint(one.jwk), TypeError);
  });

  test('signs the example of RFC 7515 appendix A.1, and verifies that signature alone', () => {
    const k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
    const data = Buffer.from(
      'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
    );
    const secret = importPrivateKey('HS256', { kty: 'oct', k });
    const signature = hmac(secret, data);
    assert.equal(signature.toString('base64url'), 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');
    assert.equal(verifyHmac(secret, data, signature), true);
    assert.equal(verifyHmac(secret, data, signature.subarray(0, 31)), false);
    assert.equal(verifyHmac(secret, data, Buffer.alloc(32)), false);
  });
});

test('RSA and ML-DSA sign off the event loop, the others at once', async () => {
  for (const alg of SIGNING_ALGORITHMS) {
    const { jwk } = await generateKey(alg, systemRandom);
    const signature = signWith(alg, importPrivateKey(alg, jwk), Buffer.from('a'));
    assert.equal(signature instanceof Promise, /^(RS|PS|ML)/.test(alg));
    await signature;
  }
});
