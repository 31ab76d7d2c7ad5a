import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import { TOKEN_CLAIMS, type TokenClaim } from '#src/resources/resource-server.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The media type in the header of a JWT access token: RFC 9068 section 2.1. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** What a JWT access token says: RFC 9068 section 2.2. */
export interface AccessTokenClaims extends Partial<TokenAccountClaims> {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly client_id: string;
  readonly iat: EpochSeconds;
  readonly exp: EpochSeconds;
  readonly jti: string;
  readonly scope?: string;
  readonly auth_time?: EpochSeconds;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** What it is for in detail, as far as its audience is concerned: RFC 9396 section 9.1. */
  readonly authorization_details?: readonly AuthorizationDetail[];
  /** The authorization that it was issued under; absent where a client acts for itself (RFC 6749 section 4.4). */
  readonly grant_id?: string;
  readonly sid?: string;
  /** Where its status is told: Token Status List section 6.1. */
  readonly status?: { readonly status_list: { readonly idx: number; readonly uri: string } };
  readonly cnf?: Confirmation;
  /** Who acts for the subject: RFC 8693 section 4.1. */
  readonly act?: Actor;
  /** Who alone may act for the subject: RFC 8693 section 4.4. */
  readonly may_act?: Readonly<Record<string, unknown>>;
  readonly rests_on?: RestsOn;
}

/** What a resource server may have said of a person: RFC 9068 sections 2.2.2 and 2.2.3.1. */
export type TokenAccountClaims = Readonly<Record<TokenClaim, unknown>>;

/** The key that a token is bound to: RFC 7800 section 3.1; RFC 9449 section 6.1; RFC 8705 section 3.1. */
export interface Confirmation {
  readonly jkt?: string;
  readonly 'x5t#S256'?: string;
}

/** Who acts, and within it who acted before: RFC 8693 section 4.1. */
export interface Actor {
  readonly sub: string;
  readonly act?: Actor;
}

/**
 * What a token that was exchanged for others falls with, beside what every token falls with: those tokens, and the
 * authorizations and clients that they were issued under.
 */
export interface RestsOn {
  readonly jti?: readonly string[];
  readonly grant_id?: readonly string[];
  readonly client_id?: readonly string[];
}

/**
 * The claims of an access token whose signature has been verified, or `null` if they are not what this issuer signs.
 * Expiry is not looked at. RFC 9068 section 4.
 */
export function readAccessTokenClaims(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  issuer: string,
): AccessTokenClaims | null {
  if (header.typ !== ACCESS_TOKEN_TYPE || claims.iss !== issuer) return null;
  const { sub, aud, client_id, iat, exp, jti } = claims;
  const texts = [sub, client_id, jti];
  if (!texts.every((text) => typeof text === 'string' && text !== '')) return null;
  if (typeof aud !== 'string' && !(Array.isArray(aud) && aud.every((entry) => typeof entry === 'string')))
    return null;
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return null;
  return claims as unknown as AccessTokenClaims;
}

/** The audiences of a token, whether it names one or several: RFC 7519 section 4.1.3. */
export function audiencesOf(claims: Pick<AccessTokenClaims, 'aud'>): readonly string[] {
  return typeof claims.aud === 'string' ? [claims.aud] : claims.aud;
}

/** What introspection tells of a token beside what RFC 7662 section 2.2 does. */
const TOLD_BESIDES = [...TOKEN_CLAIMS, 'act', 'auth_time', 'acr', 'amr'] as const;

/**
 * What introspection tells beside what every token says: RFC 8693 section 4.1, RFC 9470 section 6.2, and what the
 * resource server asked to be told of the person.
 */
export function toldBesides(claims: AccessTokenClaims): Partial<AccessTokenClaims> {
  const told: Record<string, unknown> = {};
  for (const name of TOLD_BESIDES) if (claims[name] !== undefined) told[name] = claims[name];
  return told;
}
