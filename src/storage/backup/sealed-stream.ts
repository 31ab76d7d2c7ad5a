import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * A stream of bytes, sealed so that only a holder of the key can read it, and so that it cannot be changed, reordered or
 * cut short unnoticed: chunks of `CHUNK_BYTES` under AES-256-GCM, with a key of their own by HKDF-SHA256 (RFC 5869) from a
 * random salt, the number of the chunk as its nonce, and in the last byte of that whether it is the last one.
 */
export interface StreamKey {
  readonly key: KeyObject;
  /** Bound to every chunk: what stands before them in clear. */
  readonly header: Buffer;
}

/** Of what is sealed; the sealed chunk is longer by the tag. */
const CHUNK_BYTES = 64 * 1024;
export const STREAM_SALT_BYTES = 32;

export function streamKey(kek: KeyObject, salt: Uint8Array, header: Buffer): StreamKey {
  const bytes = hkdfSync('sha256', kek, salt, 'keyturn backup', KEY_BYTES);
  return { key: createSecretKey(new Uint8Array(bytes)), header };
}

export async function* sealedStream(key: StreamKey, plain: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let number = 0;
  for await (const { chunk, isLast } of inChunks(plain, CHUNK_BYTES)) {
    const nonce = nonceOf(number, isLast);
    const cipher = createCipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(key.header);
    const sealed = cipher.update(chunk);
    cipher.final();
    yield Buffer.concat([sealed, cipher.getAuthTag()]);
    number += 1;
  }
}

/** What is wrong with a stream that cannot be opened to its end. */
export class DamagedStream extends Error {
  /** `cut-short`: what there is has not been changed, and more is missing. */
  readonly damage: 'changed' | 'cut-short';

  constructor(damage: DamagedStream['damage'], options?: { cause?: unknown }) {
    super(`a sealed stream was ${damage}`, options);
    this.name = 'DamagedStream';
    this.damage = damage;
  }
}

/** Opens chunk by chunk; nothing of a chunk comes out unless all of it is right. @throws DamagedStream */
export async function* openedStream(key: StreamKey, sealed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let number = 0;
  for await (const { chunk, isLast } of inChunks(sealed, CHUNK_BYTES + TAG_BYTES)) {
    yield opened(key, chunk, { number, isLast });
    number += 1;
  }
}

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;

function opened(key: StreamKey, chunk: Buffer, at: { number: number; isLast: boolean }): Buffer {
  try {
    return openedChunk(key, chunk, nonceOf(at.number, at.isLast));
  } catch (cause) {
    throw new DamagedStream(
      at.isLast && isWholeInTheMiddle(key, chunk, at.number) ? 'cut-short' : 'changed',
      {
        cause,
      },
    );
  }
}

/** True of a chunk that others must follow: whoever has cut the stream did so between two. */
function isWholeInTheMiddle(key: StreamKey, chunk: Buffer, number: number): boolean {
  // An unfinished chunk cannot be told from one that was changed, but it is too short for the middle.
  if (chunk.length < CHUNK_BYTES + TAG_BYTES) return true;
  try {
    openedChunk(key, chunk, nonceOf(number, false));
    return true;
  } catch {
    return false;
  }
}

function openedChunk({ key, header }: StreamKey, chunk: Buffer, nonce: Buffer): Buffer {
  const tagAt = chunk.length - TAG_BYTES;
  if (tagAt < 0) throw new RangeError('a chunk has no tag');
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(header);
  decipher.setAuthTag(chunk.subarray(tagAt));
  const plain = decipher.update(chunk.subarray(0, tagAt));
  decipher.final();
  return plain;
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(number), NONCE_BYTES - 9);
  nonce.writeUInt8(isLast ? 1 : 0, NONCE_BYTES - 1);
  return nonce;
}

/** The same bytes in chunks of one size, but for the last one, which there always is and which may be empty. */
async function* inChunks(
  bytes: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<{ chunk: Buffer; isLast: boolean }> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const more of bytes) {
    waiting.push(more);
    length += more.length;
    if (length <= size) continue;
    let all: Buffer = Buffer.concat(waiting);
    while (all.length > size) {
      yield { chunk: all.subarray(0, size), isLast: false };
      all = all.subarray(size);
    }
    [waiting, length] = [[all], all.length];
  }
  yield { chunk: Buffer.concat(waiting), isLast: true };
}
