/**
 * An ECDSA signature as JOSE has it, its two numbers side by side (RFC 7518 section 3.4), from the DER in which it was
 * made (RFC 3279 section 2.2.3). `node:crypto` would do this too, if it is told in an object along with the key; looking
 * into that object costs as much as a P-256 signature.
 */
export function joseSignature(der: Buffer, coordinateBytes: number): Buffer {
  const signature = Buffer.alloc(2 * coordinateBytes);
  // A sequence whose length takes one byte, as it does up to P-384.
  let at = 2;
  for (let end = coordinateBytes; end <= signature.length; end += coordinateBytes) {
    const length = der[at + 1] as number;
    const start = at + 2;
    at = start + length;
    // A number whose first bit is set has a zero in front, and one that is small lacks bytes that are zero.
    const digits = der.subarray(Math.max(start, at - coordinateBytes), at);
    digits.copy(signature, end - digits.length);
  }
  return signature;
}
