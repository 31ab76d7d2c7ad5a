import { createHash, type KeyObject } from 'node:crypto';
import { SigningFault } from '#src/fault.ts';
import {
  hmac,
  importPrivateKey,
  importPublicKey,
  type OutsideSigner,
  publicJwk,
  REFRESH_ALGORITHM,
  type SigningAlgorithm,
  signWith,
  verifyHmac,
  verifyWith,
} from '#src/signing/algorithm.ts';
import type { JwtContent, Signer, Verifier } from '#src/signing/jws.ts';
import {
  activeKey,
  type KeyRing,
  nextChange,
  type PublishedKey,
  publishedKeys,
  type SigningKeyRecord,
  stateOf,
  stillVerifies,
} from '#src/signing/key-ring.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A key of the JWK Set that still verifies. */
export interface PublicVerifier extends Verifier {
  readonly alg: SigningAlgorithm;
  readonly publicKey: KeyObject;
  /** True if the key is only published to be tried out. */
  readonly rehearsed: boolean;
}

/** A key that refresh tokens are signed and verified with. The same bytes always get the same signature. */
export interface RefreshKey extends Verifier {
  readonly alg: typeof REFRESH_ALGORITHM;
  sign(data: Buffer): Buffer;
}

/** The public JWK Set, ready to be sent. RFC 7517 section 5. */
export interface JwksDocument {
  readonly body: Buffer;
  /** A strong entity tag with its quotes. RFC 9110 section 8.8.3. */
  readonly etag: string;
}

/** What signing takes beside the ring. */
export interface SigningMeans {
  /** Signs with the keys that are not in the ring. */
  readonly outside: OutsideSigner | null;
  /** Told of each JWT that a key of the JWK Set is about to sign. It takes no time and never throws. */
  readonly onSigning: ((key: SigningKeyName, jwt: JwtContent) => void) | null;
}

export interface SigningKeyName {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
}

/** A ring as it stands from one second, included, until another, excluded, with its keys ready for use. */
export interface KeyView {
  readonly ring: KeyRing;
  readonly from: EpochSeconds;
  readonly until: EpochSeconds | null;
  readonly signers: ReadonlyMap<SigningAlgorithm, Signer>;
  readonly verifiers: ReadonlyMap<string, PublicVerifier>;
  readonly refreshKeys: ReadonlyMap<string, RefreshKey>;
  /** The refresh key that signs throughout the view. */
  readonly refreshKey: RefreshKey;
  readonly jwks: JwksDocument;
}

/** Builds the view of a ring at `now`. Imports keys, so it is for when something has changed and not for every token. */
export function viewOf(ring: KeyRing, now: EpochSeconds, means: SigningMeans): KeyView {
  const published = publishedKeys(ring, now);
  const refreshKeys = ring.keys
    .filter((key) => key.alg === REFRESH_ALGORITHM && stillVerifies(ring, key, now))
    .map(refreshKeyOf);
  const activeRefreshKid = activeKey(ring, REFRESH_ALGORITHM, now)?.kid;
  const refreshKey = refreshKeys.find(({ kid }) => kid === activeRefreshKid);
  if (refreshKey === undefined) throw new Error('The key ring has no active refresh key.');
  return {
    ring,
    from: now,
    until: nextChange(ring, now),
    signers: new Map(published.filter(isActive(ring, now)).map((key) => [key.alg, signerOf(key, means)])),
    verifiers: new Map(published.map((key) => [key.kid, verifierOf(key)])),
    refreshKeys: new Map(refreshKeys.map((key) => [key.kid, key])),
    refreshKey,
    jwks: jwksOf(published),
  };
}

const isActive = (ring: KeyRing, now: EpochSeconds) => (key: SigningKeyRecord) =>
  stateOf(ring, key, now) === 'active';

/** What signs with a key of the ring, whatever its state. */
export function signerOf(key: PublishedKey, means: SigningMeans): Signer {
  const { kid, alg } = key;
  const name = { kid, alg };
  const { onSigning } = means;
  const { sign, ...readiness } = signatureOf(key, means);
  if (onSigning === null) return { ...name, ...readiness, sign };
  return {
    ...name,
    ...readiness,
    sign: (data, jwt) => {
      onSigning(name, jwt);
      return sign(data);
    },
  };
}

interface SignatureMaker extends Pick<Signer, 'ready'> {
  sign(data: Buffer): Buffer | Promise<Buffer>;
}

function signatureOf(
  { kid, alg, jwk, outside: handle }: PublishedKey,
  { outside }: SigningMeans,
): SignatureMaker {
  if (handle === null) {
    const privateKey = importPrivateKey(alg, jwk);
    return { sign: (data) => signWith(alg, privateKey, data) };
  }
  const signer = outside ?? nobodyOutside(kid);
  return { sign: (data) => signer.sign(handle, alg, data), ready: () => signer.ready(handle, alg) };
}

/** In place of an outside signer where none is set up, so that all else goes on. */
function nobodyOutside(kid: string): OutsideSigner {
  const refuse = () =>
    Promise.reject(
      new SigningFault(`the signing key ${kid} is with an outside signer, and the settings name none`),
    );
  return { sign: refuse, ready: refuse };
}

function verifierOf({ kid, alg, jwk, rehearsalUntil }: PublishedKey): PublicVerifier {
  const publicKey = importPublicKey(jwk);
  return {
    kid,
    alg,
    publicKey,
    rehearsed: rehearsalUntil !== null,
    verify: (data, signature) => verifyWith(alg, publicKey, data, signature),
  };
}

function refreshKeyOf({ kid, jwk }: SigningKeyRecord): RefreshKey {
  const secret = importPrivateKey(REFRESH_ALGORITHM, jwk);
  return {
    kid,
    alg: REFRESH_ALGORITHM,
    sign: (data) => hmac(secret, data),
    verify: (data, signature) => verifyHmac(secret, data, signature),
  };
}

function jwksOf(published: readonly PublishedKey[]): JwksDocument {
  const body = Buffer.from(JSON.stringify({ keys: published.map(publicJwk) }));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
