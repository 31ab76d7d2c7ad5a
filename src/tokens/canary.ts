import { ACCESS_TOKEN_TYPE, type AccessTokenClaims } from '#src/tokens/access-token.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/**
 * The client of canaries, and their subject: nobody. No client can be registered under a name with a colon that is no
 * https URL, and no account has such a subject.
 */
export const CANARY_NOBODY = 'urn:keyturn:canary';

/** What tells a canary from every other access token. No client or administrator decides what a token says by this name. */
export const CANARY_CLAIM = 'keyturn_canary';

/**
 * The claims of an access token by which a resource server is tried out: RFC 9068 section 2.2. It is for that resource
 * server alone, allows nothing, and is about nobody.
 */
export function canaryClaims(
  about: {
    readonly issuer: string;
    readonly audience: string;
    readonly jti: string;
    readonly lifetime: Seconds;
  },
  now: EpochSeconds,
): AccessTokenClaims & Readonly<Record<typeof CANARY_CLAIM, true>> {
  return {
    iss: about.issuer,
    sub: CANARY_NOBODY,
    aud: about.audience,
    client_id: CANARY_NOBODY,
    iat: now,
    exp: after(now, about.lifetime),
    jti: about.jti,
    [CANARY_CLAIM]: true,
  };
}

/** True for what says that it is a canary, or is issued to the client of canaries. */
export function isCanary(claims: object & { readonly client_id?: unknown }): boolean {
  return Object.hasOwn(claims, CANARY_CLAIM) || claims.client_id === CANARY_NOBODY;
}

/** The header of a canary, which is an access token like any other: RFC 9068 section 2.1. */
export const CANARY_HEADER = { typ: ACCESS_TOKEN_TYPE } as const;
