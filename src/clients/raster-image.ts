/** What browsers show as pictures without running anything, and this server passes on. */
export type RasterType = 'image/png' | 'image/jpeg' | 'image/webp';

interface Raster {
  readonly type: RasterType;
  readonly width: number;
  readonly height: number;
  readonly moves: boolean;
}

/**
 * The type of an image by its own first bytes, whatever its server says of it; `null` for what is no PNG, JPEG or WebP,
 * is larger than so many pixels on a side, which would cost the browser far more than its bytes tell, or moves, which
 * would draw a person's eye away from what they are asked.
 */
export function rasterTypeOf(bytes: Buffer, pixelsMax: number): RasterType | null {
  const raster = readPng(bytes) ?? readJpeg(bytes) ?? readWebp(bytes);
  if (raster === null || raster.moves) return null;
  const { type, width, height } = raster;
  return Math.min(width, height) >= 1 && Math.max(width, height) <= pixelsMax ? type : null;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG (Third Edition) section 5: chunks of a length, a name, so many bytes and a checksum; the first is the header. */
function readPng(bytes: Buffer): Raster | null {
  if (bytes.length < 33 || !bytes.subarray(0, 8).equals(PNG_SIGNATURE)) return null;
  if (nameAt(bytes, 12) !== 'IHDR') return null;
  const size = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  // What controls an animation stands before the first image.
  for (let at = 8; at + 8 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const name = nameAt(bytes, at + 4);
    if (name === 'IDAT') return { type: 'image/png', ...size, moves: false };
    if (name === 'acTL') return { type: 'image/png', ...size, moves: true };
  }
  return null;
}

/** ITU-T T.81 annex B.1.1.3: the markers that begin a frame, which says its size. */
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** ITU-T T.81 annex B: segments of a marker, a length and so many bytes. */
function readJpeg(bytes: Buffer): Raster | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return null;
  let at = 2;
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number;
    if (isFrame(marker)) {
      const [height, width] = [bytes.readUInt16BE(at + 5), bytes.readUInt16BE(at + 7)];
      return { type: 'image/jpeg', width, height, moves: false };
    }
    // Any number of fill bytes may stand before a marker.
    at += marker === 0xff ? 1 : 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}

const WEBP_ANIMATION = 0x02;

/** RFC 9649 section 2: a simple lossy, a simple lossless, or an extended file, by its first chunk. */
function readWebp(bytes: Buffer): Raster | null {
  if (bytes.length < 30 || nameAt(bytes, 0) !== 'RIFF' || nameAt(bytes, 8) !== 'WEBP') return null;
  const webp = { type: 'image/webp', moves: false } as const;
  switch (nameAt(bytes, 12)) {
    case 'VP8 ':
      return {
        ...webp,
        width: bytes.readUInt16LE(26) & 0x3fff,
        height: bytes.readUInt16LE(28) & 0x3fff,
      };
    case 'VP8L': {
      const size = bytes.readUInt32LE(21);
      return { ...webp, width: (size & 0x3fff) + 1, height: ((size >> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return {
        ...webp,
        width: bytes.readUIntLE(24, 3) + 1,
        height: bytes.readUIntLE(27, 3) + 1,
        moves: ((bytes[20] as number) & WEBP_ANIMATION) !== 0,
      };
    default:
      return null;
  }
}

const nameAt = (bytes: Buffer, at: number) => bytes.toString('latin1', at, at + 4);
