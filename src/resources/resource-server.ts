import { z } from 'zod';
import { RESOURCE_SERVER_CLIENT_PREFIX } from '#src/clients/client.ts';
import { type ClientMetadata, clientMetadata } from '#src/clients/client-metadata.ts';
import type { ClientSecret } from '#src/clients/client-secret.ts';
import { keysUri, type PublicJwks, publicJwks } from '#src/clients/jwk-set.ts';
import { protectionProblemsIn, type ResponseAlgorithms } from '#src/clients/response-protection.ts';
import { isOpenIdScope, SCOPE_LENGTH_MAX, SCOPE_TOKEN, SCOPES_MAX } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import { type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** How an access token for a resource server looks: a JWT that it can verify itself, or a handle that it must ask about. */
export type TokenFormat = 'jwt' | 'opaque';

/** An API that accepts access tokens: RFC 6749 section 1.1. */
export interface ResourceServer {
  /** The resource indicator by which clients name it: RFC 8707 section 2. */
  readonly identifier: string;
  readonly name: string;
  /** What stands in `aud`; the identifier unless an administrator says otherwise. */
  readonly audience: string;
  readonly scope: readonly string[];
  /** What a scope lets a client do, in words for the person who is asked to allow it. Not every scope need have them. */
  readonly scopeMeanings: Readonly<Record<string, string>>;
  readonly tokenFormat: TokenFormat;
  readonly signingAlgorithm: string;
  /** `null`: the server's own setting. */
  readonly accessTokenLifetime: Seconds | null;
  /** What its access tokens say of the person beside who it is: RFC 9068 section 2.2.2. */
  readonly claims: readonly TokenClaim[];
  /** Whether its tokens say where their status is told: Token Status List section 6.1. */
  readonly statusList: boolean;
  /** How introspection answers are protected that it asks for as JWTs: RFC 9701. */
  readonly introspection: IntrospectionProtection;
  /** Its public keys, of which one encrypts introspection answers. */
  readonly jwks: PublicJwks | null;
  readonly jwksUri: string | null;
  /** Where it answers any access token that is good for it, so that a rotation can be rehearsed; `null` for nowhere. */
  readonly canaryUrl: string | null;
  /** True if clients that register themselves may ask people for its scopes. */
  readonly openToRegistration: boolean;
  /** The name under which it authenticates at introspection. */
  readonly clientId: string;
  readonly secrets: readonly ClientSecret[];
  readonly createdAt: EpochSeconds;
  readonly updatedAt: EpochSeconds;
}

/** What a resource server may have said of a person in its access tokens; ID tokens and userinfo are for clients. */
export const TOKEN_CLAIMS = [
  'groups',
  'roles',
  'preferred_username',
  'name',
  'email',
  'email_verified',
] as const;

export type TokenClaim = (typeof TOKEN_CLAIMS)[number];

/** In the names of RFC 9701 section 6. */
export type IntrospectionProtection = Readonly<
  Pick<
    ClientMetadata,
    | 'introspection_signed_response_alg'
    | 'introspection_encrypted_response_alg'
    | 'introspection_encrypted_response_enc'
  >
>;

export const IDENTIFIER_LENGTH_MAX = 512;
const NAME_LENGTH_MAX = 100;
const SCOPE_MEANING_LENGTH_MAX = 200;
/** Shorter, and a token would expire on its way. */
const ACCESS_TOKEN_LIFETIME_MIN = 10;

const absoluteUri = z
  .string()
  .max(IDENTIFIER_LENGTH_MAX)
  .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed')
  .refine((text) => URL.canParse(text), 'must be an absolute URI (RFC 8707 section 2)')
  .refine((text) => !text.includes('#'), 'must not have a fragment (RFC 8707 section 2)');

const visibleText = (lengthMax: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(lengthMax)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must not contain control or invisible characters');

const registration = z.strictObject({
  identifier: absoluteUri,
  name: visibleText(NAME_LENGTH_MAX).optional(),
  audience: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed')
    .max(IDENTIFIER_LENGTH_MAX)
    .optional(),
  scope: z
    .array(z.string().regex(SCOPE_TOKEN, 'is not a scope (RFC 6749 section 3.3)').max(SCOPE_LENGTH_MAX))
    .max(SCOPES_MAX)
    .transform((scopes) => [...new Set(scopes)])
    .default([]),
  scopeMeanings: z.record(z.string(), visibleText(SCOPE_MEANING_LENGTH_MAX)).default({}),
  tokenFormat: z.enum(['jwt', 'opaque']).default('jwt'),
  signingAlgorithm: z.string().optional(),
  accessTokenLifetimeSeconds: z.int().min(ACCESS_TOKEN_LIFETIME_MIN).optional(),
  claims: z
    .array(z.enum(TOKEN_CLAIMS))
    .transform((claims) => [...new Set(claims)])
    .default([]),
  // Each token is longer by it and written down, which is worth it only to a resource server that looks.
  statusList: z.boolean().default(false),
  introspection: clientMetadata
    .pick({
      introspection_signed_response_alg: true,
      introspection_encrypted_response_alg: true,
      introspection_encrypted_response_enc: true,
    })
    .default({}),
  jwks: publicJwks.nullable().default(null),
  jwksUri: keysUri.nullable().default(null),
  canaryUrl: keysUri.nullable().default(null),
  openToRegistration: z.boolean().default(false),
});

export type ResourceServerRegistration = z.input<typeof registration>;

/** What the authorization server can do for a resource server. */
export interface ServerLimits {
  readonly issuer: string;
  readonly algorithms: ResponseAlgorithms;
  readonly accessTokenLifetimeMax: Seconds;
}

/**
 * The resource server that a registration describes.
 * @throws Refusal `invalid_resource_server`, naming every malformed field or, if each is well formed, everything that
 * this server cannot have, each with the path of its field.
 */
export function newResourceServer(
  input: unknown,
  made: ServerLimits & { clientId: string; now: EpochSeconds },
): ResourceServer {
  const parsed = registration.safeParse(input);
  if (!parsed.success) {
    throw refuse(
      parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'resource server'}: ${message}`),
    );
  }
  const problems = [...contradictionsIn(parsed.data, made)];
  if (problems.length > 0) throw refuse(problems);
  const { identifier, scope, scopeMeanings, tokenFormat, accessTokenLifetimeSeconds: lifetime } = parsed.data;
  const { claims, introspection, jwks, jwksUri } = parsed.data;
  const signingAlgorithm = parsed.data.signingAlgorithm ?? (made.algorithms.signing[0] as string);
  return {
    identifier,
    name: parsed.data.name ?? identifier,
    audience: parsed.data.audience ?? identifier,
    scope,
    scopeMeanings,
    tokenFormat,
    signingAlgorithm,
    accessTokenLifetime: lifetime === undefined ? null : seconds(lifetime),
    claims,
    statusList: parsed.data.statusList,
    // Whoever verifies its tokens verifies such answers too.
    introspection: { introspection_signed_response_alg: signingAlgorithm, ...introspection },
    jwks,
    jwksUri,
    canaryUrl: parsed.data.canaryUrl,
    openToRegistration: parsed.data.openToRegistration,
    clientId: RESOURCE_SERVER_CLIENT_PREFIX + made.clientId,
    secrets: [],
    createdAt: made.now,
    updatedAt: made.now,
  };
}

/**
 * The resource server after a change of some of what it was registered with. What followed from something that changes
 * follows from it again.
 * @throws Refusal `invalid_resource_server` as `newResourceServer`.
 */
export function changedResourceServer(
  current: ResourceServer,
  patch: Readonly<Record<string, unknown>>,
  made: ServerLimits & { now: EpochSeconds },
): ResourceServer {
  const { clientId, secrets, createdAt } = current;
  const before = registrationOf(current, patch);
  const introspection = { ...before.introspection, ...(patch.introspection as object | undefined) };
  // What it is registered for it keeps, also when the settings name that no longer.
  const { introspection_signed_response_alg: signed = current.signingAlgorithm } = current.introspection;
  const signing = [...made.algorithms.signing, current.signingAlgorithm, signed];
  const algorithms = { ...made.algorithms, signing };
  const described = newResourceServer(
    { ...before, ...patch, introspection },
    { ...made, algorithms, clientId },
  );
  return { ...described, clientId, secrets, createdAt };
}

/** What would register it as it is, but for what a change replaces. */
function registrationOf(
  current: ResourceServer,
  patch: Readonly<Record<string, unknown>>,
): ResourceServerRegistration {
  const { identifier, name, audience, scope, tokenFormat, signingAlgorithm, claims, statusList } = current;
  const { introspection_signed_response_alg: signed, ...introspection } = current.introspection;
  const scopes = (patch.scope ?? scope) as readonly string[];
  const meanings = Object.entries(current.scopeMeanings).filter(([each]) => scopes.includes(each));
  return {
    ...{ identifier, name, audience, tokenFormat, signingAlgorithm, statusList },
    scope: [...scope],
    scopeMeanings: Object.fromEntries(meanings),
    ...(current.accessTokenLifetime === null
      ? undefined
      : { accessTokenLifetimeSeconds: current.accessTokenLifetime }),
    claims: [...claims],
    introspection: {
      ...introspection,
      ...(signed === signingAlgorithm ? undefined : { introspection_signed_response_alg: signed }),
    },
    jwks: 'jwksUri' in patch ? null : current.jwks,
    jwksUri: 'jwks' in patch ? null : current.jwksUri,
    canaryUrl: current.canaryUrl ?? null,
    openToRegistration: current.openToRegistration,
  };
}

/** In what a registration, each of its fields well formed, does not go together with the server. */
function* contradictionsIn(
  described: z.output<typeof registration>,
  { issuer, algorithms, accessTokenLifetimeMax }: ServerLimits,
): Generator<string> {
  for (const field of ['identifier', 'audience'] as const) {
    const namesIssuer = withEmptyPath(described[field] ?? '') === withEmptyPath(issuer);
    if (namesIssuer) yield `${field}: the issuer itself is no resource server`;
  }
  const { signingAlgorithm, accessTokenLifetimeSeconds } = described;
  if (signingAlgorithm !== undefined && !algorithms.signing.includes(signingAlgorithm)) {
    yield `signingAlgorithm: this server signs with ${algorithms.signing.join(', ')}`;
  }
  if (described.statusList && described.tokenFormat === 'opaque')
    yield 'statusList: whoever asks about each opaque token needs no list of them';
  const { introspection: metadata, jwks, jwksUri } = described;
  if (jwks !== null && jwksUri !== null) yield 'jwks: give jwks or jwksUri, not both';
  // Of its secret only a digest is kept.
  const registrant = { metadata, jwks, jwksUri, hasSecret: false };
  for (const problem of protectionProblemsIn(registrant, algorithms))
    yield problem.replace(/^metadata\./, 'introspection.');
  const reserved = described.scope.filter(isOpenIdScope);
  if (reserved.length > 0) yield `scope: ${reserved.join(' ')} belongs to OpenID Connect`;
  const unknown = Object.keys(described.scopeMeanings).filter((scope) => !described.scope.includes(scope));
  if (unknown.length > 0) yield `scopeMeanings: ${unknown.join(' ')} is no scope of it`;
  if (accessTokenLifetimeSeconds !== undefined && accessTokenLifetimeSeconds > accessTokenLifetimeMax) {
    yield `accessTokenLifetimeSeconds: at most ${accessTokenLifetimeMax} by the settings`;
  }
}

/**
 * A URI in one spelling, where two mean the same: without a path and with an empty one (RFC 3986 section 6.2.3). URL
 * libraries turn the former into the latter.
 */
export function withEmptyPath(uri: string): string {
  return /^https?:\/\/[^/?#]+$/i.test(uri) ? `${uri}/` : uri;
}

/** True if an identifier is among others, in either spelling. */
export function isNamedIn(identifiers: readonly string[], identifier: string): boolean {
  return identifiers.some((each) => withEmptyPath(each) === withEmptyPath(identifier));
}

function refuse(problems: readonly string[]): Refusal {
  return new Refusal('invalid_resource_server', problems.join('; '), { problems });
}
