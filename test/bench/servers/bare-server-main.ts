/**
 * The library alone, as its documentation has it, with the in-memory adapter that it has when it is given none: what
 * Keyturn is measured against. The same features are on, and its tokens are signed by the same algorithms and live as
 * long. It keeps nothing on disk, seals nothing, and does not log.
 *
 *     node test/bench/servers/bare-server-main.ts PORT
 */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { type ClientMetadata, type Configuration, errors, Provider } from 'oidc-provider';
import { BARE_CLIENTS } from '#test/bench/servers/bare-clients.ts';
import { APIS, CALLBACK, identifierOf, scopeOf } from '#test/bench/servers/served.ts';

const port = Number(process.argv[2]);

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const;

const KEYS = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

const minutes = (count: number) => count * 60;
const days = (count: number) => count * 86_400;

const secretOf = ({ id, secret }: { readonly id: string; readonly secret: string }) => ({
  client_id: id,
  client_secret: secret,
});

const withoutRedirects = { redirect_uris: [], response_types: [] } satisfies Partial<ClientMetadata>;

const clients: ClientMetadata[] = [
  {
    ...secretOf(BARE_CLIENTS.service),
    ...withoutRedirects,
    grant_types: ['client_credentials'],
  },
  ...[BARE_CLIENTS.web, BARE_CLIENTS.rotating].map((web) => ({
    ...secretOf(web),
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    id_token_signed_response_alg: 'ES256' as const,
  })),
  ...APIS.map((api) => ({
    ...secretOf(BARE_CLIENTS.apis[api]),
    ...withoutRedirects,
    grant_types: [],
  })),
];

const formatOf = (api: (typeof APIS)[number]) =>
  api === 'opaque'
    ? ({ accessTokenFormat: 'opaque' } as const)
    : ({ accessTokenFormat: 'jwt', jwt: { sign: { alg: ALGORITHM_OF[api] } } } as const);

const ALGORITHM_OF = { es256: 'ES256', eddsa: 'EdDSA', rs256: 'RS256' } as const;

const RESOURCES = new Map(
  APIS.map((api) => [
    identifierOf(api),
    {
      scope: scopeOf(api),
      audience: identifierOf(api),
      accessTokenTTL: minutes(5),
      ...formatOf(api),
    },
  ]),
);

const configuration: Configuration = {
  clients,
  jwks: {
    keys: ALGORITHMS.map((alg) => ({
      ...KEYS[alg]().privateKey.export({ format: 'jwk' }),
      alg,
      kid: alg,
      use: 'sig',
    })) as never,
  },
  cookies: { keys: ['the key that cookies are signed with'] },
  scopes: ['openid', 'offline_access'],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt'],
  enabledJWA: { idTokenSigningAlgValues: ['ES256', 'EdDSA', 'RS256'] },
  conformIdTokenClaims: false,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: ({ oidc }) => oidc.client?.clientId === BARE_CLIENTS.rotating.id,
  expiresWithSession: async () => false,
  pkce: { required: () => true },
  findAccount: async (_ctx, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      name: id,
      preferred_username: id,
      email: `${id}@example.com`,
      email_verified: true,
    }),
  }),
  ttl: {
    AccessToken: minutes(5),
    AuthorizationCode: 60,
    ClientCredentials: minutes(5),
    Grant: days(90),
    IdToken: minutes(10),
    Interaction: minutes(30),
    RefreshToken: days(14),
    Session: days(1) / 2,
  },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7) },
    encryption: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, identifier) => {
        const resource = RESOURCES.get(identifier);
        if (resource === undefined) throw new errors.InvalidTarget();
        return resource;
      },
    },
  },
};

// It tells of what is not meant for production, such as the sign-in of its examples.
process.stdout.write = () => true;
process.stderr.write = () => true;
const server = new Provider(`http://localhost:${port}`, configuration).listen(port, '127.0.0.1');
await once(server, 'listening');
process.once('SIGTERM', () => process.exit(0));
