import { crc32, deflateSync } from 'node:zlib';

/** A picture in which every pixel has a colour of its own making: PNG (Third Edition) section 5. */
export function pngOf(
  { width, height }: { readonly width: number; readonly height: number },
  options: {
    /** Chunks that stand before the image. */
    readonly before?: readonly Buffer[];
    /** Red, green, blue and opacity, each 0 to 255. */
    readonly colourAt?: (x: number, y: number) => readonly [number, number, number, number];
  } = {},
): Buffer {
  const { before = [], colourAt = (x, y) => [x % 256, y % 256, 128, 255] } = options;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits each of red, green, blue and opacity.
  header.set([8, 6, 0, 0, 0], 8);
  const lines = Array.from({ length: height }, (_, y) => [
    0,
    ...Array.from({ length: width }, (__, x) => colourAt(x, y)).flat(),
  ]);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    ...before,
    pngChunk('IDAT', deflateSync(Buffer.from(lines.flat()))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A length, a name, so many bytes and a checksum. */
export function pngChunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, checksum]);
}
