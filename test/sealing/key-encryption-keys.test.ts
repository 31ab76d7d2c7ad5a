import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { SetupFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import { makeFirstKey, readKeyDirectory } from '#src/sealing/key-directory.ts';
import {
  KeyEncryptionKeys,
  newKeyEncryptionKey,
  parseKeyEncryptionKeys,
} from '#src/sealing/key-encryption-keys.ts';
import { Secret } from '#src/secret.ts';
import { seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const random = systemRandom;

describe('the text of a key-encryption key', () => {
  test('is one line with a prefix for secret scanners, the time it was made, and 32 bytes', () => {
    const clock = new MovingClock();
    const text = newKeyEncryptionKey({ clock, random }).reveal();
    assert.match(text, /^keyturn_kek_20260714-101530-[0-9a-f]{6}_[A-Za-z0-9_-]{43}$/);
    const [kek] = parseKeyEncryptionKeys(new Secret(`${text}\n`), 'the test');
    assert.equal(kek?.key.symmetricKeySize, 32);
    assert.equal(inspect(kek, { depth: 9 }).includes(text.slice(-43)), false);
  });

  test('may hold several keys, a line each, of which the newest is current', () => {
    const clock = new MovingClock();
    const texts = [3, 1, 2].map((age) => {
      clock.move(seconds(age));
      return newKeyEncryptionKey({ clock, random }).reveal();
    });
    const keys = parseKeyEncryptionKeys(new Secret(texts.toReversed().join('\n')), 'the test');
    assert.equal(keys.length, 3);
    const current = new KeyEncryptionKeys(keys, 'the test').current;
    assert.equal(current?.id, texts.at(-1)?.split('_')[2]);
  });

  test('that is anything else is refused and not repeated', () => {
    const text = newKeyEncryptionKey({ clock: new MovingClock(), random }).reveal();
    for (const wrong of [
      '',
      'hunter2',
      text.slice(0, -1),
      `${text}x`,
      text.replace('kek_2', 'kek_x'),
      `${text},`,
    ]) {
      assert.throws(
        () => parseKeyEncryptionKeys(new Secret(wrong), 'the setting'),
        (error) =>
          error instanceof SetupFault &&
          error.message.includes('the setting') &&
          (wrong === '' || !inspect(error).includes(wrong)),
      );
    }
  });

  test('that gives the id of another key is refused', () => {
    const clock = new MovingClock();
    const [kek = assert.fail()] = parseKeyEncryptionKeys(newKeyEncryptionKey({ clock, random }), 'a');
    const [other = assert.fail()] = parseKeyEncryptionKeys(newKeyEncryptionKey({ clock, random }), 'b');
    assert.doesNotThrow(() => new KeyEncryptionKeys([kek, kek], 'a copy is no conflict'));
    assert.throws(() => new KeyEncryptionKeys([kek, { ...other, id: kek.id }], 'the test'), SetupFault);
  });
});

describe('the key directory', () => {
  const clock = new MovingClock();

  test('gets its first key in a file for its owner alone, and no second first key', async () => {
    await using directory = await makeTemporaryDirectory();
    const keys = join(directory.path, 'deep', 'keys');
    assert.deepEqual(await readKeyDirectory(keys), []);
    await Promise.all(Array.from({ length: 10 }, () => makeFirstKey(keys, { clock, random })));
    assert.deepEqual(await readdir(keys), ['first.kek'], 'no draft is left behind');
    assert.equal((await stat(join(keys, 'first.kek'))).mode & 0o777, 0o600);
    assert.equal((await stat(keys)).mode & 0o777, 0o700);
    const text = await readFile(join(keys, 'first.kek'), 'utf8');
    await makeFirstKey(keys, { clock, random });
    assert.equal(await readFile(join(keys, 'first.kek'), 'utf8'), text);
    assert.equal((await readKeyDirectory(keys)).length, 1);
  });

  test('is closed to others when the first key is made in it', async () => {
    await using directory = await makeTemporaryDirectory();
    const keys = join(directory.path, 'keys');
    await mkdir(keys);
    await chmod(keys, 0o775);
    await makeFirstKey(keys, { clock, random });
    assert.equal((await stat(keys)).mode & 0o777, 0o700);
  });

  test('may hold a README and other files, and several keys', async () => {
    await using directory = await makeTemporaryDirectory();
    await makeFirstKey(directory.path, { clock, random });
    await writeFile(join(directory.path, 'README.md'), 'keys');
    const other = newKeyEncryptionKey({ clock, random }).reveal();
    await writeFile(join(directory.path, 'other.kek'), `${other}\n`, { mode: 0o600 });
    const ids = (await readKeyDirectory(directory.path)).flatMap(({ keys }) => keys.map(({ id }) => id));
    assert.equal(ids.length, 2);
    assert.ok(ids.includes(other.split('_')[2] ?? ''));
  });

  test('with a key file that others may read is refused, with the command that helps', async () => {
    await using directory = await makeTemporaryDirectory();
    await makeFirstKey(directory.path, { clock, random });
    const file = join(directory.path, 'first.kek');
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(file, mode);
      await assert.rejects(
        readKeyDirectory(directory.path),
        (error) => error instanceof SetupFault && error.hint === `chmod 600 ${file}`,
      );
    }
    await chmod(file, 0o400);
    assert.equal((await readKeyDirectory(directory.path)).length, 1);
  });

  test('with a key file that holds no key is refused by its name', async () => {
    await using directory = await makeTemporaryDirectory();
    await writeFile(join(directory.path, 'broken.kek'), 'half a ke', { mode: 0o600 });
    await assert.rejects(
      readKeyDirectory(directory.path),
      (error) => error instanceof SetupFault && error.message.includes('broken.kek'),
    );
  });

  test('that cannot be made is a fault of the setup with a hint', async () => {
    await using directory = await makeTemporaryDirectory();
    await writeFile(join(directory.path, 'file'), '');
    const keys = join(directory.path, 'file', 'keys');
    await assert.rejects(makeFirstKey(keys, { clock, random }), SetupFault);
    await assert.rejects(readKeyDirectory(keys), SetupFault);
  });
});
