import { createECDH, createHash } from 'node:crypto';

/** An elliptic curve key that others encrypt to, by any of the ECDH-ES algorithms: RFC 7518 section 4.6. */
export interface DecryptionKey {
  readonly privateJwk: DecryptionJwk & { readonly d: string };
  readonly publicJwk: DecryptionJwk;
}

interface DecryptionJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: 'enc';
}

/** How long a coordinate of P-256 is. */
const COORDINATE_BYTES = 32;

/**
 * The decryption key that follows from a secret of 32 bytes: every node that has the secret has the key, and nothing
 * needs to be stored. The secret must be for this alone.
 */
export function decryptionKeyOf(secret: Buffer): DecryptionKey {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(privateKeyOf(secret));
  // An uncompressed point: one byte that says so, and two coordinates. SEC 1 section 2.3.3.
  const point = ecdh.getPublicKey();
  const x = point.subarray(1, 1 + COORDINATE_BYTES).toString('base64url');
  const y = point.subarray(1 + COORDINATE_BYTES).toString('base64url');
  // RFC 7638 section 3.2: the required members, in the order of their names.
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url');
  const publicJwk = { kty: 'EC', crv: 'P-256', x, y, kid, use: 'enc' } as const;
  return { publicJwk, privateJwk: { ...publicJwk, d: ecdh.getPrivateKey('base64url') } };
}

/** A number below the order of the curve. One in 2^32 hashes is not, and then the next one is taken. */
function privateKeyOf(secret: Buffer): Buffer {
  for (let counter = 0; ; counter += 1) {
    const candidate = createHash('sha256').update(secret).update(Uint8Array.of(counter)).digest();
    if (candidate.compare(P256_ORDER) < 0) return candidate;
  }
}

const P256_ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
