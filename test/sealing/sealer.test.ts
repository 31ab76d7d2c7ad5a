import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import {
  KeyEncryptionKeys,
  newKeyEncryptionKey,
  parseKeyEncryptionKeys,
} from '#src/sealing/key-encryption-keys.ts';
import { keyEncryptionKeyIdOf, Sealer } from '#src/sealing/sealer.ts';
import { days } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

const clock = new MovingClock();
const random = systemRandom;

function newKey() {
  clock.move(days(1));
  const [kek = assert.fail()] = parseKeyEncryptionKeys(newKeyEncryptionKey({ clock, random }), 'the test');
  return kek;
}

const sealerWith = (...keys: ReturnType<typeof newKey>[]) =>
  new Sealer(new KeyEncryptionKeys(keys, 'the test'), random);

describe('a sealer', () => {
  test('opens what it sealed, whatever the bytes, in the same context', () => {
    const sealer = sealerWith(newKey());
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 3000 }), (context, bytes) => {
        assert.deepEqual(sealer.open(context, sealer.seal(context, bytes)), Buffer.from(bytes));
        assert.deepEqual(sealer.open(Buffer.from(context), sealer.seal(context, bytes)), Buffer.from(bytes));
      }),
    );
  });

  test('opens nothing that was sealed in another context', () => {
    const sealer = sealerWith(newKey());
    const sealed = sealer.seal('client one', Buffer.from('its value'));
    for (const context of ['client two', 'client on', '', 'client one ']) {
      assert.throws(() => sealer.open(context, sealed), StorageFault);
    }
  });

  test('opens nothing of which one bit was changed, or a byte cut off or added', () => {
    const kek = newKey();
    const sealer = sealerWith(kek);
    const sealed = sealer.seal('c', Buffer.from('plaintext'));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.throws(() => sealer.open('c', changed), StorageFault, `bit ${bit}`);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      assert.throws(() => sealer.open('c', sealed.subarray(0, length)), StorageFault, `${length} bytes`);
    }
    assert.throws(() => sealer.open('c', Buffer.concat([sealed, Buffer.of(0)])), StorageFault);
  });

  test('says under which key a body was sealed, and nothing of what it says', () => {
    const [kek, other] = [newKey(), newKey()];
    const sealed = sealerWith(kek).seal('c', Buffer.from('the plaintext'));
    assert.equal(keyEncryptionKeyIdOf(sealed), kek.id);
    assert.equal(sealed.includes('the plaintext'), false);
    assert.throws(
      () => sealerWith(other).open('c', sealed),
      (error) => error instanceof StorageFault && error.message.includes(kek.id),
    );
  });

  test('faults when a key has the id but not the bytes of the one that sealed', () => {
    const [kek, other] = [newKey(), newKey()];
    const sealed = sealerWith(kek).seal('c', Buffer.from('x'));
    const impostor = sealerWith({ id: kek.id, key: other.key });
    assert.throws(() => impostor.open('c', sealed), StorageFault);
  });

  test('seals under the newest key and opens what any of its keys sealed', () => {
    const [oldest, older, newest] = [newKey(), newKey(), newKey()];
    const sealer = sealerWith(older, newest, oldest);
    assert.equal(keyEncryptionKeyIdOf(sealer.seal('c', Buffer.from('x'))), newest.id);
    for (const kek of [oldest, older, newest]) {
      assert.equal(sealer.open('c', sealerWith(kek).seal('c', Buffer.from('x'))).toString(), 'x');
    }
  });

  test('never seals twice alike, and takes a new data key when an epoch is full', () => {
    const keys = new KeyEncryptionKeys([newKey()], 'the test');
    const sealer = new Sealer(keys, random, { sealsPerEpochMax: 2 });
    const sealed = Array.from({ length: 6 }, () => sealer.seal('c', Buffer.from('x')));
    const hex = sealed.map((body) => body.toString('hex'));
    assert.equal(new Set(hex).size, 6);
    const saltOf = (text: string) => text.slice(2 * 23, 2 * 39);
    assert.equal(new Set(hex.map(saltOf)).size, 3);
    assert.equal(saltOf(hex[0] ?? ''), saltOf(hex[1] ?? ''));
    for (const body of sealed) {
      assert.equal(sealer.open('c', body).toString(), 'x');
    }
  });

  test('opens bodies of more epochs than it keeps data keys for', () => {
    const kek = newKey();
    const sealer = sealerWith(kek);
    const bodies = Array.from({ length: 600 }, (_, i) => sealerWith(kek).seal('c', Buffer.from(`${i}`)));
    for (const again of [1, 2]) {
      const opened = bodies.map((body) => sealer.open('c', body).toString());
      assert.deepEqual(opened, Object.keys(bodies), `the ${again}. time`);
    }
  });
});
