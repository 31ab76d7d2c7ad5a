import { z } from 'zod';
import type { ClientSecret } from '#src/clients/client-secret.ts';
import { isOpenIdScope, parseScope } from '#src/clients/scope.ts';
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
  readonly tokenFormat: TokenFormat;
  readonly signingAlgorithm: string;
  /** `null`: the server's own setting. */
  readonly accessTokenLifetime: Seconds | null;
  /** The name under which it authenticates at introspection. */
  readonly clientId: string;
  readonly secrets: readonly ClientSecret[];
  readonly createdAt: EpochSeconds;
  readonly updatedAt: EpochSeconds;
}

/** Resource servers' client identifiers begin so, clients' own never do. */
export const RESOURCE_SERVER_CLIENT_PREFIX = 'rs_';

export const IDENTIFIER_LENGTH_MAX = 512;
const NAME_LENGTH_MAX = 100;
/** Shorter, and a token would expire on its way. */
const ACCESS_TOKEN_LIFETIME_MIN = 10;

const absoluteUri = z
  .string()
  .max(IDENTIFIER_LENGTH_MAX)
  .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed')
  .refine((text) => URL.canParse(text), 'must be an absolute URI (RFC 8707 section 2)')
  .refine((text) => !text.includes('#'), 'must not have a fragment (RFC 8707 section 2)');

const registration = z.strictObject({
  identifier: absoluteUri,
  name: z
    .string()
    .trim()
    .min(1)
    .max(NAME_LENGTH_MAX)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, 'must not contain control or invisible characters')
    .optional(),
  audience: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed')
    .max(IDENTIFIER_LENGTH_MAX)
    .optional(),
  scope: z.array(z.string()).default([]),
  tokenFormat: z.enum(['jwt', 'opaque']).default('jwt'),
  signingAlgorithm: z.string().default('ES256'),
  accessTokenLifetimeSeconds: z.int().min(ACCESS_TOKEN_LIFETIME_MIN).optional(),
});

export type ResourceServerRegistration = z.input<typeof registration>;

/**
 * The resource server that a registration describes.
 * @throws Refusal `invalid_resource_server`, naming every problem, each with the path of its field.
 */
export function newResourceServer(
  input: unknown,
  made: {
    issuer: string;
    clientId: string;
    signingAlgorithms: readonly string[];
    accessTokenLifetimeMax: Seconds;
    now: EpochSeconds;
  },
): ResourceServer {
  const parsed = registration.safeParse(input);
  if (!parsed.success) {
    throw refuse(parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'resource server'}: ${message}`));
  }
  const { identifier, name, audience = identifier, signingAlgorithm, tokenFormat } = parsed.data;
  const scope = parseScope(parsed.data.scope.join(' '));
  const problems: string[] = [];
  if (audience === made.issuer || identifier === made.issuer) {
    problems.push('identifier: the issuer itself is no resource server');
  }
  if (!made.signingAlgorithms.includes(signingAlgorithm)) {
    problems.push(`signingAlgorithm: this server signs with ${made.signingAlgorithms.join(', ')}`);
  }
  const reserved = scope.filter(isOpenIdScope);
  if (reserved.length > 0) problems.push(`scope: ${reserved.join(' ')} belongs to OpenID Connect`);
  const lifetime = parsed.data.accessTokenLifetimeSeconds;
  if (lifetime !== undefined && lifetime > made.accessTokenLifetimeMax) {
    problems.push(`accessTokenLifetimeSeconds: at most ${made.accessTokenLifetimeMax} by the settings`);
  }
  if (problems.length > 0) throw refuse(problems);
  return {
    identifier,
    name: name ?? identifier,
    audience,
    scope,
    tokenFormat,
    signingAlgorithm,
    accessTokenLifetime: lifetime === undefined ? null : seconds(lifetime),
    clientId: RESOURCE_SERVER_CLIENT_PREFIX + made.clientId,
    secrets: [],
    createdAt: made.now,
    updatedAt: made.now,
  };
}

function refuse(problems: readonly string[]): Refusal {
  return new Refusal('invalid_resource_server', problems.join('; '), { problems });
}
