import { z } from 'zod';

export const JWT_BEARER_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Whose assertions a client may bring for a token, and which of them: RFC 7523 section 2.1. */
export interface JwtBearerPolicy {
  /** One of the issuers that the server trusts. */
  readonly issuer: string;
  /** What the assertion must say: of each claim, one of the values. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

const CLAIMS_MAX = 16;
const VALUES_MAX = 50;
const TEXT_LENGTH_MAX = 512;

const text = z.string().min(1).max(TEXT_LENGTH_MAX);

export const jwtBearerPolicy = z.strictObject({
  issuer: text,
  claims: z
    .record(text, z.array(text).min(1).max(VALUES_MAX))
    .refine((claims) => Object.keys(claims).length <= CLAIMS_MAX, `no more than ${CLAIMS_MAX} claims`)
    .default({}),
});

/** True if the claims of an assertion are as the policy asks; a claim that is a list has one of the values in it. */
export function saysWhatIsAsked(
  { claims: asked }: JwtBearerPolicy,
  claims: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(asked).every(([name, values]) => {
    const said = Object.hasOwn(claims, name) ? [claims[name]].flat() : [];
    return said.some((value) => isScalar(value) && values.includes(String(value)));
  });
}

const isScalar = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value);
