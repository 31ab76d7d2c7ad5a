import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { SigningFault } from '#src/fault.ts';
import { readPin } from '#src/pkcs11/pin-file.ts';
import { TokenAccess } from '#src/pkcs11/token-access.ts';
import { TokenKeys } from '#src/pkcs11/token-keys.ts';
import { TokenSigner, type TokenSignerPorts } from '#src/pkcs11/token-signer.ts';
import { importPublicKey, verifyWith } from '#src/signing/algorithm.ts';
import { seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeSoftToken, type SoftToken } from '#test/support/soft-token.ts';
import { tokenProcesses } from '#test/support/token-processes.ts';

const KEY = 'made:the key';
const DATA = Buffer.from('data');

let soft: SoftToken;
let access: TokenAccess;
let verifies: (signature: Buffer) => boolean;

before(async () => {
  soft = await makeSoftToken();
  access = new TokenAccess({ module: soft.module, token: soft.label }, () => readPin(soft.pinFile));
  const publicKey = importPublicKey(await new TokenKeys(access).generate('the key', 'ES256'));
  verifies = (signature) => verifyWith('ES256', publicKey, DATA, signature);
});

after(() => soft[Symbol.asyncDispose]());

interface ListenedSigner extends AsyncDisposable {
  readonly signer: TokenSigner;
  readonly heard: string[];
  sign(): Promise<Buffer>;
  /** Waits until the token is back. */
  readonly back: Promise<void>;
}

/** A signer that gives up within seconds, and what it told. */
function listened(ports: Partial<TokenSignerPorts> = {}): ListenedSigner {
  const signer = new TokenSigner({
    access,
    clock: systemClock,
    timeout: seconds(20),
    queueMax: 100,
    retryAfter: seconds(1),
    ...ports,
  });
  const heard: string[] = [];
  const { promise: back, resolve } = Promise.withResolvers<void>();
  signer.listen({
    onAway: ({ message }) => heard.push(message),
    onBack: () => {
      heard.push('back');
      resolve();
    },
  });
  const sign = () => signer.sign(KEY, 'ES256', DATA);
  return { signer, heard, back, sign, [Symbol.asyncDispose]: () => signer[Symbol.asyncDispose]() };
}

const isFault = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SigningFault, String(error));
  assert.match(error.message, pattern);
  return true;
};

describe('a token that goes away', () => {
  test('is told at once to everyone who waits, and its coming back by itself', async () => {
    await using own = listened();
    assert.ok(verifies(await own.sign()));
    await soft.takeAway();
    const refused = await Promise.allSettled(Array.from({ length: 40 }, own.sign));
    for (const outcome of refused) assert.equal(outcome.status, 'rejected');
    await assert.rejects(own.sign(), isFault(/the PKCS#11 token "keyturn test" does not sign/));
    await assert.rejects(own.signer.ready(KEY, 'ES256'), SigningFault);
    await soft.bringBack();
    await own.back;
    assert.ok(verifies(await own.sign()));
    assert.equal(own.heard.length, 2);
    assert.equal(own.heard[1], 'back');
  });

  test('is looked for by nobody who wants something signed', async () => {
    await using own = listened({ retryAfter: seconds(600) });
    await soft.takeAway();
    await assert.rejects(own.sign(), SigningFault);
    await soft.bringBack();
    // It is there again, and until somebody has looked for it, nobody waits for it.
    for (const _ of Array.from({ length: 50 })) await assert.rejects(own.sign(), SigningFault);
    assert.deepEqual(await tokenProcesses(), []);
  });
});

describe('a module that is stuck', () => {
  test('is ended after the time limit, and another process takes its place', async () => {
    await using own = listened({ timeout: seconds(5) });
    await own.sign();
    const [stuck = 0, ...others] = await tokenProcesses();
    assert.deepEqual(others, []);
    process.kill(stuck, 'SIGSTOP');
    const waiting = [own.sign(), own.sign()];
    for (const each of waiting)
      await assert.rejects(each, isFault(/waited for longer than 5 s|not answered/));
    await own.back;
    assert.ok(verifies(await own.sign()));
    const [successor = 0] = await tokenProcesses();
    assert.notEqual(successor, stuck);
  });

  test('holds up as many as the settings say, and turns the rest away at once', async () => {
    await using own = listened({ queueMax: 10 });
    await own.sign();
    const [stuck = 0] = await tokenProcesses();
    process.kill(stuck, 'SIGSTOP');
    const settled: string[] = [];
    const ask = (name: string) =>
      own.sign().catch((error: Error) => settled.push(`${name}: ${error.message}`));
    // The first goes to the token, ten wait, and the eleventh does not.
    const first = ask('first');
    await new Promise(setImmediate);
    const waiting = Array.from({ length: 10 }, () => ask('waiting'));
    await ask('eleventh');
    assert.deepEqual(settled, ['eleventh: 10 signatures are waited for already']);
    process.kill(stuck, 'SIGCONT');
    await Promise.all([first, ...waiting]);
    assert.deepEqual(settled.length, 1);
  });
});

describe('a module that crashes', () => {
  test('takes nobody along, and is started anew', async () => {
    await using own = listened();
    await own.sign();
    const [crashing = 0] = await tokenProcesses();
    process.kill(crashing, 'SIGSEGV');
    const outcome = await own.sign().catch((error: unknown) => error);
    if (outcome instanceof SigningFault) await own.back;
    assert.ok(verifies(await own.sign()));
  });
});

describe('a signer', () => {
  let own: ListenedSigner;
  beforeEach(() => {
    own = listened();
  });

  test('starts no process before it is asked to sign, and leaves none behind', async () => {
    assert.deepEqual(await tokenProcesses(), []);
    await own.sign();
    assert.equal((await tokenProcesses()).length, 1);
    await own[Symbol.asyncDispose]();
    assert.deepEqual(await tokenProcesses(), []);
    await assert.rejects(own.sign(), isFault(/stopping/));
  });

  test('asks the token once in a second whether it signs, however many want to know', async () => {
    const clock = new MovingClock();
    await using other = listened({ clock });
    await Promise.all(Array.from({ length: 20 }, () => other.signer.ready(KEY, 'ES256')));
    await soft.takeAway();
    // It has just signed, and is taken to sign still.
    await other.signer.ready(KEY, 'ES256');
    clock.move(seconds(1));
    await assert.rejects(other.signer.ready(KEY, 'ES256'), SigningFault);
    await soft.bringBack();
    await own[Symbol.asyncDispose]();
  });

  test('does without a key that is not in the token, and goes on with the others', async () => {
    await assert.rejects(own.signer.sign('made:no such key', 'ES256', DATA), isFault(/holds no private key/));
    assert.ok(verifies(await own.sign()));
    assert.deepEqual(own.heard, []);
    await own[Symbol.asyncDispose]();
  });
});
