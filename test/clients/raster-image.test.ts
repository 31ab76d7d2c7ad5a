import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rasterTypeOf } from '#src/clients/raster-image.ts';
import { pngChunk, pngOf } from '#test/support/png.ts';
import { fc } from '#test/support/properties.ts';

const SIZE = { width: 40, height: 24 };

/** Of that size, as Chromium writes them. */
const JPEG = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqm' +
    'x5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAYACgD' +
    'ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFgEBAQEAAAAAAAAAAAAAAAAAAAQF/8QAFBEB' +
    'AAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AjAaSUAAAAAAAAAB//9k=',
  'base64',
);
const LOSSY = Buffer.from(
  'UklGRkYAAABXRUJQVlA4IDoAAAAwAwCdASooABgAPxGGu1csKSYjpWgBgCIJZwDO7A8KmggAAP7i4L+23vw81lEfVVPX4o/VJVUQAAAA',
  'base64',
);
const LOSSLESS = Buffer.from('UklGRh4AAABXRUJQVlA4TBEAAAAvJ8AFAAfQrJoUuf+BiOh/AAA=', 'base64');

/** An extended WebP file: RFC 9649 section 2.7. */
function extendedWebp({ width, height }: typeof SIZE, flags: number): Buffer {
  const header = Buffer.alloc(18);
  header.write('VP8X', 'latin1');
  header.writeUInt32LE(10, 4);
  header.writeUInt8(flags, 8);
  header.writeUIntLE(width - 1, 12, 3);
  header.writeUIntLE(height - 1, 15, 3);
  const chunks = Buffer.concat([Buffer.from('WEBP'), header, LOSSY.subarray(12)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(chunks.length);
  return Buffer.concat([Buffer.from('RIFF'), length, chunks]);
}

const IMAGES = [
  ['image/png', pngOf(SIZE)],
  ['image/jpeg', JPEG],
  ['image/webp', LOSSY],
  ['image/webp', LOSSLESS],
  ['image/webp', extendedWebp(SIZE, 0x10)],
] as const;

describe('the type of an image', () => {
  test('is read from its own bytes: PNG, JPEG and each kind of WebP', () => {
    for (const [type, bytes] of IMAGES) assert.equal(rasterTypeOf(bytes, SIZE.width), type);
  });

  test('is none where it has more pixels on a side than may be, however few its bytes', () => {
    for (const [type, bytes] of IMAGES) assert.equal(rasterTypeOf(bytes, SIZE.width - 1), null, type);
    assert.equal(rasterTypeOf(pngOf({ width: 1, height: 100 }), 99), null);
    assert.equal(rasterTypeOf(extendedWebp({ width: 16_000_000, height: 1 }, 0), 4096), null);
  });

  test('is none where it has none', () => {
    assert.equal(rasterTypeOf(pngOf({ width: 0, height: 5 }), 100), null);
  });

  test('is none where it moves', () => {
    const moving = pngOf(SIZE, { before: [pngChunk('acTL', Buffer.alloc(8))] });
    assert.equal(rasterTypeOf(moving, 100), null);
    assert.equal(rasterTypeOf(extendedWebp(SIZE, 0x02), 100), null);
  });

  test('is none for what browsers run or what is not looked into: SVG, HTML, GIF, BMP, ICO, PDF', () => {
    for (const text of [
      '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>',
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
      '<!doctype html><title>Sign in</title><script>alert(1)</script>',
      'GIF89a\x0a\0\x0a\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,',
      'BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x0a\0\0\0\x0a\0\0\0\x01\0\x18\0',
      '%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n',
      '',
    ])
      assert.equal(rasterTypeOf(Buffer.from(text.padEnd(64), 'latin1'), 100), null, text.slice(0, 20));
  });

  test('is none for the beginning of an image that says too little', () => {
    for (const [type, bytes] of IMAGES)
      for (let length = 0; length < 24; length += 1)
        assert.equal(rasterTypeOf(bytes.subarray(0, length), 100), null, type);
  });

  test('is one or none, whatever the bytes', () => {
    const image = fc.constantFrom(...IMAGES.map(([, bytes]) => bytes));
    const change = fc.tuple(fc.nat(63), fc.nat(255));
    const bent = fc
      .tuple(image, fc.array(change, { maxLength: 8 }), fc.nat(200))
      .map(([bytes, changes, cut]) => {
        const copy = Buffer.from(bytes.subarray(0, bytes.length - Math.min(cut, bytes.length)));
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return copy;
      });
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(bent, random), (bytes) => {
        assert.ok([null, 'image/png', 'image/jpeg', 'image/webp'].includes(rasterTypeOf(bytes, 4096)));
      }),
      { numRuns: 5_000 },
    );
  });
});
