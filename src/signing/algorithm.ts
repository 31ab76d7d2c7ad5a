import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  constants as cryptoConstants,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import { newIdentifier, type Random } from '#src/random.ts';
import { joseSignature } from '#src/signing/ecdsa-signature.ts';

/**
 * The algorithms whose public keys stand in the JWK Set. RFC 7518 section 3.1; RFC 8037 section 3.1 and, under the name
 * that says the curve as well, RFC 9864 section 2.2; ML-DSA by FIPS 204, which no quantum computer is known to break.
 */
export const SIGNING_ALGORITHMS = [
  'ES256',
  'ES384',
  'RS256',
  'PS256',
  'Ed25519',
  'EdDSA',
  'ML-DSA-44',
  'ML-DSA-65',
] as const;

export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** What refresh tokens are signed with: a key that only this server holds and that never stands in the JWK Set. */
export const REFRESH_ALGORITHM = 'HS256';

/** Every algorithm that a token of ours can be signed with. `none` is not one. */
export type JwsAlgorithm = SigningAlgorithm | typeof REFRESH_ALGORITHM;

/** A key at its birth. `jwk` holds the private part, unless that is outside. */
export interface GeneratedKey {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly jwk: JsonWebKey;
  /** What an outside signer knows the private part by; `null` if it is in `jwk`. */
  readonly outside: string | null;
}

/** Where new keys come from. */
export interface KeySource {
  /** Throws if there can be no such key now: the ring goes on with those that it has. */
  generate(alg: JwsAlgorithm): Promise<GeneratedKey>;
  /** Told of a key that nothing will be signed or verified with any more, so that what is outside can be removed. */
  discard?(key: DiscardedKey): Promise<void>;
}

export type DiscardedKey = Pick<GeneratedKey, 'kid' | 'outside'>;

/** Signs with keys whose private part never comes into this process. */
export interface OutsideSigner {
  /** The JWS signature over `data` (RFC 7518 section 3) by the key that is known as `handle`. Throws `SigningFault`. */
  sign(handle: string, alg: SigningAlgorithm, data: Buffer): Promise<Buffer>;
  /** Returns if it could sign now. Throws `SigningFault`. */
  ready(handle: string, alg: SigningAlgorithm): Promise<void>;
}

/** A public key as it stands in the JWK Set. RFC 7517 section 4. */
export interface PublicJwk extends JsonWebKey {
  readonly kty: string;
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly use: 'sig';
}

/** At least 2048 bits are asked for by RFC 7518 section 3.3; every further bit is paid for with each RS256 signature. */
const RSA_MODULUS_BITS = 2048;

/** As long as the digest: RFC 7518 section 3.2. */
const HMAC_KEY_BYTES = 32;

interface Recipe {
  readonly generate: () => Promise<{ privateKey: KeyObject }>;
  readonly digest: 'sha256' | 'sha384' | null;
  readonly options: { dsaEncoding?: 'ieee-p1363'; padding?: number; saltLength?: number } | null;
  /** Of ECDSA: how long each of the two numbers of a signature is. */
  readonly coordinateBytes?: number;
  /** Slow enough that signing belongs on the thread pool and not on the event loop. */
  readonly pooled: boolean;
}

const generatePair = promisify(generateKeyPair);
const generateRsa = () => generatePair('rsa', { modulusLength: RSA_MODULUS_BITS });

const ED25519: Recipe = {
  generate: () => generatePair('ed25519'),
  digest: null,
  options: null,
  pooled: false,
};

const ECDSA = { dsaEncoding: 'ieee-p1363' } as const;

const RECIPES: Readonly<Record<SigningAlgorithm, Recipe>> = {
  ES256: {
    generate: () => generatePair('ec', { namedCurve: 'P-256' }),
    digest: 'sha256',
    options: ECDSA,
    coordinateBytes: 32,
    pooled: false,
  },
  ES384: {
    generate: () => generatePair('ec', { namedCurve: 'P-384' }),
    digest: 'sha384',
    options: ECDSA,
    coordinateBytes: 48,
    pooled: false,
  },
  RS256: {
    generate: generateRsa,
    digest: 'sha256',
    options: { padding: cryptoConstants.RSA_PKCS1_PADDING },
    pooled: true,
  },
  PS256: {
    generate: generateRsa,
    digest: 'sha256',
    options: {
      padding: cryptoConstants.RSA_PKCS1_PSS_PADDING,
      saltLength: cryptoConstants.RSA_PSS_SALTLEN_DIGEST,
    },
    pooled: true,
  },
  Ed25519: ED25519,
  EdDSA: ED25519,
  'ML-DSA-44': { generate: () => generatePair('ml-dsa-44'), digest: null, options: null, pooled: true },
  'ML-DSA-65': { generate: () => generatePair('ml-dsa-65'), digest: null, options: null, pooled: true },
};

/** The members that make a public key and nothing else, in the order of RFC 7638 section 3.3. */
const PUBLIC_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  AKP: ['alg', 'kty', 'pub'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

/**
 * A new key, made off the event loop. The kid of a key pair is its RFC 7638 thumbprint; that of a symmetric key is
 * random, since a thumbprint would tell something about the secret (RFC 7638 section 7).
 */
export async function generateKey(alg: JwsAlgorithm, random: Random): Promise<GeneratedKey> {
  if (alg === REFRESH_ALGORITHM) {
    const k = random.bytes(HMAC_KEY_BYTES).toString('base64url');
    return { kid: newIdentifier(random), alg, jwk: { kty: 'oct', k }, outside: null };
  }
  const { privateKey } = await RECIPES[alg].generate();
  const jwk = privateKey.export({ format: 'jwk' });
  return { kid: thumbprint(jwk), alg, jwk, outside: null };
}

/** Keys that are made here, and kept in the ring. */
export const ownKeys = (random: Random): KeySource => ({ generate: (alg) => generateKey(alg, random) });

/** The SHA-256 JWK thumbprint of an asymmetric key. RFC 7638 section 3. */
export function thumbprint(jwk: JsonWebKey): string {
  return createHash('sha256')
    .update(JSON.stringify(publicMembers(jwk)))
    .digest('base64url');
}

/** The members of an asymmetric key that everyone may see, and no other. Throws for a symmetric key: it has none. */
export function publicMembers(jwk: JsonWebKey): JsonWebKey {
  const members = PUBLIC_MEMBERS[jwk.kty ?? ''];
  if (members === undefined) throw new TypeError(`a ${jwk.kty} key has no public part`);
  return Object.fromEntries(members.map((member) => [member, jwk[member]]));
}

/** A key of the ring as the JWK Set shows it. */
export function publicJwk(key: { kid: string; alg: SigningAlgorithm; jwk: JsonWebKey }): PublicJwk {
  const members = publicMembers(key.jwk);
  return { ...members, kty: String(members.kty), kid: key.kid, alg: key.alg, use: 'sig' };
}

/** True if a JWK holds what nobody else may see. RFC 7518 section 6; for the key type AKP, `priv`. */
export function hasPrivatePart(jwk: JsonWebKey & { readonly priv?: unknown }): boolean {
  return jwk.d !== undefined || jwk.k !== undefined || jwk.priv !== undefined;
}

/** The key that signs, ready for `node:crypto`. */
export function importPrivateKey(alg: JwsAlgorithm, jwk: JsonWebKey): KeyObject {
  if (alg !== REFRESH_ALGORITHM) return createPrivateKey({ key: jwk, format: 'jwk' });
  return createSecretKey(String(jwk.k), 'base64url');
}

/** The public half of an asymmetric key, ready for `node:crypto`. */
export function importPublicKey(jwk: JsonWebKey): KeyObject {
  return createPublicKey({ key: publicMembers(jwk), format: 'jwk' });
}

/**
 * The JWS signature over `data` (RFC 7518 section 3). Elliptic curves and HMAC answer at once, as handing them to
 * another thread costs more than it saves; RSA and ML-DSA answer from the thread pool.
 */
export function signWith(alg: JwsAlgorithm, key: KeyObject, data: Buffer): Buffer | Promise<Buffer> {
  if (alg === REFRESH_ALGORITHM) return hmac(key, data);
  const { digest, options, coordinateBytes, pooled } = RECIPES[alg];
  if (coordinateBytes !== undefined) return joseSignature(sign(digest, data, key), coordinateBytes);
  const signing = options === null ? key : { key, ...options };
  if (!pooled) return sign(digest, data, signing);
  return new Promise((resolve, reject) => {
    sign(digest, data, signing, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}

/** True if `signature` is one that the holder of the private half made over `data`. Never throws for a bad signature. */
export function verifyWith(alg: SigningAlgorithm, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const { digest, options } = RECIPES[alg];
  return verify(digest, data, { key, ...options }, signature);
}

/** HMAC SHA-256, RFC 7518 section 3.2. */
export function hmac(key: KeyObject, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** Compares in constant time, so that a forger learns nothing from how long it takes. */
export function verifyHmac(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const expected = hmac(key, data);
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}
