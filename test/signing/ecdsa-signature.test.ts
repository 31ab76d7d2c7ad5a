import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import { joseSignature } from '#src/signing/ecdsa-signature.ts';

/** Two numbers in DER: RFC 3279 section 2.2.3. */
function der(r: string, s: string): Buffer {
  const number = (hex: string) => {
    const bytes = Buffer.from(hex, 'hex');
    return Buffer.concat([Buffer.from([2, bytes.length]), bytes]);
  };
  const both = Buffer.concat([number(r), number(s)]);
  return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}

test('the two numbers of a signature stand side by side, each of full length (RFC 7518 section 3.4)', () => {
  const whole = '7f'.repeat(32);
  assert.equal(joseSignature(der(whole, whole), 32).toString('hex'), whole + whole);
  const negative = 'ff'.repeat(32);
  assert.equal(joseSignature(der(`00${negative}`, `00${negative}`), 32).toString('hex'), negative + negative);
  const short = '01'.repeat(30);
  assert.equal(joseSignature(der(short, whole), 32).toString('hex'), `0000${short}${whole}`);
  assert.equal(joseSignature(der(whole, '05'), 32).toString('hex'), `${whole}${'05'.padStart(64, '0')}`);
  assert.equal(joseSignature(der(`00${negative}`, '00'), 32).toString('hex'), negative + '00'.repeat(32));
});

for (const [namedCurve, digest, bytes] of [
  ['P-256', 'sha256', 32],
  ['P-384', 'sha384', 48],
] as const) {
  test(`what OpenSSL signs with ${namedCurve} it verifies in the form of JOSE`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    for (let times = 0; times < 300; times += 1) {
      const data = Buffer.from(String(times));
      const signature = joseSignature(sign(digest, data, privateKey), bytes);
      assert.ok(verify(digest, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature));
    }
  });
}
