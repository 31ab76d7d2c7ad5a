import { z } from 'zod';
import type { ClientSecret } from '#src/clients/client-secret.ts';
import { isPrivateUseUri, parseRedirectUri, REDIRECT_URIS_MAX } from '#src/clients/redirect-uri.ts';
import { parseScope } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import type { EpochSeconds } from '#src/units.ts';

/** How a client proves who it is at the token endpoint. OpenID Connect Core section 9; RFC 6749 section 2.3. */
export const CLIENT_AUTHENTICATION_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'none',
] as const;

export type ClientAuthenticationMethod = (typeof CLIENT_AUTHENTICATION_METHODS)[number];

export const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials'] as const;

export type GrantType = (typeof GRANT_TYPES)[number];

/** An application that asks for tokens: RFC 6749 section 2, in the terms of RFC 7591 section 2. */
export interface Client {
  readonly clientId: string;
  readonly name: string;
  readonly applicationType: 'web' | 'native';
  readonly authenticationMethod: ClientAuthenticationMethod;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly grantTypes: readonly GrantType[];
  /** What it may ask for at most. */
  readonly scope: readonly string[];
  /** What a request that names no scope asks for. */
  readonly defaultScope: readonly string[];
  /** Without PKCE only a confidential client may go, and only with a `nonce`: RFC 9700 section 2.1.1. */
  readonly requirePkce: boolean;
  readonly idTokenSignedResponseAlg: string;
  readonly clientUri: string | null;
  readonly jwksUri: string | null;
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] } | null;
  readonly secrets: readonly ClientSecret[];
  readonly createdAt: EpochSeconds;
  readonly updatedAt: EpochSeconds;
}

/** True if the client has a way to prove who it is: RFC 6749 section 2.1. */
export function isConfidential(client: Pick<Client, 'authenticationMethod'>): boolean {
  return client.authenticationMethod !== 'none';
}

/** True if the client proves itself by a secret that both sides hold. */
export function usesSecret(method: ClientAuthenticationMethod): boolean {
  return method.startsWith('client_secret_');
}

export const CLIENT_NAME_LENGTH_MAX = 100;
const JWKS_KEYS_MAX = 20;

const webUri = z
  .url({ protocol: /^https?$/, error: 'must be an absolute http or https URI' })
  .max(2048)
  .refine((uri) => !uri.includes('#'), 'must not have a fragment');

const visibleText = z
  .string()
  .trim()
  .min(1)
  .max(CLIENT_NAME_LENGTH_MAX)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, 'must not contain control or invisible characters');

const scopeList = z.string().transform((text, context) => {
  try {
    return parseScope(text);
  } catch (problem) {
    context.addIssue({ code: 'custom', message: (problem as Error).message });
    return z.NEVER;
  }
});

const redirectUris = z
  .array(z.string())
  .max(REDIRECT_URIS_MAX)
  .transform((uris, context) => {
    for (const [index, uri] of uris.entries()) {
      try {
        parseRedirectUri(uri);
      } catch (problem) {
        context.addIssue({ code: 'custom', message: (problem as Error).message, path: [index] });
      }
    }
    return [...new Set(uris)];
  });

/** What an administrator says of a new client. Names are those of RFC 7591 section 2 in camel case. */
const registration = z
  .strictObject({
    clientId: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ ~ -')
      .refine((id) => !id.startsWith('rs_'), 'must not begin with rs_, which names resource servers')
      .optional(),
    name: visibleText,
    applicationType: z.enum(['web', 'native']).optional(),
    authenticationMethod: z.enum(CLIENT_AUTHENTICATION_METHODS).default('client_secret_basic'),
    redirectUris: redirectUris.default([]),
    postLogoutRedirectUris: redirectUris.default([]),
    grantTypes: z.array(z.enum(GRANT_TYPES)).min(1).default(['authorization_code']),
    scope: scopeList.optional(),
    defaultScope: scopeList.optional(),
    requirePkce: z.boolean().default(true),
    idTokenSignedResponseAlg: z.string().default('ES256'),
    clientUri: webUri.nullable().default(null),
    jwksUri: webUri.nullable().default(null),
    jwks: z
      .object({ keys: z.array(z.record(z.string(), z.unknown())).max(JWKS_KEYS_MAX) })
      .nullable()
      .default(null),
  })
  .superRefine((client, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', message, path: [path] });
    const codeFlow = client.grantTypes.includes('authorization_code');
    if (codeFlow && client.redirectUris.length === 0) problem('redirectUris', 'the code flow needs at least one');
    if (!codeFlow && client.redirectUris.length > 0) {
      problem('redirectUris', 'only the authorization_code grant uses them');
    }
    if (!codeFlow && client.grantTypes.includes('refresh_token')) {
      problem('grantTypes', 'refresh_token needs authorization_code beside it');
    }
    if (client.authenticationMethod === 'none') {
      if (client.grantTypes.includes('client_credentials')) {
        problem('grantTypes', 'client_credentials is for confidential clients (RFC 6749 section 4.4)');
      }
      if (!client.requirePkce) problem('requirePkce', 'a public client cannot go without PKCE (RFC 9700 section 2.1.1)');
    }
    const keys = Number(client.jwks !== null) + Number(client.jwksUri !== null);
    if (keys > 1) problem('jwks', 'give jwks or jwksUri, not both (RFC 7591 section 2)');
    if (client.authenticationMethod === 'private_key_jwt' && keys === 0) {
      problem('jwks', 'private_key_jwt needs the public keys: jwks or jwksUri');
    }
    const beyond = (client.defaultScope ?? []).filter((scope) => !(client.scope ?? defaultScopeOf(client)).includes(scope));
    if (beyond.length > 0) problem('defaultScope', `not among the client's scopes: ${beyond.join(' ')}`);
  });

export type ClientRegistration = z.input<typeof registration>;

/**
 * The client that a registration describes.
 * @throws Refusal `invalid_client_metadata`, naming every problem, each with the path of its field.
 */
export function newClient(
  input: unknown,
  made: { clientId: string; signingAlgorithms: readonly string[]; now: EpochSeconds },
): Client {
  const parsed = registration.safeParse(input);
  if (!parsed.success) throw invalidMetadata(parsed.error);
  const { clientId = made.clientId, applicationType, scope, defaultScope, ...rest } = parsed.data;
  if (!made.signingAlgorithms.includes(rest.idTokenSignedResponseAlg)) {
    const known = made.signingAlgorithms.join(', ');
    throw new Refusal('invalid_client_metadata', `idTokenSignedResponseAlg: this server signs with ${known}`);
  }
  const allowed = scope ?? defaultScopeOf(rest);
  return {
    ...rest,
    clientId,
    applicationType: applicationType ?? (rest.redirectUris.some(isPrivateUseUri) ? 'native' : 'web'),
    scope: allowed,
    defaultScope: defaultScope ?? allowed,
    secrets: [],
    createdAt: made.now,
    updatedAt: made.now,
  };
}

/** What a client may ask for when nobody said: who signed in, if anyone can sign in at all. */
function defaultScopeOf(client: { grantTypes: readonly GrantType[] }): readonly string[] {
  if (!client.grantTypes.includes('authorization_code')) return [];
  const basic = ['openid', 'profile', 'email'];
  return client.grantTypes.includes('refresh_token') ? [...basic, 'offline_access'] : basic;
}

function invalidMetadata(error: z.ZodError): Refusal {
  const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'client'}: ${message}`);
  return new Refusal('invalid_client_metadata', problems.join('; '), { problems });
}
