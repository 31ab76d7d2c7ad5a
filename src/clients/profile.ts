import type { ClientMetadata } from '#src/clients/client-metadata.ts';

/**
 * A profile is a named set of rules, each from a specification, which a client keeps. Some rules follow from metadata
 * that the profile implies, so that a client under it need not repeat them; the others are looked at when a client is
 * registered and again whenever it is used, for settings and rules may have changed in between.
 */
export const PROFILE_NAMES = ['oauth-2.1', 'mcp', 'fapi-2.0-security', 'fapi-2.0-message-signing'] as const;

export type ProfileName = (typeof PROFILE_NAMES)[number];

/** What a profile looks at of a client. */
export interface ProfiledClient {
  readonly authenticationMethod: string;
  readonly applicationType: 'web' | 'native';
  readonly redirectUris: readonly string[];
  readonly grantTypes: readonly string[];
  readonly requirePkce: boolean;
  readonly idTokenSignedResponseAlg: string;
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | null;
  readonly metadata: ClientMetadata;
}

export interface ProfileRule {
  /** What a client does, as a sentence without its subject and full stop. */
  readonly rule: string;
  readonly clause: string;
  /** Metadata is given with what the profile implies. */
  keptBy(client: ProfiledClient): boolean;
}

interface Profile {
  /** Whose rules hold as well. */
  readonly includes: readonly ProfileName[];
  readonly rules: readonly ProfileRule[];
  /** What a client that says nothing of it is taken to have registered. */
  implied(client: ProfiledClient): ClientMetadata;
}

const FAPI_AUTHENTICATION: ReadonlySet<string> = new Set([
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
]);

/** FAPI 2.0 Security Profile section 5.4.1; the two names of EdDSA are of RFC 8037 and RFC 9864. */
const FAPI_ALGORITHMS: ReadonlySet<string> = new Set(['PS256', 'ES256', 'EdDSA', 'Ed25519']);

const FAPI_GRANTS: ReadonlySet<string> = new Set([
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:openid:params:grant-type:ciba',
]);

const JWT_RESPONSE_MODES = ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt'];

const signsAsFapiAsks = (algorithm: string | undefined) =>
  algorithm === undefined || FAPI_ALGORITHMS.has(algorithm);

/** True if clients of these profiles may sign with the algorithm, which only the JWT at hand tells. */
export function algorithmAllowed(profiles: ReadonlySet<ProfileName>, algorithm: unknown): boolean {
  return !profiles.has('fapi-2.0-security') || FAPI_ALGORITHMS.has(String(algorithm));
}

const boundToCertificate = ({ metadata }: ProfiledClient) =>
  metadata.tls_client_certificate_bound_access_tokens === true;

const usesCodeFlow = ({ grantTypes }: ProfiledClient) => grantTypes.includes('authorization_code');

const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?:[:/?]|$)/;

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  'oauth-2.1': {
    includes: [],
    implied: () => ({}),
    rules: [
      {
        rule: 'receives no access token from the authorization endpoint',
        clause: 'OAuth 2.1 section 10.1; RFC 9700 section 2.1.2',
        keptBy: ({ metadata }) =>
          !(metadata.response_types ?? []).some((type) => type.split(' ').includes('token')),
      },
      {
        rule: 'uses PKCE, or is confidential and sends a nonce',
        clause: 'OAuth 2.1 section 7.5.1; RFC 9700 section 2.1.1',
        keptBy: ({ authenticationMethod, requirePkce }) => requirePkce || authenticationMethod !== 'none',
      },
    ],
  },
  mcp: {
    includes: ['oauth-2.1'],
    implied: () => ({}),
    rules: [
      {
        rule: 'uses PKCE with S256, always',
        clause: 'MCP authorization 2025-11-25, authorization code protection',
        keptBy: (client) => !usesCodeFlow(client) || client.requirePkce,
      },
      {
        rule: 'is sent back over https or to the loopback interface',
        clause: 'MCP authorization 2025-11-25, communication security',
        keptBy: ({ redirectUris }) =>
          redirectUris.every((uri) => uri.startsWith('https://') || LOOPBACK.test(uri)),
      },
    ],
  },
  'fapi-2.0-security': {
    includes: ['oauth-2.1'],
    implied: (client) => ({
      ...(usesCodeFlow(client) ? { require_pushed_authorization_requests: true } : undefined),
      ...(boundToCertificate(client) ? undefined : { dpop_bound_access_tokens: true }),
    }),
    rules: [
      {
        rule: 'authenticates by private_key_jwt, tls_client_auth or self_signed_tls_client_auth',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.1',
        keptBy: ({ authenticationMethod }) => FAPI_AUTHENTICATION.has(authenticationMethod),
      },
      {
        rule: 'pushes its authorization requests',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.2',
        keptBy: (client) =>
          !usesCodeFlow(client) || client.metadata.require_pushed_authorization_requests === true,
      },
      {
        rule: 'is answered with a code and nothing else',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.2',
        keptBy: ({ metadata }) => (metadata.response_types ?? ['code']).every((type) => type === 'code'),
      },
      {
        rule: 'uses PKCE with S256, always',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.2',
        keptBy: (client) => !usesCodeFlow(client) || client.requirePkce,
      },
      {
        rule: 'has its access tokens bound to a key, by DPoP or by its certificate',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.1',
        keptBy: (client) => client.metadata.dpop_bound_access_tokens === true || boundToCertificate(client),
      },
      {
        rule: 'is sent back over https; a native application may use the loopback interface',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.2',
        keptBy: ({ applicationType, redirectUris }) =>
          redirectUris.every(
            (uri) => uri.startsWith('https://') || (applicationType === 'native' && LOOPBACK.test(uri)),
          ),
      },
      {
        rule: 'signs, and is signed for, with PS256, ES256 or Ed25519',
        clause: 'FAPI 2.0 Security Profile section 5.4.1',
        keptBy: ({ idTokenSignedResponseAlg, metadata }) =>
          [
            idTokenSignedResponseAlg,
            metadata.token_endpoint_auth_signing_alg,
            metadata.userinfo_signed_response_alg,
            metadata.request_object_signing_alg,
            metadata.authorization_signed_response_alg,
            metadata.introspection_signed_response_alg,
          ].every(signsAsFapiAsks),
      },
      {
        rule: 'has no RSA key of fewer than 2048 bits',
        clause: 'FAPI 2.0 Security Profile section 5.4.1',
        keptBy: ({ jwks }) => (jwks?.keys ?? []).every((key) => key.kty !== 'RSA' || bitsOf(key.n) >= 2048),
      },
      {
        rule: 'uses the code, refresh, client credentials and CIBA grants alone',
        clause: 'FAPI 2.0 Security Profile section 5.3.2.1',
        keptBy: ({ grantTypes }) => grantTypes.every((type) => FAPI_GRANTS.has(type)),
      },
    ],
  },
  'fapi-2.0-message-signing': {
    includes: ['fapi-2.0-security'],
    implied: (client) =>
      usesCodeFlow(client)
        ? {
            require_signed_request_object: true,
            response_modes: JWT_RESPONSE_MODES,
            // JARM section 5 would make it RS256, which the profile does not allow.
            authorization_signed_response_alg: client.idTokenSignedResponseAlg,
          }
        : {},
    rules: [
      {
        rule: 'signs its authorization requests',
        clause: 'FAPI 2.0 Message Signing section 5.3.1',
        keptBy: (client) => !usesCodeFlow(client) || client.metadata.require_signed_request_object === true,
      },
      {
        rule: 'may be answered with signed authorization responses',
        clause: 'FAPI 2.0 Message Signing section 5.4.1',
        keptBy: (client) =>
          !usesCodeFlow(client) ||
          (client.metadata.response_modes ?? JWT_RESPONSE_MODES).some((mode) =>
            JWT_RESPONSE_MODES.includes(mode),
          ),
      },
    ],
  },
};

/** The profiles that hold for a client which was registered for one of them at a server that has one for everybody. */
export function profilesOf(...named: readonly (ProfileName | null)[]): ReadonlySet<ProfileName> {
  const all = new Set<ProfileName>();
  const add = (name: ProfileName) => {
    for (const included of PROFILES[name].includes) add(included);
    all.add(name);
  };
  for (const name of named) if (name !== null) add(name);
  return all;
}

/** A client's metadata with what its profiles imply; what the client says itself counts. */
export function impliedMetadata(client: ProfiledClient, profiles: ReadonlySet<ProfileName>): ClientMetadata {
  const implied = [...profiles].map((name) => PROFILES[name].implied(client));
  return Object.assign({}, ...implied, client.metadata) as ClientMetadata;
}

/** The rules, of those that a client is held to unless others are named, which it does not keep as things are. */
export function brokenProfileRules(
  client: ProfiledClient,
  heldTo: ReadonlySet<ProfileName>,
  asked: ReadonlySet<ProfileName> = heldTo,
): readonly ProfileRule[] {
  const complete = { ...client, metadata: impliedMetadata(client, heldTo) };
  return [...asked].flatMap((name) => PROFILES[name].rules).filter((rule) => !rule.keptBy(complete));
}

/** The length of a number in base64url, in bits, leading zeros left out: RFC 7518 section 6.3.1.1. */
function bitsOf(base64url: unknown): number {
  if (typeof base64url !== 'string') return 0;
  const bytes = Buffer.from(base64url, 'base64url');
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first === -1) return 0;
  return (bytes.length - first) * 8 - Math.clz32(bytes[first] as number) + 24;
}
