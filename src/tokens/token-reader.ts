import type { Clock } from '#src/clock.ts';
import { Recent } from '#src/recent.ts';
import { type ParsedJwt, parseJwt, type Verifier, verifyJwt } from '#src/signing/jws.ts';
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  audiencesOf,
  readAccessTokenClaims,
} from '#src/tokens/access-token.ts';
import { isCanary } from '#src/tokens/canary.ts';
import {
  REFRESH_TOKEN_TYPE,
  type RefreshTokenReading,
  readRefreshTokenClaims,
} from '#src/tokens/refresh-token.ts';

/** The keys that tokens may name. */
export interface VerifyingKeys {
  verifier(kid: string): (Verifier & { readonly rehearsed: boolean }) | null;
  refreshKey(kid: string): Verifier | null;
}

/** Why a token was turned away, for the log and for `keyturn tokens inspect`; outside it is just not active. */
export type UnreadableReason = 'malformed' | 'not_ours' | 'unknown_key' | 'bad_signature' | 'expired';

export type TokenReading =
  | { readonly kind: 'access'; readonly kid: string; readonly claims: AccessTokenClaims }
  /** A token that a resource server is tried out with: it is good for nothing but being asked about. */
  | { readonly kind: 'canary'; readonly kid: string; readonly claims: AccessTokenClaims }
  | { readonly kind: 'refresh'; readonly kid: string; readonly reading: RefreshTokenReading }
  | { readonly kind: 'unreadable'; readonly reason: UnreadableReason };

/**
 * Reads JWTs that this server issued: shape, type, signature, issuer and lifetime, and nothing that the store would
 * have to tell. What is forged or expired ends here.
 */
export class TokenReader {
  readonly #keys: VerifyingKeys;
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #verified = new Recent<string, VerifiedAccessToken>(VERIFIED_TOKENS_MAX);
  /** The key of each token that was signed in this process. */
  readonly #signed = new Recent<string, string>(SIGNED_TOKENS_MAX);

  constructor(options: { keys: VerifyingKeys; issuer: string; clock: Clock }) {
    this.#keys = options.keys;
    this.#issuer = options.issuer;
    this.#clock = options.clock;
  }

  /** How many tokens are held in mind as they were verified, and as they were signed. */
  get remembered(): { readonly verified: number; readonly signed: number } {
    return { verified: this.#verified.size, signed: this.#signed.size };
  }

  /** Takes note of an access token that was signed in this process. It is read as any other, but for its signature. */
  noteSigned(jwt: string, kid: string): void {
    this.#signed.set(jwt, kid);
  }

  /** What a JWT claims to be, before any work is spent on it; `null` if it is none of ours. */
  claimedKind(jwt: string): ClaimedKind | null {
    const verified = this.#verified.get(jwt);
    if (verified !== undefined) return kindOf(verified.claims);
    const parsed = parseJwt(jwt);
    if (parsed?.header.typ === REFRESH_TOKEN_TYPE) return 'refresh';
    if (parsed?.header.typ !== ACCESS_TOKEN_TYPE) return null;
    return kindOf(parsed.claims);
  }

  read(jwt: string): TokenReading {
    const verified = this.#verified.get(jwt);
    if (verified !== undefined) return this.#unlessOver(verified);
    const parsed = parseJwt(jwt);
    if (parsed === null) return unreadable('malformed');
    if (parsed.header.typ === ACCESS_TOKEN_TYPE) return this.#readAccessToken(jwt, parsed);
    if (parsed.header.typ === REFRESH_TOKEN_TYPE) return this.#readRefreshToken(parsed);
    return unreadable('not_ours');
  }

  /** True if a token is meant for this server's own endpoints, userinfo above all. */
  isForIssuer(claims: AccessTokenClaims): boolean {
    return audiencesOf(claims).includes(this.#issuer);
  }

  #readAccessToken(jwt: string, parsed: ParsedJwt): TokenReading {
    const ownKid = this.#signed.get(jwt);
    const signed =
      ownKid === undefined ? checkSignature(parsed, (kid) => this.#keys.verifier(kid)) : { kid: ownKid };
    if (typeof signed !== 'object') return unreadable(signed);
    const claims = readAccessTokenClaims(parsed.header, parsed.claims, this.#issuer);
    if (claims === null) return unreadable('not_ours');
    // Whatever else such a key may have signed counts for nothing.
    if (this.#keys.verifier(signed.kid)?.rehearsed === true && !isCanary(claims))
      return unreadable('unknown_key');
    const verified = { kid: signed.kid, claims };
    this.#verified.set(jwt, verified);
    return this.#unlessOver(verified);
  }

  /** A signature that held once holds for good. The key that made it may be gone, and the token's time over. */
  #unlessOver({ kid, claims }: VerifiedAccessToken): TokenReading {
    if (this.#keys.verifier(kid) === null) return unreadable('unknown_key');
    if (this.#clock.now() >= claims.exp) return unreadable('expired');
    return { kind: isCanary(claims) ? 'canary' : 'access', kid, claims };
  }

  #readRefreshToken(parsed: ParsedJwt): TokenReading {
    const signed = checkSignature(parsed, (kid) => this.#keys.refreshKey(kid));
    if (typeof signed !== 'object') return unreadable(signed);
    const reading = readRefreshTokenClaims(parsed.header, parsed.claims, this.#issuer);
    if (reading === null) return unreadable('not_ours');
    if (this.#clock.now() >= reading.expiresAt) return unreadable('expired');
    return { kind: 'refresh', kid: signed.kid, reading };
  }
}

interface VerifiedAccessToken {
  readonly kid: string;
  readonly claims: AccessTokenClaims;
}

/** An API asks about the same token many times in its few minutes. About two kilobytes each. */
const VERIFIED_TOKENS_MAX = 4096;

/** Most tokens are asked about soon after they were issued, or not at all. About one kilobyte each. */
const SIGNED_TOKENS_MAX = 4096;

type ClaimedKind = 'access-of-person' | 'access-of-client' | 'canary' | 'refresh';

function kindOf(claims: object & { readonly grant_id?: unknown }): ClaimedKind {
  if (isCanary(claims)) return 'canary';
  return claims.grant_id === undefined ? 'access-of-client' : 'access-of-person';
}

function checkSignature(
  jwt: ParsedJwt,
  keys: (kid: string) => Verifier | null,
): { kid: string } | 'unknown_key' | 'bad_signature' {
  const { kid } = jwt.header;
  if (kid === undefined || keys(kid) === null) return 'unknown_key';
  return verifyJwt(jwt, keys) ? { kid } : 'bad_signature';
}

const unreadable = (reason: UnreadableReason): TokenReading => ({ kind: 'unreadable', reason });
