import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import type { TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import { Recent } from '#src/recent.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, verifyWith } from '#src/signing/algorithm.ts';
import type { ParsedJwt } from '#src/signing/jws.ts';
import { after, type EpochSeconds, minutes, type Seconds } from '#src/units.ts';

/** Fetches a JWK Set, within the limits of all outgoing calls. Throws if it cannot be had. */
export type JwksFetcher = (jwksUri: string) => Promise<readonly JsonWebKey[]>;

/** How long after a fetch an unknown key leads to no other, so that made-up names cannot make us ask without end. */
const ASKED_AGAIN_AFTER: Seconds = minutes(1);
const HELD_SETS_MAX = 100;
const KEYS_PER_SET_MAX = 100;

interface HeldKeys {
  readonly keys: Promise<readonly JsonWebKey[]>;
  readonly fetchedAt: EpochSeconds;
  readonly until: EpochSeconds;
}

/** The keys of trusted issuers, given or fetched. */
export class IssuerKeys {
  readonly #fetch: JwksFetcher;
  readonly #clock: Clock;
  readonly #keysMaxAge: Seconds;
  readonly #retryAfter: Seconds;
  readonly #held = new Recent<string, HeldKeys>(HELD_SETS_MAX);

  constructor(options: {
    fetch: JwksFetcher;
    clock: Clock;
    /** How long fetched keys are used: an issuer that withdraws one is obeyed no later. */
    keysMaxAge: Seconds;
    /** How long after a fetch that failed the next is made. */
    retryAfter: Seconds;
  }) {
    this.#fetch = options.fetch;
    this.#clock = options.clock;
    this.#keysMaxAge = options.keysMaxAge;
    this.#retryAfter = options.retryAfter;
  }

  /**
   * True if the key of the issuer that a JWT names made its signature. A JWT that names no key, or whose algorithm is
   * not the key's, has no good signature: RFC 8725 section 3.1. Throws if the keys cannot be fetched.
   */
  async verifies({ jwks, jwksUri, algorithms }: TrustedIssuer, jwt: ParsedJwt): Promise<boolean> {
    const { kid, alg } = jwt.header;
    const algorithm = SIGNING_ALGORITHMS.find((each) => each === alg);
    if (kid === undefined || algorithm === undefined || !algorithms.includes(algorithm)) return false;
    const key =
      jwks === null
        ? await this.#published(jwksUri as string, kid)
        : keyNamed(jwks.keys as JsonWebKey[], kid);
    const publicKey = key === null ? null : usable(key, algorithm);
    return publicKey !== null && verifyWith(algorithm, publicKey, jwt.signingInput, jwt.signature);
  }

  async #published(uri: string, kid: string): Promise<JsonWebKey | null> {
    const now = this.#clock.now();
    const held = this.#held.get(uri);
    if (held === undefined || now >= held.until) return keyNamed(await this.#fetched(uri), kid);
    const key = keyNamed(await held.keys, kid);
    if (key !== null || now < after(held.fetchedAt, ASKED_AGAIN_AFTER)) return key;
    // A key that the issuer began to sign with since.
    return keyNamed(await this.#fetched(uri), kid);
  }

  /** Fetches once for however many ask at the same time, and soon after a failure. */
  #fetched(uri: string): Promise<readonly JsonWebKey[]> {
    const fetchedAt = this.#clock.now();
    const keys = this.#fetch(uri).then((all) => all.slice(0, KEYS_PER_SET_MAX));
    this.#held.set(uri, { keys, fetchedAt, until: after(fetchedAt, this.#keysMaxAge) });
    keys.catch(() => this.#held.set(uri, { keys, fetchedAt, until: after(fetchedAt, this.#retryAfter) }));
    return keys;
  }
}

function keyNamed(keys: readonly JsonWebKey[], kid: string): JsonWebKey | null {
  return keys.find((key) => key.kid === kid) ?? null;
}

/** RFC 7518 section 3.3. */
const RSA_MODULUS_BITS_MIN = 2048;

/** Which keys an algorithm works with, as `node:crypto` calls them. */
const KEY_TYPES: Readonly<Record<SigningAlgorithm, string>> = {
  ES256: 'ec prime256v1',
  ES384: 'ec secp384r1',
  RS256: 'rsa',
  PS256: 'rsa',
  Ed25519: 'ed25519',
  EdDSA: 'ed25519',
  'ML-DSA-44': 'ml-dsa-44',
  'ML-DSA-65': 'ml-dsa-65',
};

/** The key, if it is one to verify this algorithm with: RFC 7517 sections 4.2 and 4.4. */
function usable(jwk: JsonWebKey, alg: SigningAlgorithm): KeyObject | null {
  if ((jwk.use ?? 'sig') !== 'sig' || (jwk.alg ?? alg) !== alg) return null;
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const { namedCurve, modulusLength = RSA_MODULUS_BITS_MIN } = key.asymmetricKeyDetails ?? {};
    const type = [key.asymmetricKeyType, namedCurve ?? []].flat().join(' ');
    return type === KEY_TYPES[alg] && modulusLength >= RSA_MODULUS_BITS_MIN ? key : null;
  } catch {
    return null;
  }
}
