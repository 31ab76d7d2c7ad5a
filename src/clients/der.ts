/** One element of the Distinguished Encoding Rules: ITU-T X.690. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

export const TAGS = {
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Lengths of four bytes would be those of a certificate that no request can carry. */
const LENGTH_BYTES_MAX = 3;

/**
 * The elements that stand one after the other in these bytes.
 * @throws RangeError if they are not whole.
 */
export function readDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = byteAt(bytes, at);
    const first = byteAt(bytes, at + 1);
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    if (lengthBytes > LENGTH_BYTES_MAX || first === 0x80) throw new RangeError('a length is out of range');
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) throw new RangeError('an element ends before its time');
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/** An object identifier with its dots. */
export function readObjectIdentifier({ content }: DerElement): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [both = 0n, ...rest] = arcs;
  const root = both < 80n ? both / 40n : 2n;
  return [root, both - root * 40n, ...rest].join('.');
}

/** The text of a string of one of the types that names are made of; `null` for another type. */
export function readText({ tag, content }: DerElement): string | null {
  switch (tag) {
    case 0x0c: // UTF8String
    case 0x12: // NumericString
    case 0x13: // PrintableString
    case 0x16: // IA5String
      return content.toString('utf8');
    case 0x14: // TeletexString, which is Latin-1 wherever it is met
      return content.toString('latin1');
    case 0x1e: // BMPString
      return Buffer.from(content).swap16().toString('utf16le');
    default:
      return null;
  }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError('an element ends before its time');
  return byte;
}
