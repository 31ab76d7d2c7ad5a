import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, formatSize, parseSize } from '#src/config/size.ts';
import { fc } from '#test/support/properties.ts';

test('a size is a whole number with KiB, MiB or GiB, or a bare number of bytes', () => {
  assert.equal(parseSize('56KiB'), 57_344);
  assert.equal(parseSize('1MiB'), 1_048_576);
  assert.equal(parseSize('2GiB'), 2_147_483_648);
  assert.equal(parseSize('100'), 100);
});

test('sizes in units that mean two things are refused', () => {
  const strange = [
    '',
    '56k',
    '56K',
    '56KB',
    '56kb',
    '56 KiB',
    '1.5MiB',
    '-1',
    '9007199254740992',
    '8388608GiB',
  ];
  assert.deepEqual(
    strange.filter((text) => parseSize(text) !== null),
    [],
  );
});

test('every size that is written is read back as the same number of bytes', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.constantFrom(1, 1024, 1024 ** 2, 1024 ** 3), (count, unit) => {
      const size = bytes((count % 1_000_000) * unit);
      assert.equal(parseSize(formatSize(size)), size);
    }),
  );
});

test('no text makes the reading of sizes throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{0,20}[KMG]?i?B?$/)), (text) => {
      const size = parseSize(text);
      assert.ok(size === null || (Number.isSafeInteger(size) && size >= 0));
    }),
  );
});
