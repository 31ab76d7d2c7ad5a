import { errors, type KoaContextWithOIDC, type Client as LibraryClient } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { mediaTypeOf } from '#src/signing/jws.ts';
import { minutes, seconds } from '#src/units.ts';

/** The media type of a request object: RFC 9101 section 10.8.1. Many clients still write what any JWT may, or nothing. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'oauth-authz-req+jwt', 'jwt']);

/** FAPI 2.0 Message Signing section 5.3.1: `nbf` is no longer ago, and `exp` no later after it. */
const SIGNED_FOR_MAX = minutes(60);

/** As much as the library allows for clocks that differ. */
const CLOCK_TOLERANCE = seconds(15);

/** What a request for authentication on another device says of itself: CIBA section 7.1.1. */
const BACKCHANNEL_CLAIMS = ['exp', 'iat', 'nbf', 'jti'];

/**
 * The library's `assertJwtClaimsAndHeader`, beside what it looks at itself: that `iss` is the client and `aud` this
 * server (RFC 9101 section 4), and that the times are not over. A client that has to sign its requests signs each for
 * a short time, so that none can be kept and sent again.
 * @throws errors.InvalidRequestObject
 */
export function requestObjectCheck(clock: Clock) {
  return async (
    { oidc }: KoaContextWithOIDC,
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>>,
    client: LibraryClient,
  ): Promise<void> => {
    const refuse = (why: string) => new errors.InvalidRequestObject(why);
    if (!TYPES.has(mediaTypeOf(header.typ))) throw refuse('typ must be oauth-authz-req+jwt');
    // What proves who a client is must not pass for what it asks, nor the other way round: RFC 9101 section 10.8.
    if (claims.sub === client.clientId) throw refuse('sub must not be the client');
    if (oidc.route === 'backchannel_authentication') {
      const missing = BACKCHANNEL_CLAIMS.find((claim) => claims[claim] === undefined);
      if (missing !== undefined) throw refuse(`${missing} is missing`);
    }
    if (client.requireSignedRequestObject) assertShortLived(claims, clock.now(), refuse);
  };
}

function assertShortLived(
  { nbf, exp }: Readonly<Record<string, unknown>>,
  now: number,
  refuse: (why: string) => Error,
): void {
  if (typeof nbf !== 'number' || typeof exp !== 'number') throw refuse('nbf and exp must be there');
  if (nbf < now - SIGNED_FOR_MAX - CLOCK_TOLERANCE) throw refuse('nbf is more than an hour ago');
  if (exp > nbf + SIGNED_FOR_MAX) throw refuse('exp is more than an hour after nbf');
}
