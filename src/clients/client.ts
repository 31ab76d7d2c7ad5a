import { z } from 'zod';
import { type AuthorizationAnswers, answerProblemsIn } from '#src/clients/authorization-answers.ts';
import { backchannelProblemsIn, CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import {
  authenticationProblemsIn,
  CLIENT_AUTHENTICATION_METHODS,
  type ClientAuthenticationMethod,
  usesSecret,
} from '#src/clients/client-authentication.ts';
import { type ClientMetadata, clientMetadata, webUri } from '#src/clients/client-metadata.ts';
import type { ClientSecret } from '#src/clients/client-secret.ts';
import { keysUri, type PublicJwks, publicJwks } from '#src/clients/jwk-set.ts';
import { JWT_BEARER_GRANT, type JwtBearerPolicy, jwtBearerPolicy } from '#src/clients/jwt-bearer-policy.ts';
import { brokenProfileRules, PROFILE_NAMES, type ProfileName, profilesOf } from '#src/clients/profile.ts';
import {
  hasAdmittedScheme,
  isLoopbackHttpsUri,
  isPrivateUseUri,
  parseRedirectUri,
  REDIRECT_URIS_MAX,
} from '#src/clients/redirect-uri.ts';
import { BY_ADMINISTRATOR, type RegisteredBy } from '#src/clients/registered-by.ts';
import { requestObjectProblemsIn } from '#src/clients/request-object.ts';
import { protectionProblemsIn, type ResponseAlgorithms } from '#src/clients/response-protection.ts';
import { IMPLICIT_GRANT } from '#src/clients/response-type.ts';
import { formatScope, parseScope } from '#src/clients/scope.ts';
import { sectorProblemsIn } from '#src/clients/sector-identifier.ts';
import {
  TOKEN_EXCHANGE_GRANT,
  type TokenExchangePolicy,
  tokenExchangePolicy,
} from '#src/clients/token-exchange-policy.ts';
import { Refusal } from '#src/fault.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { EpochSeconds } from '#src/units.ts';

/** RFC 8628 section 3.4. */
export const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export const GRANT_TYPES = [
  'authorization_code',
  IMPLICIT_GRANT,
  'refresh_token',
  'client_credentials',
  DEVICE_CODE_GRANT,
  CIBA_GRANT,
  TOKEN_EXCHANGE_GRANT,
  JWT_BEARER_GRANT,
] as const;

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
  readonly jwks: PublicJwks | null;
  /** The rules that it is held to beside those of the server. */
  readonly profile: ProfileName | null;
  /** Which tokens it may exchange; `null` for none. */
  readonly tokenExchange: TokenExchangePolicy | null;
  /** Which assertions it may bring; `null` for none. */
  readonly jwtBearer: JwtBearerPolicy | null;
  /** What it has registered beyond that. */
  readonly metadata: ClientMetadata;
  readonly secrets: readonly ClientSecret[];
  readonly registeredBy: RegisteredBy;
  readonly createdAt: EpochSeconds;
  readonly updatedAt: EpochSeconds;
}

/** The grants that begin at the authorization endpoint. */
const REDIRECTING_GRANTS: readonly GrantType[] = ['authorization_code', IMPLICIT_GRANT];

/** The grants that a person gives. */
const GRANTS_OF_PEOPLE: readonly GrantType[] = ['authorization_code', DEVICE_CODE_GRANT, CIBA_GRANT];

/** True if people sign in for the client, one way or another. */
export function actsForPeople({ grantTypes }: { readonly grantTypes: readonly GrantType[] }): boolean {
  return GRANTS_OF_PEOPLE.some((grant) => grantTypes.includes(grant));
}

/** True if the client has a way to prove who it is: RFC 6749 section 2.1. */
export function isConfidential(client: Pick<Client, 'authenticationMethod'>): boolean {
  return client.authenticationMethod !== 'none';
}

/** Client identifiers of resource servers, which authenticate at introspection, begin so; no other client's does. */
export const RESOURCE_SERVER_CLIENT_PREFIX = 'rs_';

/** True if whoever authenticates under this client identifier is a resource server. */
export function namesResourceServer(clientId: string): boolean {
  return clientId.startsWith(RESOURCE_SERVER_CLIENT_PREFIX);
}

/** An identifier for a client: one that names no resource server, which one in 2^18 random ones would. */
export function newClientId(random: Random): string {
  for (;;) {
    const id = newIdentifier(random);
    if (!namesResourceServer(id)) return id;
  }
}

export const CLIENT_NAME_LENGTH_MAX = 100;

const visibleText = z
  .string()
  .trim()
  .min(1)
  .max(CLIENT_NAME_LENGTH_MAX)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must not contain control or invisible characters');

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
const registration = z.strictObject({
  clientId: z
    .string()
    .regex(/^[A-Za-z0-9._~-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ ~ -')
    .refine((id) => !namesResourceServer(id), 'must not begin with rs_, which names resource servers')
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
  idTokenSignedResponseAlg: z.string().optional(),
  clientUri: webUri.nullable().default(null),
  jwksUri: keysUri.nullable().default(null),
  jwks: publicJwks.nullable().default(null),
  profile: z.enum(PROFILE_NAMES).nullable().default(null),
  tokenExchange: tokenExchangePolicy.nullable().default(null),
  jwtBearer: jwtBearerPolicy.nullable().default(null),
  metadata: clientMetadata.default({}),
});

export type ClientRegistration = z.input<typeof registration>;

/**
 * The client that a registration describes. Its ID tokens are signed with the first algorithm of the server if it
 * names none.
 * @throws Refusal `invalid_client_metadata`, naming every malformed field or, if each is well formed, everything in
 * which they contradict one another, each with the path of a field.
 */
export function newClient(
  input: unknown,
  made: {
    clientId: string;
    algorithms: ResponseAlgorithms;
    /** What the server answers authorization requests with. */
    answers: AuthorizationAnswers;
    /** How clients of the server may authenticate. */
    authenticationMethods: readonly ClientAuthenticationMethod[];
    /** The private-use schemes that redirect URIs may have beside those that are named after a domain. */
    redirectSchemes: readonly string[];
    /** The rules that hold for every client of the server. */
    profile: ProfileName | null;
    now: EpochSeconds;
  },
): Client {
  const parsed = registration.safeParse(input);
  if (!parsed.success) {
    throw refuse(parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'client'}: ${message}`));
  }
  const { scope = defaultScopeOf(parsed.data), ...described } = parsed.data;
  const client = {
    ...described,
    clientId: described.clientId ?? made.clientId,
    applicationType: described.applicationType ?? applicationTypeOf(described),
    scope,
    defaultScope: described.defaultScope ?? scope,
    idTokenSignedResponseAlg: described.idTokenSignedResponseAlg ?? (made.algorithms.signing[0] as string),
    secrets: [],
    registeredBy: BY_ADMINISTRATOR,
    createdAt: made.now,
    updatedAt: made.now,
  };
  const problems = [
    ...contradictionsIn(client, made.algorithms),
    ...schemeProblemsIn(client, made.redirectSchemes),
    ...answerProblemsIn(client, made.answers),
    ...authenticationProblemsIn(client, made.authenticationMethods),
    ...profileProblemsIn(client, profilesOf(made.profile, client.profile)),
  ];
  if (problems.length > 0) throw refuse(problems);
  return client;
}

/** What would describe this client: the input from which `newClient` makes it again. */
export function registrationOf(client: Client): ClientRegistration {
  const fields = Object.keys(registration.shape) as (keyof ClientRegistration & keyof Client)[];
  return {
    ...(Object.fromEntries(fields.map((field) => [field, client[field]])) as ClientRegistration),
    scope: formatScope(client.scope),
    defaultScope: formatScope(client.defaultScope),
  };
}

/** In what the fields of a client, each well formed, do not go together. */
function* contradictionsIn(client: Client, algorithms: ResponseAlgorithms): Generator<string> {
  const { authenticationMethod, defaultScope, grantTypes, idTokenSignedResponseAlg, scope } = client;
  yield* redirectContradictionsIn(client);
  if (grantTypes.includes('refresh_token') && !actsForPeople(client)) {
    yield `grantTypes: refresh_token needs one of ${GRANTS_OF_PEOPLE.join(', ')} beside it`;
  }
  if (!isConfidential(client) && grantTypes.includes('client_credentials')) {
    yield 'grantTypes: client_credentials is for confidential clients (RFC 6749 section 4.4)';
  }
  if (!isConfidential(client) && grantTypes.includes(TOKEN_EXCHANGE_GRANT)) {
    yield 'grantTypes: token exchange is for confidential clients (RFC 8693 section 5)';
  }
  if (grantTypes.includes(TOKEN_EXCHANGE_GRANT) !== (client.tokenExchange !== null)) {
    yield `tokenExchange: it goes together with the grant type ${TOKEN_EXCHANGE_GRANT}`;
  }
  if (grantTypes.includes(JWT_BEARER_GRANT) !== (client.jwtBearer !== null)) {
    yield `jwtBearer: it goes together with the grant type ${JWT_BEARER_GRANT}`;
  }
  if (!isConfidential(client) && !client.requirePkce) {
    yield 'requirePkce: a public client cannot go without PKCE (RFC 9700 section 2.1.1)';
  }
  if (!isConfidential(client) && client.metadata.backchannel_logout_uri?.startsWith('http:')) {
    yield 'metadata.backchannel_logout_uri: that of a public client begins with https (OpenID Connect Back-Channel Logout section 2.2)';
  }
  const beyond = defaultScope.filter((each) => !scope.includes(each));
  if (beyond.length > 0) yield `defaultScope: not among the client's scopes: ${beyond.join(' ')}`;
  if (!algorithms.signing.includes(idTokenSignedResponseAlg)) {
    yield `idTokenSignedResponseAlg: this server signs with ${algorithms.signing.join(', ')}`;
  }
  yield* sectorProblemsIn(client);
  const hasKeys = client.jwks !== null || client.jwksUri !== null;
  yield* backchannelProblemsIn({ ...client, isConfidential: isConfidential(client), hasKeys });
  const hasSecret = usesSecret(authenticationMethod);
  yield* protectionProblemsIn({ ...client, hasSecret }, algorithms);
  yield* requestObjectProblemsIn({ ...client, hasSecret, hasKeys }, algorithms);
}

function* profileProblemsIn(client: Client, profiles: ReadonlySet<ProfileName>): Generator<string> {
  for (const { rule, clause } of brokenProfileRules(client, profiles)) {
    yield `profile: a client of ${[...profiles].at(-1)} ${rule} (${clause})`;
  }
}

function* redirectContradictionsIn(client: Client): Generator<string> {
  const { applicationType, redirectUris, postLogoutRedirectUris } = client;
  const redirected = REDIRECTING_GRANTS.some((grant) => client.grantTypes.includes(grant));
  if (redirected && redirectUris.length === 0) yield 'redirectUris: the code flow needs at least one';
  if (!redirected && redirectUris.length > 0)
    yield 'redirectUris: only the authorization_code grant uses them';
  for (const [field, uris] of Object.entries({ redirectUris, postLogoutRedirectUris })) {
    if (applicationType === 'web' && uris.some(isPrivateUseUri)) {
      yield `${field}: a private-use scheme is for native applications`;
    }
    if (applicationType === 'native' && uris.some(isLoopbackHttpsUri)) {
      yield `${field}: a native application uses http, not https, on the loopback interface (RFC 8252 section 7.3)`;
    }
  }
}

function* schemeProblemsIn(client: Client, admitted: readonly string[]): Generator<string> {
  const { redirectUris, postLogoutRedirectUris } = client;
  for (const [field, uris] of Object.entries({ redirectUris, postLogoutRedirectUris })) {
    for (const uri of uris.filter((each) => !hasAdmittedScheme(each, admitted)))
      yield `${field}: ${uri}: a private-use scheme is named after a domain, such as com.example.app, unless redirectSchemes lists it (RFC 8252 section 7.1)`;
  }
}

/** What a client may ask for when nobody said: who signed in, if anyone can sign in at all. */
function defaultScopeOf(client: { grantTypes: readonly GrantType[] }): readonly string[] {
  if (!actsForPeople(client) && !client.grantTypes.includes(IMPLICIT_GRANT)) return [];
  const basic = ['openid', 'profile', 'email'];
  return client.grantTypes.includes('refresh_token') ? [...basic, 'offline_access'] : basic;
}

/** Only an application that is installed on a device can be reached by a scheme of its own: RFC 8252 section 7.1. */
function applicationTypeOf(
  client: Pick<Client, 'redirectUris' | 'postLogoutRedirectUris'>,
): Client['applicationType'] {
  return [...client.redirectUris, ...client.postLogoutRedirectUris].some(isPrivateUseUri) ? 'native' : 'web';
}

function refuse(problems: readonly string[]): Refusal {
  return new Refusal('invalid_client_metadata', problems.join('; '), { problems });
}
