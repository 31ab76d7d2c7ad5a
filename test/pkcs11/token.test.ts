import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { compactVerify, importJWK } from 'jose';
import { systemClock } from '#src/clock.ts';
import { Refusal, SetupFault } from '#src/fault.ts';
import { attributes, CKA, CKO } from '#src/pkcs11/attributes.ts';
import { type Cryptoki, loadCryptoki } from '#src/pkcs11/cryptoki.ts';
import { CryptokiError } from '#src/pkcs11/cryptoki-error.ts';
import { brought, labelOf } from '#src/pkcs11/key-handle.ts';
import { type KeyToken, keyToken } from '#src/pkcs11/key-token.ts';
import { PinTrials } from '#src/pkcs11/pin-trials.ts';
import { Token } from '#src/pkcs11/token.ts';
import { systemRandom } from '#src/random.ts';
import {
  type GeneratedKey,
  importPublicKey,
  ownKeys,
  type SigningAlgorithm,
  verifyWith,
} from '#src/signing/algorithm.ts';
import { seconds } from '#src/units.ts';
import { makeSoftToken, type SoftToken } from '#test/support/soft-token.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '#test/support/temporary-directory.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

let soft: SoftToken;
let directory: TemporaryDirectory;
let token: KeyToken;

const open = (change: Partial<Parameters<typeof keyToken>[0]> = {}): KeyToken =>
  keyToken({
    module: soft.module,
    token: soft.label,
    pinFile: soft.pinFile,
    timeout: seconds(30),
    queueMax: 100,
    retryAfter: seconds(1),
    own: ownKeys(systemRandom),
    makesKeys: true,
    clock: systemClock,
    random: systemRandom,
    ...change,
  });

before(async () => {
  soft = await makeSoftToken();
  directory = await makeTemporaryDirectory();
  token = open();
});

after(async () => {
  await token.signer[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
  await soft[Symbol.asyncDispose]();
});

/** A JWS whose signature was made in the token. */
async function jwsOf({ kid, alg, outside }: GeneratedKey): Promise<string> {
  const header = Buffer.from(JSON.stringify({ alg, kid })).toString('base64url');
  const input = `${header}.${Buffer.from('{"hello":"world"}').toString('base64url')}`;
  const signature = await token.signer.sign(outside as string, alg as SigningAlgorithm, Buffer.from(input));
  return `${input}.${signature.toString('base64url')}`;
}

/** How OpenSSL is told about a signature that it is to verify. */
const OPENSSL: Partial<Record<SigningAlgorithm, readonly string[]>> = {
  RS256: ['-digest', 'sha256'],
  PS256: ['-digest', 'sha256', '-pkeyopt', 'rsa_padding_mode:pss', '-pkeyopt', 'rsa_pss_saltlen:digest'],
};

async function verifyByOpenssl(alg: SigningAlgorithm, jwk: JsonWebKey, jws: string): Promise<string> {
  const [header, payload, signature = ''] = jws.split('.');
  const file = (name: string) => join(directory.path, `${alg}-${name}`);
  await writeFile(file('data'), `${header}.${payload}`);
  await writeFile(file('signature'), Buffer.from(signature, 'base64url'));
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  await writeFile(file('key'), publicKey.export({ type: 'spki', format: 'pem' }));
  const { stdout } = await promisify(execFile)('openssl', [
    ...['pkeyutl', '-verify', '-pubin', '-inkey', file('key'), '-rawin', '-in', file('data')],
    ...['-sigfile', file('signature'), ...(OPENSSL[alg] ?? [])],
  ]);
  return stdout;
}

describe('a key that was made in a token', () => {
  for (const alg of ['ES256', 'ES384', 'RS256', 'PS256', 'Ed25519', 'EdDSA'] as const) {
    test(`signs by ${alg} what jose verifies with its public part (RFC 7518 section 3)`, async () => {
      const key = await token.source.generate(alg);
      assert.equal(key.alg, alg);
      assert.equal(labelOf(key.outside ?? ''), key.kid);
      const jws = await jwsOf(key);
      const { protectedHeader, payload } = await compactVerify(jws, await importJWK({ ...key.jwk, alg }));
      assert.deepEqual(protectedHeader, { alg, kid: key.kid });
      assert.equal(Buffer.from(payload).toString(), '{"hello":"world"}');
    });
  }

  for (const alg of ['RS256', 'PS256', 'Ed25519'] as const) {
    test(`signs by ${alg} what OpenSSL verifies, too`, async () => {
      const key = await token.source.generate(alg);
      assert.match(await verifyByOpenssl(alg, key.jwk, await jwsOf(key)), /Verified Successfully/);
    });
  }

  test('is for signing alone, and cannot be taken out of the token', async () => {
    const { jwk, kid } = await token.source.generate('ES256');
    assert.equal('d' in jwk, false);
    const cryptoki = loadCryptoki(soft.module);
    cryptoki.initialize();
    try {
      const [slot = 0] = cryptoki.slots().filter((each) => cryptoki.tokenInfo(each).label === soft.label);
      const session = cryptoki.openSession(slot);
      cryptoki.login(session, soft.pin);
      const [object = 0] = cryptoki.find(session, attributes({ class: CKO.privateKey, label: kid }));
      const flag = (name: keyof typeof CKA) => cryptoki.attribute(session, object, CKA[name])?.[0];
      assert.deepEqual(
        (['sensitive', 'extractable', 'sign', 'decrypt', 'unwrap'] as const).map((name) => [
          name,
          flag(name),
        ]),
        [
          ['sensitive', 1],
          ['extractable', 0],
          ['sign', 1],
          ['decrypt', 0],
          ['unwrap', 0],
        ],
      );
      const privateValue = 0x11;
      assert.equal(cryptoki.attribute(session, object, privateValue), null);
    } finally {
      cryptoki.finalize();
    }
  });

  test('is gone from the token when it is discarded, and only then', async () => {
    const kept = await token.source.generate('ES256');
    const discarded = await token.source.generate('ES256');
    await token.source.discard?.(discarded);
    await token.source.discard?.(discarded);
    const { labels } = await token.keys.look();
    assert.ok(labels.includes(kept.kid));
    assert.equal(labels.includes(discarded.kid), false);
  });

  test('signs for fifty at once', async () => {
    const key = await token.source.generate('ES256');
    const verifier = await importJWK({ ...key.jwk, alg: 'ES256' });
    const signed = await Promise.all(Array.from({ length: 50 }, () => jwsOf(key)));
    for (const jws of signed) await compactVerify(jws, verifier);
    assert.equal(new Set(signed).size, 50);
  });

  test('is none of those that sign refresh tokens: they are no key pairs, and stay in the store', async () => {
    const { jwk, outside } = await token.source.generate('HS256');
    assert.equal(outside, null);
    assert.equal(jwk.kty, 'oct');
  });
});

describe('a session that is lost', () => {
  const sessionHandleInvalid = 0xb3;
  /** The module, which forgets its sessions when it is asked for its `turn`-th signature. */
  const forgetful = (turns: readonly number[]): { cryptoki: Cryptoki; asked: () => number } => {
    const cryptoki = loadCryptoki(soft.module);
    let asked = 0;
    const sign: Cryptoki['sign'] = (...args) => {
      asked += 1;
      if (!turns.includes(asked)) return cryptoki.sign(...args);
      cryptoki.finalize();
      throw new CryptokiError('C_SignInit', sessionHandleInvalid);
    };
    return { cryptoki: { ...cryptoki, sign }, asked: () => asked };
  };

  test('is opened anew, logged in and found the key with, without anyone noticing', async () => {
    const { kid, jwk } = await token.source.generate('ES256');
    const { cryptoki, asked } = forgetful([2]);
    const lost = new Token({ cryptoki, label: soft.label, pin: soft.pin });
    const data = Buffer.from('data');
    for (const _ of [1, 2]) {
      assert.ok(verifyWith('ES256', importPublicKey(jwk), data, lost.sign(kid, 'ES256', data)));
    }
    assert.equal(asked(), 3);
    lost.close();
  });

  test('is opened anew once, and not for ever', async () => {
    const { kid } = await token.source.generate('ES256');
    const { cryptoki, asked } = forgetful([2, 3]);
    const lost = new Token({ cryptoki, label: soft.label, pin: soft.pin });
    lost.sign(kid, 'ES256', Buffer.from('data'));
    assert.throws(() => lost.sign(kid, 'ES256', Buffer.from('data')), /CKR_SESSION_HANDLE_INVALID/);
    assert.equal(asked(), 3);
    lost.close();
  });
});

describe('a token that another process is writing while it is opened', () => {
  /** The module, which sees no token the first `times` that it is asked. */
  function opening(times: number): { opened: () => void; pauses: readonly number[] } {
    const cryptoki = loadCryptoki(soft.module);
    let asked = 0;
    const slots = () => {
      asked += 1;
      return asked <= times ? [] : cryptoki.slots();
    };
    const pauses: number[] = [];
    const pause = (milliseconds: number) => void pauses.push(milliseconds);
    const written = new Token({ cryptoki: { ...cryptoki, slots }, label: soft.label, pin: soft.pin, pause });
    const opened = () => {
      written.open();
      written.close();
    };
    return { opened, pauses };
  }

  test('is looked for again, each time a little later', () => {
    const { opened, pauses } = opening(2);
    opened();
    assert.deepEqual(pauses, [20, 80]);
  });

  test('is away if it is not to be seen by then', () => {
    const { opened, pauses } = opening(Number.POSITIVE_INFINITY);
    assert.throws(opened, { name: 'TokenProblem', kind: 'away' });
    assert.deepEqual(pauses, [20, 80, 320]);
  });

  test('says that it has no PIN yet, which is no word about the PIN that was tried', () => {
    const userPinNotInitialized = 0x102;
    assert.equal(new CryptokiError('C_Login', userPinNotInitialized).isAboutPin, false);
  });
});

describe('a key pair that is in the token already', () => {
  test('is read with its public part, and left alone when nothing needs it any more', async () => {
    await token.keys.generate('somebody’s own', 'RS256');
    const { jwk, algorithms, extractable } = await token.keys.read('somebody’s own');
    assert.equal(jwk.kty, 'RSA');
    assert.deepEqual(algorithms, ['RS256', 'PS256']);
    assert.equal(extractable, false);
    await token.source.discard?.({ kid: 'any', outside: brought('somebody’s own') });
    assert.ok((await token.keys.look()).labels.includes('somebody’s own'));
  });

  test('is named by its label, which one pair alone has', async () => {
    await assert.rejects(token.keys.read('nothing'), { name: 'Refusal', code: 'unusable_key' });
    await token.keys.generate('one of a kind', 'ES256');
    await assert.rejects(token.keys.generate('one of a kind', 'ES256'), /holds something labelled/);
    assert.deepEqual((await token.keys.read('one of a kind')).algorithms, ['ES256']);
  });
});

describe('a token that cannot be had', () => {
  const refused = async (change: Parameters<typeof open>[0], pattern: RegExp) => {
    const { keys } = open(change);
    await assert.rejects(keys.look(), (error) => {
      assert.ok(error instanceof SetupFault, String(error));
      assert.match(`${error.message} (${error.hint})`, pattern);
      assert.equal(`${error.message} ${error.hint}`.includes(soft.pin), false);
      return true;
    });
  };

  test('is told with what to do about it', async () => {
    await refused({ module: '/nowhere/lib.so' }, /module .+ cannot be loaded: .+pkcs11\.module/s);
    await refused({ module: '/etc/hostname' }, /cannot be loaded/);
    await refused({ token: 'another' }, /no token is labelled "another" .+pkcs11\.token/);
    await refused({ pinFile: '/nowhere/pin' }, /PIN .+ cannot be read .+pkcs11\.pinFile/);
  });

  test('is not opened with a PIN that others may read', async () => {
    await chmod(soft.pinFile, 0o644);
    await refused({}, /others may read the PIN .+chmod 600/);
    await chmod(soft.pinFile, 0o640);
    await open().keys.look();
    await chmod(soft.pinFile, 0o600);
  });

  test('is not tried again with a PIN that it has refused, until that changes', async () => {
    const { keys } = open();
    await soft.writePin('0000-0000');
    await assert.rejects(keys.look(), /refuses the PIN: C_Login answered CKR_PIN_INCORRECT/);
    await assert.rejects(keys.look(), /is not tried again until it changes/);
    await soft.writePin(soft.pin);
    await keys.look();
  });

  test('is not tried again by others on the store with a PIN that it has refused, until that is written anew', async () => {
    await using store = await openTemporaryStore();
    const trials = () => new PinTrials({ records: store.records, key: Buffer.alloc(32) });
    const many = () => Array.from({ length: 4 }, () => open({ trials: trials() }).keys.look());
    await Promise.all(many());
    await soft.writePin('0000-0000');
    const refusals = (await Promise.allSettled(many())).map((each) =>
      String((each as PromiseRejectedResult).reason),
    );
    const tried = refusals.filter((reason) => reason.includes('CKR_PIN_INCORRECT'));
    const spared = refusals.filter((reason) => reason.includes('is not tried again until it changes'));
    assert.deepEqual([tried.length, spared.length], [1, 3], refusals.join('\n'));
    await soft.writePin(soft.pin);
    await Promise.all(many());
  });

  test('makes no key for an algorithm that it has no mechanism for', async () => {
    await assert.rejects(token.source.generate('ML-DSA-44'), (error) => {
      assert.ok(error instanceof SetupFault);
      assert.match(`${error.message} ${error.hint}`, /no mechanism for ML-DSA-44.+keys\.source/);
      return true;
    });
    await assert.rejects(token.keys.generate('x', 'ML-DSA-44'), Refusal);
  });
});
