import { z } from 'zod';
import { keysUri, type PublicJwks, publicJwks } from '#src/clients/jwk-set.ts';
import { parseScope } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type EpochSeconds, hours, type Seconds, seconds } from '#src/units.ts';

/**
 * Whom the assertions of an issuer are about. `client`: the workload that brings it, which acts as the client itself.
 * The others: a person, whose account is found by its subject or username in `sub`, or by its verified address in
 * `email`.
 */
export const ASSERTION_SUBJECTS = ['client', 'subject', 'username', 'email'] as const;

export type AssertionSubject = (typeof ASSERTION_SUBJECTS)[number];

/** What clients may bring of an issuer: JWTs for tokens (RFC 7523), or what it says about them (RFC 7591 section 2.3). */
export const TRUSTED_FOR = ['assertions', 'software-statements'] as const;

/** An issuer of JWTs that an administrator lets clients bring. */
export interface TrustedIssuer {
  /** Compared as a string with `iss`: RFC 7523 section 3, item 1. */
  readonly issuer: string;
  readonly trustedFor: readonly (typeof TRUSTED_FOR)[number][];
  readonly subjects: AssertionSubject;
  /** Its keys, or where it publishes them. One of the two is there. */
  readonly jwks: PublicJwks | null;
  readonly jwksUri: string | null;
  readonly algorithms: readonly SigningAlgorithm[];
  /** How far away the end of an assertion may be, and how long ago it may have been made. */
  readonly assertionLifetimeMax: Seconds;
  /** False where a workload is given one assertion for a while and not one for each request. */
  readonly singleUse: boolean;
  /** What its assertions can be exchanged for at most; `null`: whatever the client may have. */
  readonly scope: readonly string[] | null;
  /** How long access tokens for its assertions live at most; `null`: as everywhere. */
  readonly accessTokenLifetimeMax: Seconds | null;
  readonly createdAt: EpochSeconds;
}

const ISSUER_LENGTH_MAX = 2048;
/** An assertion tells how things stood when it was made; a day later they may stand otherwise. In seconds. */
const ASSERTION_LIFETIME_LIMIT = 86_400;
const ASSERTION_LIFETIME_DEFAULT = hours(1);

/** A key that has no name cannot be told from the others: RFC 7515 section 4.1.4. */
const namedJwks = publicJwks.refine(
  ({ keys }) => keys.every(({ kid }) => typeof kid === 'string' && kid !== ''),
  'each key must have a kid',
);

const registration = z.strictObject({
  issuer: z
    .string()
    .min(1)
    .max(ISSUER_LENGTH_MAX)
    .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed'),
  trustedFor: z
    .array(z.enum(TRUSTED_FOR))
    .min(1)
    .transform((all) => [...new Set(all)])
    .default(['assertions']),
  subjects: z.enum(ASSERTION_SUBJECTS).default('client'),
  jwks: namedJwks.nullable().default(null),
  jwksUri: keysUri.nullable().default(null),
  algorithms: z
    .array(z.enum(SIGNING_ALGORITHMS))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']),
  assertionLifetimeSeconds: z.int().min(1).max(ASSERTION_LIFETIME_LIMIT).default(ASSERTION_LIFETIME_DEFAULT),
  singleUse: z.boolean().default(true),
  scope: z
    .string()
    .transform((text, context) => {
      try {
        return parseScope(text);
      } catch (problem) {
        context.addIssue({ code: 'custom', message: (problem as Error).message });
        return z.NEVER;
      }
    })
    .nullable()
    .default(null),
  accessTokenLifetimeSeconds: z.int().min(1).nullable().default(null),
});

export type TrustedIssuerRegistration = z.input<typeof registration>;

/**
 * The trusted issuer that an administrator describes.
 * @throws Refusal `invalid_trusted_issuer`, naming every malformed field or, if each is well formed, everything in
 * which they contradict one another, each with the path of a field.
 */
export function newTrustedIssuer(
  input: unknown,
  made: { readonly ownIssuer: string; readonly now: EpochSeconds },
): TrustedIssuer {
  const parsed = registration.safeParse(input);
  if (!parsed.success) {
    throw refuse(
      parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'trusted issuer'}: ${message}`),
    );
  }
  const { assertionLifetimeSeconds, accessTokenLifetimeSeconds: lifetime, ...described } = parsed.data;
  const problems = [...contradictionsIn(parsed.data, made.ownIssuer)];
  if (problems.length > 0) throw refuse(problems);
  return {
    ...described,
    assertionLifetimeMax: seconds(assertionLifetimeSeconds),
    accessTokenLifetimeMax: lifetime === null ? null : seconds(lifetime),
    createdAt: made.now,
  };
}

export function isTrustedFor(
  { trustedFor }: TrustedIssuer,
  what: TrustedIssuer['trustedFor'][number],
): boolean {
  return trustedFor.includes(what);
}

function* contradictionsIn(
  { issuer, jwks, jwksUri }: z.output<typeof registration>,
  ownIssuer: string,
): Generator<string> {
  if (issuer === ownIssuer) yield 'issuer: tokens of this server itself are exchanged (RFC 8693)';
  if (jwks !== null && jwksUri !== null) yield 'jwks: give jwks or jwksUri, not both';
  if (jwks === null && jwksUri === null) yield 'jwks: the keys are needed: jwks or jwksUri';
}

function refuse(problems: readonly string[]): Refusal {
  return new Refusal('invalid_trusted_issuer', problems.join('; '), { problems });
}
