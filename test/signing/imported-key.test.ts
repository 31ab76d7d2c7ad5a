import assert from 'node:assert/strict';
import {
  checkPrimeSync,
  generateKeyPairSync,
  generatePrimeSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { describe, test } from 'node:test';
import { Refusal } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';
import {
  importPrivateKey,
  importPublicKey,
  signWith,
  thumbprint,
  verifyWith,
} from '#src/signing/algorithm.ts';
import { type ImportOptions, isEncrypted, readPrivateKey } from '#src/signing/imported-key.ts';

type Options = Partial<Omit<ImportOptions, 'passphrase'>> & { readonly passphrase?: string };

const read = (text: string, { passphrase, ...options }: Options = {}) =>
  readPrivateKey(new Secret(text), {
    alg: undefined,
    kid: undefined,
    algorithms: ['ES256', 'ES384', 'RS256', 'Ed25519'],
    ...options,
    passphrase: passphrase === undefined ? undefined : new Secret(passphrase),
  });

/** The refusal, which never repeats what was given. */
async function refusalOf(text: string, options: Options = {}): Promise<Refusal> {
  const refusal = await read(text, options).then(
    () => assert.fail('it was taken'),
    (error: unknown) => error,
  );
  assert.ok(refusal instanceof Refusal, String(refusal));
  const told = JSON.stringify([refusal.message, refusal.detail, refusal.stack]);
  for (const [piece] of text.matchAll(/[\w+/=-]{20,}/g))
    assert.equal(told.includes(piece.slice(0, 20)), false, told);
  if (options.passphrase) assert.equal(told.includes(options.passphrase), false);
  return refusal;
}

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
const p256 = ec('P-256');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;

const pkcs8 = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString();
const encrypted = (key: KeyObject, passphrase: string) =>
  key.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase }).toString();
const jwkOf = (key: KeyObject): JsonWebKey => key.export({ format: 'jwk' });
const json = (jwk: object) => JSON.stringify(jwk);
const textOf = (jwk: JsonWebKey, change: object = {}) => json({ ...jwk, ...change });

describe('a private key that was made elsewhere', () => {
  for (const { name, key, alg } of [
    { name: 'P-256', key: p256, alg: 'ES256' },
    { name: 'P-384', key: ec('P-384'), alg: 'ES384' },
    { name: 'RSA', key: rsa, alg: 'RS256' },
    { name: 'Ed25519', key: ed25519, alg: 'Ed25519' },
  ] as const) {
    test(`is read from PKCS#8 and from a JWK, and signs what its public part verifies: ${name}`, async () => {
      const fromPem = await read(pkcs8(key));
      assert.deepEqual(await read(textOf(jwkOf(key))), fromPem);
      assert.equal(fromPem.alg, alg);
      assert.equal(fromPem.kid, thumbprint(jwkOf(key)));
      assert.equal(fromPem.outside, null);
      const data = Buffer.from('data');
      const signature = await signWith(alg, importPrivateKey(alg, fromPem.jwk), data);
      assert.ok(verifyWith(alg, importPublicKey(jwkOf(key)), data, signature));
    });
  }

  test('may be in the older formats SEC 1 and PKCS#1, with other blocks around it', async () => {
    const sec1 = p256.export({ format: 'pem', type: 'sec1' }).toString();
    // As `openssl ecparam -genkey` writes it.
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    assert.equal((await read(parameters + sec1)).alg, 'ES256');
    const pkcs1 = rsa.export({ format: 'pem', type: 'pkcs1' }).toString();
    assert.equal((await read(pkcs1)).alg, 'RS256');
  });

  test('may be encrypted, and is opened by its passphrase alone', async () => {
    const text = encrypted(p256, 'correct horse');
    assert.ok(isEncrypted(new Secret(text)));
    assert.equal(isEncrypted(new Secret(pkcs8(p256))), false);
    assert.deepEqual(await read(text, { passphrase: 'correct horse' }), await read(pkcs8(p256)));
    assert.equal((await refusalOf(text)).code, 'passphrase_needed');
    assert.equal((await refusalOf(text, { passphrase: 'wrong horse' })).code, 'passphrase_wrong');
    assert.equal((await refusalOf(text, { passphrase: '' })).code, 'passphrase_wrong');
    const legacy = rsa.export({
      format: 'pem',
      type: 'pkcs1',
      cipher: 'aes-128-cbc',
      passphrase: 'old horse',
    });
    assert.ok(isEncrypted(new Secret(legacy.toString())));
    assert.equal((await read(legacy.toString(), { passphrase: 'old horse' })).alg, 'RS256');
  });

  test('keeps the kid of its JWK, so that whoever knows it by that need not fetch it again', async () => {
    assert.equal((await read(textOf(jwkOf(p256), { kid: 'public:4c1e/2024' }))).kid, 'public:4c1e/2024');
    assert.equal((await read(textOf(jwkOf(p256), { kid: 'old' }), { kid: 'other' })).kid, 'other');
    assert.equal((await read(pkcs8(p256), { kid: 'from-keycloak' })).kid, 'from-keycloak');
  });

  test('has a kid of at most 128 letters that nothing has to quote', async () => {
    for (const kid of ['', 'a b', 'a"b', 'ä', 'a\n', 'x'.repeat(129), 7, null]) {
      assert.equal((await refusalOf(textOf(jwkOf(p256), { kid }))).code, 'kid_invalid', String(kid));
    }
    assert.equal((await read(pkcs8(p256), { kid: 'x'.repeat(128) })).kid.length, 128);
  });

  test('may be the only key of a JWK Set, and not one of several (RFC 7517 section 5)', async () => {
    assert.equal((await read(json({ keys: [jwkOf(p256)] }))).alg, 'ES256');
    for (const keys of [[], [jwkOf(p256), jwkOf(rsa)], 'none']) {
      assert.equal((await refusalOf(json({ keys }))).code, 'key_unsuitable');
    }
  });

  test('is stored without what its JWK says besides', async () => {
    const { jwk } = await read(textOf(jwkOf(p256), { kid: 'k', use: 'sig', x5c: ['MIIB'], exp: 1 }));
    assert.deepEqual(Object.keys(jwk).toSorted(), ['crv', 'd', 'kty', 'x', 'y']);
  });
});

describe('the algorithm of such a key', () => {
  const both = { algorithms: ['RS256', 'PS256', 'Ed25519', 'EdDSA'] } as const;

  test('is the only one that it can and the server does', async () => {
    assert.equal((await read(pkcs8(rsa), { algorithms: ['PS256'] })).alg, 'PS256');
    assert.equal((await read(pkcs8(ed25519), { algorithms: ['EdDSA'] })).alg, 'EdDSA');
  });

  test('has to be said where there are two', async () => {
    assert.equal((await refusalOf(pkcs8(rsa), both)).code, 'alg_needed');
    assert.match((await refusalOf(pkcs8(ed25519), both)).message, /Ed25519 and EdDSA: say which, by --alg/);
    assert.equal((await read(pkcs8(rsa), { ...both, alg: 'PS256' })).alg, 'PS256');
    assert.equal((await read(textOf(jwkOf(rsa), { alg: 'PS256' }), both)).alg, 'PS256');
  });

  test('cannot be one that the key is not for', async () => {
    assert.match((await refusalOf(pkcs8(p256), { alg: 'RS256' })).message, /could sign ES256, not RS256/);
    assert.equal((await refusalOf(pkcs8(p256), { alg: 'none' })).code, 'key_unsuitable');
    assert.equal((await refusalOf(textOf(jwkOf(rsa), { alg: 'RSA-OAEP' }))).code, 'key_unsuitable');
    assert.equal((await refusalOf(textOf(jwkOf(rsa), { alg: 'RS512' }))).code, 'key_unsuitable');
    const says = textOf(jwkOf(rsa), { alg: 'RS256' });
    assert.match(
      (await refusalOf(says, { ...both, alg: 'PS256' })).message,
      /is for RS256, and not for PS256/,
    );
  });

  test('is one of those that the settings name', async () => {
    const refusal = await refusalOf(pkcs8(p256), { algorithms: ['RS256'] });
    assert.match(
      refusal.message,
      /could sign ES256, and keys.algorithms names only RS256: add it there first, and restart/,
    );
  });
});

describe('what is no key to sign with', () => {
  for (const { name, text, code } of [
    { name: 'an empty file', text: '', code: 'key_unreadable' },
    { name: 'some text', text: 'password123', code: 'key_unreadable' },
    { name: 'JSON that is no JWK', text: '{"a":1}', code: 'key_unreadable' },
    { name: 'null', text: 'null', code: 'key_unreadable' },
    { name: 'a JWK without its numbers', text: '{"kty":"EC","d":"AA"}', code: 'key_unreadable' },
    { name: 'a PEM block that is cut off', text: pkcs8(p256).slice(0, 120), code: 'key_unreadable' },
    {
      name: 'a PEM block of something else',
      text: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
      code: 'key_unreadable',
    },
    {
      name: 'a public key in PEM',
      text: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      code: 'key_unsuitable',
    },
    { name: 'a public JWK', text: textOf(jwkOf(p256), { d: undefined }), code: 'key_unsuitable' },
    {
      name: 'a symmetric JWK',
      text: '{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}',
      code: 'key_unsuitable',
    },
    { name: 'two private keys', text: pkcs8(p256) + pkcs8(rsa), code: 'key_unsuitable' },
    {
      name: 'a key in the format of OpenSSH',
      text: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
      code: 'key_unsuitable',
    },
    { name: 'a key for encryption', text: textOf(jwkOf(rsa), { use: 'enc' }), code: 'key_unsuitable' },
    {
      name: 'a key for verifying',
      text: textOf(jwkOf(rsa), { key_ops: ['verify'] }),
      code: 'key_unsuitable',
    },
    { name: 'a key of P-521', text: pkcs8(ec('P-521')), code: 'key_unsuitable' },
    { name: 'a key of secp256k1', text: pkcs8(ec('secp256k1')), code: 'key_unsuitable' },
    {
      name: 'a key of X25519',
      text: pkcs8(generateKeyPairSync('x25519').privateKey),
      code: 'key_unsuitable',
    },
    {
      name: 'an RSA key that is for PSS alone',
      text: pkcs8(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey),
      code: 'key_unsuitable',
    },
    {
      name: 'an RSA key of more than two primes',
      text: textOf(jwkOf(rsa), { oth: [{ r: 'AA', d: 'AA', t: 'AA' }] }),
      code: 'key_unsuitable',
    },
  ]) {
    test(`is refused: ${name}`, async () => {
      assert.equal((await refusalOf(text)).code, code);
    });
  }

  test('is refused: an RSA key of fewer than 2048 bits (RFC 7518 section 3.3)', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
    assert.match((await refusalOf(pkcs8(short))).message, /1024 bits/);
  });

  test('is refused: an RSA key with the public exponent 3', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey;
    assert.match((await refusalOf(pkcs8(weak))).message, /public exponent/);
  });

  test('is refused: an RSA key whose primes are next to each other (FIPS 186-5 section A.1.1)', async () => {
    const one = generatePrimeSync(1024, { bigint: true });
    let other = one + 2n;
    while (!checkPrimeSync(other)) other += 2n;
    const jwk = rsaJwkOf(one, other);
    assert.match((await refusalOf(json(jwk))).message, /close together/);
  });

  for (const { kind, key, other } of [
    { kind: 'P-256', key: p256, other: ec('P-256') },
    { kind: 'Ed25519', key: ed25519, other: generateKeyPairSync('ed25519').privateKey },
    { kind: 'RSA', key: rsa, other: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey },
  ]) {
    test(`is refused: a private part with the public part of another key, ${kind}`, async () => {
      const { x, y, n } = jwkOf(other);
      const mixed = json(Object.fromEntries(Object.entries({ ...jwkOf(key), x, y, n }).filter(([, v]) => v)));
      assert.match((await refusalOf(mixed)).code, /^key_un(suitable|readable)$/);
    });
  }

  test('is refused: a key that everybody has, such as the examples of the RFCs', async () => {
    const example = {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
      d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
    };
    const refusal = await refusalOf(json(example));
    assert.equal(refusal.code, 'well_known_key');
    assert.match(refusal.message, /RFC 7515/);
  });
});

/** The private JWK that two primes make: RFC 8017 section 3.2. */
function rsaJwkOf(p: bigint, q: bigint): JsonWebKey {
  const e = 65_537n;
  const d = inverse(e, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const written = Object.entries(numbers).map(([name, number]) => [name, base64url(number)]);
  return { kty: 'RSA', ...Object.fromEntries(written) };
}

/** The inverse of a number, by the extended Euclidean algorithm. */
function inverse(number: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [number % modulus, modulus, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return ((x % modulus) + modulus) % modulus;
}

function base64url(number: bigint): string {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}
