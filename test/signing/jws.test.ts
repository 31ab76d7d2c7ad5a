import assert from 'node:assert/strict';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { systemRandom } from '#src/random.ts';
import {
  generateKey,
  importPrivateKey,
  importPublicKey,
  type JwsAlgorithm,
  type SigningAlgorithm,
  signWith,
  verifyHmac,
  verifyWith,
} from '#src/signing/algorithm.ts';
import { JWT_CHARS_MAX, parseJwt, type Signer, signJwt, type Verifier, verifyJwt } from '#src/signing/jws.ts';
import { fc } from '#test/support/properties.ts';

const part = (value: string | object | Buffer): string => {
  const bytes = Buffer.isBuffer(value) || typeof value === 'string' ? value : JSON.stringify(value);
  return Buffer.from(bytes).toString('base64url');
};
const jwt = (header: string | object | Buffer, claims: string | object | Buffer = {}) =>
  `${part(header)}.${part(claims)}.${part('signature')}`;

async function keyPair(
  alg: SigningAlgorithm,
): Promise<{ signer: Signer; verifier: Verifier; publicKey: KeyObject }> {
  const { kid, jwk } = await generateKey(alg, systemRandom);
  const [privateKey, publicKey] = [importPrivateKey(alg, jwk), importPublicKey(jwk)];
  return {
    signer: { kid, alg, sign: (data) => signWith(alg, privateKey, data) },
    verifier: { kid, alg, verify: (data, signature) => verifyWith(alg, publicKey, data, signature) },
    publicKey,
  };
}

/** RFC 7515 appendix A.1 to A.3: one payload, three algorithms. */
const PAYLOAD =
  'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';
const EXAMPLES: readonly (readonly [JwsAlgorithm, string, JsonWebKey])[] = [
  [
    'HS256',
    `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`,
    {
      kty: 'oct',
      k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
    },
  ],
  [
    'RS256',
    `eyJhbGciOiJSUzI1NiJ9.${PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw`,
    {
      kty: 'RSA',
      n: 'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ',
      e: 'AQAB',
    },
  ],
  [
    'ES256',
    `eyJhbGciOiJFUzI1NiJ9.${PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
    {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    },
  ],
];

describe('the examples of RFC 7515 appendix A', () => {
  for (const [alg, text, jwk] of EXAMPLES) {
    test(`${alg}: parses, and its signature verifies`, () => {
      const parsed = parseJwt(text);
      assert.ok(parsed);
      assert.deepEqual(parsed.claims, { iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true });
      const { signingInput, signature } = parsed;
      const verified =
        alg === 'HS256'
          ? verifyHmac(importPrivateKey(alg, jwk), signingInput, signature)
          : verifyWith(alg, importPublicKey(jwk), signingInput, signature);
      assert.equal(verified, true);
    });
  }

  test('EdDSA of RFC 8037 appendix A.4 is made byte for byte', async () => {
    const jwk = {
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    };
    const data = Buffer.from('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc');
    const signature = await signWith('EdDSA', importPrivateKey('EdDSA', jwk), data);
    assert.equal(
      signature.toString('base64url'),
      'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
    );
  });
});

describe('a signed JWT', () => {
  test('says type, algorithm and key, and is verified by an independent implementation', async () => {
    for (const alg of ['ES256', 'RS256', 'EdDSA'] as const) {
      const { signer, publicKey } = await keyPair(alg);
      const text = await signJwt(signer, { typ: 'at+jwt' }, { sub: 'Zoë', n: 1 });
      assert.deepEqual(decodeProtectedHeader(text), { typ: 'at+jwt', alg, kid: signer.kid });
      const { payload } = await jwtVerify(text, publicKey, { algorithms: [alg], typ: 'at+jwt' });
      assert.deepEqual(payload, { sub: 'Zoë', n: 1 });
    }
  });

  test('of an algorithm that signs at once is there at once', async () => {
    const { signer } = await keyPair('ES256');
    assert.equal(typeof signJwt(signer, { typ: 'JWT' }, {}), 'string');
  });

  test('comes back from the parser as it went in, and verifies', async () => {
    const { signer, verifier } = await keyPair('ES256');
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (claims) => {
        const parsed = parseJwt(await signJwt(signer, { typ: 'at+jwt' }, claims));
        assert.ok(parsed);
        assert.deepEqual(parsed.claims, JSON.parse(JSON.stringify(claims)));
        assert.equal(
          verifyJwt(parsed, () => verifier),
          true,
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('the parser', () => {
  const good = { alg: 'ES256', kid: 'a', typ: 'at+jwt' };

  test('accepts a well-formed JWT', () => {
    assert.deepEqual(parseJwt(jwt(good, { sub: 'a' }))?.header, good);
  });

  const refused: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['two parts', 'e30.e30'],
    ['four parts', `${jwt(good)}.e30`],
    ['an empty signature', `${part(good)}.e30.`],
    ['a JWE, which has five parts', `${part(good)}.a.b.c.d`],
    ['padding (RFC 7515 section 2)', `${part('{"alg":"ES256"} ')}==.e30.AA`],
    ['standard base64', `${part(good)}.e30.ab+/`],
    ['whitespace around it', ` ${jwt(good)}\n`],
    ['another spelling of the same bytes', `${part(good)}.e30.AB`],
    ['a length that no bytes have', `${part(good)}.e30.AAAAA`],
    ['a header that is not JSON', jwt('{')],
    ['a header that is a list', jwt('["ES256"]')],
    ['a header that is null', jwt('null')],
    ['claims that are a text', jwt(good, '"a"')],
    ['claims that are not UTF-8', jwt(good, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))],
    ['a byte order mark', jwt(good, '\uFEFF{}')],
    ['no algorithm', jwt({ kid: 'a' })],
    ['the algorithm none (RFC 8725 section 3.1)', jwt({ ...good, alg: 'none' })],
    ['the algorithm nOnE', jwt({ ...good, alg: 'nOnE' })],
    ['an algorithm that is not ours', jwt({ ...good, alg: 'HS512' })],
    ['an algorithm that is a list', jwt({ ...good, alg: ['ES256'] })],
    ['a kid that is not a text', jwt({ ...good, kid: 1 })],
    ['a typ that is not a text', jwt({ ...good, typ: {} })],
    ['a critical extension (RFC 7515 section 4.1.11)', jwt({ ...good, crit: ['b64'], b64: false })],
    ['an empty crit', jwt({ ...good, crit: [] })],
    ['more characters than a JWT may have', jwt(good, { a: 'x'.repeat(JWT_CHARS_MAX) })],
  ];
  for (const [what, text] of refused) {
    test(`refuses ${what}`, () => assert.equal(parseJwt(text), null));
  }

  test('never throws', () => {
    const piece = fc.oneof(fc.string(), fc.base64String(), fc.json().map(part), fc.constant(part(good)));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        parseJwt(pieces.join('.'));
      }),
    );
  });
});

describe('verification', () => {
  test('refuses a token that asks for another algorithm than its key has (RFC 8725 section 3.1)', async () => {
    const { signer, verifier } = await keyPair('ES256');
    const parsed = parseJwt(await signJwt(signer, { typ: 'JWT' }, {}));
    assert.ok(parsed);
    const asked: string[] = [];
    const hmacKey: Verifier = { ...verifier, alg: 'HS256', verify: () => asked.push('cryptography') > 0 };
    assert.equal(
      verifyJwt(parsed, () => hmacKey),
      false,
    );
    assert.deepEqual(asked, []);
  });

  test('refuses an unknown key, a missing kid and a changed claim', async () => {
    const { signer, verifier } = await keyPair('ES256');
    const keys = (kid: string) => (kid === signer.kid ? verifier : null);
    const text = await signJwt(signer, { typ: 'JWT' }, { sub: 'ada' });
    const [header = '', , signature = ''] = text.split('.');
    const verified = (each: string) => {
      const parsed = parseJwt(each);
      assert.ok(parsed);
      return verifyJwt(parsed, keys);
    };
    assert.equal(verified(text), true);
    assert.equal(verified(`${header}.${part({ sub: 'eve' })}.${signature}`), false);
    assert.equal(verified(jwt({ alg: 'ES256', kid: 'unknown' })), false);
    assert.equal(verified(jwt({ alg: 'ES256' })), false);
  });
});
