import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type Commands, type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';
import { makeSoftToken, type SoftToken } from '#test/support/soft-token.ts';

let soft: SoftToken;
let keyturn: Commands;

before(async () => {
  soft = await makeSoftToken();
  keyturn = await makeCommands({ ...soft.settings, KEYTURN_KEYS_SOURCE: 'store' });
});

after(async () => {
  await keyturn[Symbol.asyncDispose]();
  await soft[Symbol.asyncDispose]();
});

interface Examined {
  sound: boolean;
  findings: { subject: string; state: string; says: string; remedy?: string }[];
}

async function tokenFindings(env: Record<string, string> = {}) {
  const { stdout } = await keyturn.runWithEnv(['doctor', '--json'], env);
  const { findings, sound } = JSON.parse(stdout) as Examined;
  const about = findings.filter(({ subject }) => subject.startsWith('token'));
  return { sound, about: about.map(({ subject, state, says }) => `${subject} ${state}: ${says}`) };
}

/** Puts a key pair into the token that it did not make, as an administrator would by the tools of a token. */
async function putIntoToken(label: string, namedCurve: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  const file = join(keyturn.path, `${label}.pem`);
  await writeFile(file, privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const id = Buffer.from(label).toString('hex');
  await promisify(execFile)('softhsm2-util', [
    ...['--import', file, '--token', soft.label, '--label', label, '--id', id, '--pin', soft.pin],
  ]);
}

const listed = async () => (await keyturn.runJson('keys list')).json<Document[]>();

describe('keyturn keys import --pkcs11', () => {
  test('lets a key pair sign next that is in the token already', async () => {
    await putIntoToken('our-own', 'P-256');
    const imported = (await keyturn.runJson('keys import --pkcs11 our-own --kid hsm-1')).json();
    assert.deepEqual([imported.alg, imported.kid, imported.outside], ['ES256', 'hsm-1', true]);
    const key = (await listed()).find(({ kid }) => kid === 'hsm-1');
    assert.deepEqual([key?.state, key?.outside], ['next', true]);
    assert.deepEqual((await tokenFindings()).about, [
      'token well: keyturn test can be opened (SoftHSM project, SoftHSM v2)',
      'token ES256 well: hsm-1 signs',
    ]);
  });

  test('leaves the pair in the token when the key is revoked', async () => {
    await putIntoToken('to-be-revoked', 'P-256');
    const told = await keyturn.run(['keys', 'import', '--pkcs11', 'to-be-revoked', '--kid', 'hsm-2']);
    assert.match(told.stdout, /stays in the token keyturn test, also when it is revoked/);
    assert.equal((await keyturn.runJson('keys revoke hsm-2 --reason test')).code, 0);
    const { about } = await tokenFindings();
    assert.ok(
      about.some((line) => line.endsWith('private keys that this server does not use: to-be-revoked')),
    );
  });

  test('refuses what is not there, of no use, or named in two ways', async () => {
    const importing = (rest: string) => keyturn.runJson(`keys import ${rest}`);
    assert.equal(errorOf(await importing('--pkcs11 nothing')).error, 'unusable_key');
    await putIntoToken('wrong-curve', 'P-521');
    assert.equal(errorOf(await importing('--pkcs11 wrong-curve')).error, 'unusable_key');
    await putIntoToken('not-served', 'P-384');
    assert.equal(errorOf(await importing('--pkcs11 not-served')).error, 'key_unsuitable');
    assert.equal(errorOf(await importing('--pkcs11 our-own --kid again')).error, 'key_exists');
    assert.equal(errorOf(await importing('key.pem --pkcs11 our-own'), 2).error, 'usage');
    assert.equal(errorOf(await importing('--alg ES256'), 2).error, 'usage');
    await using without = await makeCommands();
    assert.equal(errorOf(await without.runJson('keys import --pkcs11 our-own'), 2).error, 'usage');
  });
});

describe('keyturn doctor', () => {
  test('says that the token is away, and what to do', async () => {
    await soft.takeAway();
    const { sound, about } = await tokenFindings();
    assert.equal(sound, false);
    assert.match(about.join(), /^token ill: the PKCS#11 token "keyturn test" cannot be opened/);
    await soft.bringBack();
    assert.equal((await tokenFindings()).sound, true);
  });

  test('says that the PIN is wrong, without repeating it', async () => {
    await soft.writePin('9999-9999');
    const { about } = await tokenFindings();
    assert.match(about.join(), /^token ill: .+ cannot be logged into: the token refuses the PIN/);
    assert.equal(about.join().includes('9999'), false);
    await soft.writePin(soft.pin);
  });

  test('says that a key is gone from the token', async () => {
    await putIntoToken('vanishing', 'P-256');
    assert.equal((await keyturn.runJson('keys import --pkcs11 vanishing --kid hsm-3')).code, 0);
    const tool = ['--delete-token', '--token', soft.label];
    await promisify(execFile)('softhsm2-util', tool);
    const fresh = [
      '--init-token',
      '--free',
      '--label',
      soft.label,
      '--pin',
      soft.pin,
      '--so-pin',
      '12345678',
    ];
    await promisify(execFile)('softhsm2-util', fresh);
    const { sound, about } = await tokenFindings();
    assert.equal(sound, false);
    assert.ok(about.some((line) => line.startsWith('token ES256 ill: the token holds no private key')));
  });

  test('says that keys are in a token which the settings do not name', async () => {
    const { KEYTURN_PKCS11_MODULE: module, KEYTURN_PKCS11_TOKEN: label, ...rest } = soft.settings;
    assert.ok(module && label);
    const none = Object.fromEntries(Object.keys(soft.settings).map((name) => [name, '']));
    const { about } = await tokenFindings({ ...rest, ...none });
    assert.match(about.join(), /ill: 2 signing keys are in a PKCS#11 token, and the settings name none/);
  });
});

describe('keyturn tokens inspect', () => {
  test('needs no token of keys to look at a token', async () => {
    const rotated = await keyturn.runJson('keys rotate --alg ES256 --break-glass --reason test');
    const [{ kid } = {}] = rotated.json<Document[]>();
    const key = (await listed()).find((each) => each.kid === kid);
    assert.deepEqual([key?.state, key?.outside], ['active', true]);
    const none = Object.fromEntries(Object.keys(soft.settings).map((name) => [name, '']));
    const { stderr } = await keyturn.runWithEnv(['tokens', 'inspect', 'eyJh.eyJh.eyJh', '--json'], none);
    assert.doesNotMatch(stderr, /setup_fault/);
  });
});

describe('settings that a token cannot keep', () => {
  test('are told at once', async () => {
    for (const [env, rule] of [
      [{ KEYTURN_PKCS11_PIN_FILE: '' }, /are set together/],
      [{ KEYTURN_KEYS_SOURCE: 'pkcs11', KEYTURN_KEYS_ALGORITHMS: 'ES256,ML-DSA-44' }, /names no ML-DSA/],
    ] as const) {
      const { code, stderr } = await keyturn.runWithEnv(['config', 'check'], env);
      assert.equal(code, 2);
      assert.match(stderr, rule);
    }
    await using without = await makeCommands({ KEYTURN_KEYS_SOURCE: 'pkcs11' });
    const { code, stderr } = await without.run(['config', 'check']);
    assert.equal(code, 2);
    assert.match(stderr, /keys\.source is pkcs11 only where pkcs11\.module is set/);
  });
});
