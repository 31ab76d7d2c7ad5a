import type { JsonWebKey } from 'node:crypto';
import { type AttributeName, attributes } from '#src/pkcs11/attributes.ts';
import { type Attribute, type Mechanism, ulong } from '#src/pkcs11/cryptoki.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';

/** What a JWS algorithm is called in PKCS#11, and how a public key is read there. */
export interface KeyKind {
  readonly generation: Mechanism;
  /** What a new public key is given besides what every one is. */
  readonly template: readonly Attribute[];
  readonly signing: Mechanism;
  /** What is signed is this digest of the data; `null` where the token makes it itself, or there is none. */
  readonly digest: 'sha256' | 'sha384' | null;
  /** The public key that these attributes make; `null` if it is not of this kind. */
  publicJwk(read: (name: AttributeName) => Buffer | null): JsonWebKey | null;
}

/** PKCS#11 2.40 sections 2.1 and 2.3; for Edwards curves 3.0 section 2.3. */
const CKK = { rsa: 0x00, ec: 0x03, edwards: 0x40 } as const;
const CKM = {
  rsaKeyPairGen: 0x0000,
  sha256Rsa: 0x0040,
  sha256RsaPss: 0x0043,
  sha256: 0x0250,
  ecKeyPairGen: 0x1040,
  ecdsa: 0x1041,
  edwardsKeyPairGen: 0x1055,
  eddsa: 0x1057,
} as const;
const CKG_MGF1_SHA256 = 2;

/** As long as the digest: RFC 7518 section 3.5. */
const PSS_SALT_BYTES = 32;
const PSS_PARAMETERS = Buffer.concat([ulong(CKM.sha256), ulong(CKG_MGF1_SHA256), ulong(PSS_SALT_BYTES)]);

/** As in the keys that this server makes itself: RFC 7518 section 3.3. */
const RSA_MODULUS_BITS = 2048;
const RSA_EXPONENT = Buffer.from([1, 0, 1]);

/** Object identifiers of curves in DER, as CKA_EC_PARAMS has them: RFC 5480 section 2.1.1.1, RFC 8410 section 3. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const P384 = Buffer.from('06052b81040022', 'hex');
const ED25519 = Buffer.from('06032b6570', 'hex');
/** The other way to name that curve, a printable string. */
const ED25519_NAME = Buffer.concat([Buffer.from([0x13, 12]), Buffer.from('edwards25519')]);

/** The algorithms that there are mechanisms for. A token need not have all of them. */
export const KEY_KINDS: ReadonlyMap<SigningAlgorithm, KeyKind> = new Map<SigningAlgorithm, KeyKind>([
  ['ES256', ecdsa({ curve: P256, crv: 'P-256', coordinate: 32, digest: 'sha256' })],
  ['ES384', ecdsa({ curve: P384, crv: 'P-384', coordinate: 48, digest: 'sha384' })],
  ['RS256', rsa({ type: CKM.sha256Rsa })],
  ['PS256', rsa({ type: CKM.sha256RsaPss, parameter: PSS_PARAMETERS })],
  ['Ed25519', edwards()],
  ['EdDSA', edwards()],
]);

function ecdsa(about: {
  readonly curve: Buffer;
  readonly crv: string;
  readonly coordinate: number;
  readonly digest: 'sha256' | 'sha384';
}): KeyKind {
  const { curve, crv, coordinate, digest } = about;
  return {
    generation: { type: CKM.ecKeyPairGen },
    template: attributes({ ecParams: curve }),
    // Signs what has been digested, and answers with r and s one after the other, as RFC 7518 section 3.4 wants them.
    signing: { type: CKM.ecdsa },
    digest,
    publicJwk: (read) => {
      if (!isOfType(read, CKK.ec) || read('ecParams')?.equals(curve) !== true) return null;
      // An uncompressed point: SEC 1 section 2.3.3.
      const point = pointOf(read, 1 + 2 * coordinate);
      if (point?.[0] !== 0x04) return null;
      const x = point.subarray(1, 1 + coordinate).toString('base64url');
      const y = point.subarray(1 + coordinate).toString('base64url');
      return { kty: 'EC', crv, x, y };
    },
  };
}

function rsa(signing: Mechanism): KeyKind {
  return {
    generation: { type: CKM.rsaKeyPairGen },
    template: attributes({ modulusBits: RSA_MODULUS_BITS, publicExponent: RSA_EXPONENT }),
    signing,
    digest: null,
    publicJwk: (read) => {
      const modulus = read('modulus');
      const exponent = read('publicExponent');
      if (!isOfType(read, CKK.rsa) || modulus === null || exponent === null) return null;
      return { kty: 'RSA', n: unsigned(modulus), e: unsigned(exponent) };
    },
  };
}

function edwards(): KeyKind {
  return {
    generation: { type: CKM.edwardsKeyPairGen },
    template: attributes({ ecParams: ED25519 }),
    signing: { type: CKM.eddsa },
    digest: null,
    publicJwk: (read) => {
      const curve = read('ecParams');
      const named = curve !== null && [ED25519, ED25519_NAME].some((name) => name.equals(curve));
      const point = pointOf(read, 32);
      if (!isOfType(read, CKK.edwards) || !named || point === null) return null;
      return { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') };
    },
  };
}

const isOfType = (read: (name: AttributeName) => Buffer | null, type: number) =>
  read('keyType')?.equals(ulong(type)) === true;

/** The point of a public key, which the standard wants in a DER OCTET STRING and some tokens give as it is. */
function pointOf(read: (name: AttributeName) => Buffer | null, length: number): Buffer | null {
  const value = read('ecPoint');
  if (value === null || value.length === length) return value;
  const header = value[0] === 0x04 && value[1] === length && value.length === length + 2;
  return header ? value.subarray(2) : null;
}

/** A big-endian number without zeros before it: RFC 7518 section 2. */
function unsigned(number: Buffer): string {
  const start = number.findIndex((byte) => byte !== 0);
  return number.subarray(Math.max(start, 0)).toString('base64url');
}
