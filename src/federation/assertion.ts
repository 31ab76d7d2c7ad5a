import { Refusal } from '#src/fault.ts';
import type { TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import { mediaTypeOf, type ParsedJwt, parseJwt } from '#src/signing/jws.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/** A JWT by which a client asks for a token: RFC 7523 section 2.1. To be believed once its signature has been checked. */
export interface Assertion {
  readonly jwt: ParsedJwt;
  readonly issuer: string;
  readonly subject: string;
  readonly jti: string | null;
  readonly issuedAt: EpochSeconds | null;
  readonly expiresAt: EpochSeconds;
}

/** What an assertion is held against: RFC 7523 section 3. */
export interface AssertionRules {
  readonly trusted: TrustedIssuer;
  /** The names of this server, of which the assertion must be meant for one. */
  readonly audiences: readonly string[];
  readonly now: EpochSeconds;
  /** How far the issuer's clock and ours may be apart. */
  readonly clockSkewMax: Seconds;
}

/** Types that mark a JWT as something else than an assertion: RFC 8725 section 3.11. */
const PLAIN_TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt']);

/** A JWT and who says to have issued it, of which nothing has been checked; `null` for what is none. */
export function parseAssertion(text: string): { readonly jwt: ParsedJwt; readonly issuer: string } | null {
  const jwt = parseJwt(text);
  const issuer = jwt?.claims.iss;
  return jwt === null || typeof issuer !== 'string' ? null : { jwt, issuer };
}

/**
 * All that an assertion must be by RFC 7523 section 3, but for its signature.
 * @throws Refusal `assertion_refused`
 */
export function readAssertion(jwt: ParsedJwt, rules: AssertionRules): Assertion {
  const { header, claims } = jwt;
  const { trusted, audiences, now, clockSkewMax } = rules;
  const { iss, sub, aud, jti, exp, nbf, iat } = claims;
  const demand: (held: boolean, otherwise: string) => asserts held = (held, otherwise) => {
    if (!held) throw new Refusal('assertion_refused', otherwise);
  };
  demand(PLAIN_TYPES.has(mediaTypeOf(header.typ)), `a JWT of the type ${header.typ} is no assertion`);
  demand(
    trusted.algorithms.some((alg) => alg === header.alg),
    'the issuer is not trusted with that algorithm',
  );
  demand(iss === trusted.issuer, 'the issuer is not trusted');
  demand(typeof sub === 'string' && sub !== '', 'the assertion has no subject');
  demand(
    [aud].flat().some((each) => audiences.includes(each as string)),
    'the assertion is not for this server',
  );
  demand(isTime(exp), 'the assertion does not say when it expires');
  demand(after(exp, clockSkewMax) > now, 'the assertion has expired');
  demand(
    exp <= after(after(now, trusted.assertionLifetimeMax), clockSkewMax),
    'the assertion lives too long',
  );
  demand(nbf === undefined || isTime(nbf), 'the assertion has a malformed nbf');
  demand(nbf === undefined || nbf <= after(now, clockSkewMax), 'the assertion is not valid yet');
  demand(iat === undefined || isTime(iat), 'the assertion has a malformed iat');
  demand(iat === undefined || iat <= after(now, clockSkewMax), 'the assertion is from the future');
  demand(
    iat === undefined || after(after(iat, trusted.assertionLifetimeMax), clockSkewMax) > now,
    'the assertion was made too long ago',
  );
  demand(jti === undefined || (typeof jti === 'string' && jti !== ''), 'the assertion has a malformed jti');
  demand(jti !== undefined || !trusted.singleUse, 'the assertion has no jti, by which to know it again');
  return {
    jwt,
    issuer: iss,
    subject: sub,
    jti: jti ?? null,
    issuedAt: iat === undefined ? null : wholeSecond(iat),
    expiresAt: wholeSecond(exp),
  };
}

/** A NumericDate, which may have a fraction: RFC 7519 section 2. */
function isTime(value: unknown): value is EpochSeconds {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

const wholeSecond = (time: EpochSeconds) => epochSeconds(Math.floor(time));
