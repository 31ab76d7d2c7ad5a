import { type JwsAlgorithm, REFRESH_ALGORITHM, SIGNING_ALGORITHMS } from '#src/signing/algorithm.ts';

/** What makes signatures: the active key of an algorithm. RSA and ML-DSA answer with a promise, the others at once. */
export interface Signer {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  /** Signs the signing input of a JWT, and is told what the JWT says, so that count can be kept of what is signed. */
  sign(data: Buffer, jwt: JwtContent): Buffer | Promise<Buffer>;
  /** Of a key that is not in this process: returns if it could sign now, else throws `SigningFault`. */
  ready?(): Promise<void>;
}

export interface JwtContent {
  readonly typ: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What checks signatures: one key, which works with one algorithm only. */
export interface Verifier {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  verify(data: Buffer, signature: Buffer): boolean;
}

/** A JWT that is well formed. Nothing in it is to be believed before `verifyJwt`. */
export interface ParsedJwt {
  readonly header: JoseHeader;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The bytes that the signature covers. RFC 7515 section 5.2. */
  readonly signingInput: Buffer;
  readonly signature: Buffer;
}

export interface JoseHeader extends Readonly<Record<string, unknown>> {
  readonly alg: JwsAlgorithm;
  readonly kid?: string;
  readonly typ?: string;
}

/** The longest JWT that is looked at; ours stay far below, and what is longer is not from here. */
export const JWT_CHARS_MAX = 16_384;

const ALGORITHMS: ReadonlySet<unknown> = new Set([...SIGNING_ALGORITHMS, REFRESH_ALGORITHM]);

/** The type that a JWT says to be, without what RFC 7515 section 4.1.9 lets one leave out. */
export function mediaTypeOf(typ: unknown): unknown {
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
}

/** A JWS in compact serialization: three base64url parts, none of them empty. RFC 7515 section 3.1. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/**
 * A signed JWT in compact serialization. The signer decides `alg` and `kid`, `header` adds to them: `typ`, which
 * RFC 8725 section 3.11 asks for, and nothing that changes how the token is processed.
 * At once for signers that answer at once, else a promise.
 */
export function signJwt(
  signer: Signer,
  header: { readonly typ?: string },
  claims: Readonly<Record<string, unknown>>,
): string | Promise<string> {
  const signingInput = `${encodedHeader(signer, header.typ)}.${encode(claims)}`;
  const signature = signer.sign(Buffer.from(signingInput), { typ: header.typ, claims });
  if (Buffer.isBuffer(signature)) return `${signingInput}.${signature.toString('base64url')}`;
  return signature.then((bytes) => `${signingInput}.${bytes.toString('base64url')}`);
}

/**
 * Reads a JWT strictly, or answers `null`: canonical base64url without padding (RFC 7515 section 2), UTF-8 JSON
 * objects (RFC 7519 section 7.2), an algorithm of ours and so never `none` (RFC 8725 section 3.1), and no `crit`,
 * as no extension is understood here (RFC 7515 section 4.1.11). Of a member that is named twice the last one counts,
 * for every reader inside this server alike (RFC 7515 section 4).
 */
export function parseJwt(text: string): ParsedJwt | null {
  if (text.length > JWT_CHARS_MAX) return null;
  const [, headerPart = '', claimsPart = '', signaturePart = ''] = COMPACT.exec(text) ?? [];
  const header = decodeObject(headerPart);
  const claims = decodeObject(claimsPart);
  const signature = decode(signaturePart);
  if (header === null || claims === null || signature === null || !isJoseHeader(header)) return null;
  return { header, claims, signingInput: Buffer.from(`${headerPart}.${claimsPart}`), signature };
}

/**
 * True if the key that the token names made its signature. The algorithm is the key's: a token that asks for another
 * one is refused before any cryptography (RFC 8725 section 3.1), as is one that names no key or an unknown one.
 */
export function verifyJwt(jwt: ParsedJwt, keys: (kid: string) => Verifier | null): boolean {
  const { alg, kid } = jwt.header;
  const key = kid === undefined ? null : keys(kid);
  return key !== null && key.alg === alg && key.verify(jwt.signingInput, jwt.signature);
}

function isJoseHeader(header: Readonly<Record<string, unknown>>): header is JoseHeader {
  const { alg, kid, typ } = header;
  const named = (value: unknown) => value === undefined || typeof value === 'string';
  return ALGORITHMS.has(alg) && named(kid) && named(typ) && !Object.hasOwn(header, 'crit');
}

/** By signer, since there are a few headers and many tokens. */
const encodedHeaders = new WeakMap<Signer, Map<string | undefined, string>>();

function encodedHeader(signer: Signer, typ: string | undefined): string {
  const ofSigner = encodedHeaders.get(signer) ?? new Map<string | undefined, string>();
  const before = ofSigner.get(typ);
  if (before !== undefined) return before;
  const encoded = encode({ typ, alg: signer.alg, kid: signer.kid });
  encodedHeaders.set(signer, ofSigner.set(typ, encoded));
  return encoded;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Only the one text that encodes these bytes: otherwise the same token could be written in several ways. */
function decode(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return part !== '' && bytes.toString('base64url') === part ? bytes : null;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeObject(part: string): Readonly<Record<string, unknown>> | null {
  const bytes = decode(part);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
