import { type Configuration, interactionPolicy, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { type Account, claimsOf, standsSince } from '#src/accounts/account.ts';
import { CLIENT_AUTHENTICATION_METHODS } from '#src/clients/client.ts';
import { OPENID_SCOPES } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import type { Consents } from '#src/interaction/consent.ts';
import { teachAccessTokens } from '#src/oidc/access-token-model.ts';
import { type ClientDependencies, RegisteredClients } from '#src/oidc/client-model.ts';
import { teachCodesAndSessions } from '#src/oidc/code-and-session-models.ts';
import { grantLoader } from '#src/oidc/grants.ts';
import { teachIdTokens } from '#src/oidc/id-token-model.ts';
import { protocolAdapter } from '#src/oidc/protocol-adapter.ts';
import type { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import { type RefreshTokenDependencies, teachRefreshTokens } from '#src/oidc/refresh-token-model.ts';
import { ResourcePolicy } from '#src/oidc/resource-policy.ts';
import { SigningSlot } from '#src/oidc/signing-slot.ts';
import {
  corsAllowed,
  introspectionAllowed,
  pkceRequired,
  revocationAllowed,
} from '#src/oidc/token-policy.ts';
import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import type { StandingSources } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { after, between, epochSeconds, type Seconds } from '#src/units.ts';

/** Where the endpoints are. Clients learn it from the metadata. */
export const ROUTES = {
  authorization: '/authorize',
  end_session: '/logout',
  introspection: '/introspect',
  jwks: '/jwks',
  pushed_authorization_request: '/par',
  revocation: '/revoke',
  token: '/token',
  userinfo: '/userinfo',
} as const;

/** Where a person is sent to sign in or to consent. */
const interactionPath = (uid: string) => `/interaction/${uid}`;

/** Which claims each scope of OpenID Connect Core section 5.4 asks for, of those that accounts have. */
const CLAIMS = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
};

export interface ProviderDependencies extends ClientDependencies {
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly records: Records;
  readonly keys: KeyHolder;
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  readonly cookieKeys: readonly string[];
  readonly authorizations: Authorizations;
  readonly consents: Consents;
  readonly reader: TokenReader;
  readonly standing: StandingSources;
  readonly pages: ProtocolPages;
  readonly lifetimes: ProviderLifetimes;
  readonly onReuse: RefreshTokenDependencies['onReuse'];
  findAccount(subject: string): Promise<Account | null>;
  /** Fetches what a client published elsewhere, within the limits that the settings draw. */
  readonly fetch: NonNullable<Configuration['fetch']>;
}

export interface ProviderLifetimes {
  readonly accessToken: Seconds;
  readonly accessTokenMax: Seconds;
  readonly authorizationCode: Seconds;
  readonly idToken: Seconds;
  readonly interaction: Seconds;
  readonly session: Seconds;
  readonly refreshIdle: Seconds;
  readonly refreshAbsolute: Seconds;
  readonly refreshGrace: Seconds;
}

/** The library, configured by Keyturn's policies and taught Keyturn's tokens. */
export function createProvider(deps: ProviderDependencies): Provider {
  const registered = new RegisteredClients(deps);
  const resources = new ResourcePolicy({ resources: deps.resources, registered, lifetimes: deps.lifetimes });
  const provider = new Provider(deps.issuer, configurationOf(deps, registered, resources));
  registered.teach(provider);
  teachIdTokens(provider, { issuer: deps.issuer, keys: deps.keys });
  const assertResource: RefreshTokenDependencies['assertResource'] = (ctx, granted) =>
    resources.assertObtainable(ctx, granted);
  teachCodesAndSessions(provider, { ...deps, assertResource });
  teachAccessTokens(provider, {
    ...deps,
    ownAlgorithm: deps.signingAlgorithms[0] as SigningAlgorithm,
    signer: (alg) => deps.keys.signer(alg),
  });
  teachRefreshTokens(provider, {
    ...deps,
    lifetimes: {
      idle: deps.lifetimes.refreshIdle,
      absolute: deps.lifetimes.refreshAbsolute,
      grace: deps.lifetimes.refreshGrace,
    },
    refreshKeyAt: (time) => deps.keys.refreshKeyAt(time),
    assertResource,
  });
  return provider;
}

function configurationOf(
  deps: ProviderDependencies,
  registered: RegisteredClients,
  resources: ResourcePolicy,
): Configuration {
  const { pages } = deps;
  return {
    adapter: protocolAdapter(deps),
    jwks: { keys: deps.signingAlgorithms.map((alg) => new SigningSlot(alg, deps.keys)) },
    routes: ROUTES,
    cookies: cookiesOf(deps),
    ttl: ttlOf(deps),
    claims: CLAIMS,
    scopes: [...OPENID_SCOPES],
    responseTypes: ['code'],
    subjectTypes: ['public'],
    clientAuthMethods: [...CLIENT_AUTHENTICATION_METHODS],
    clientDefaults: { id_token_signed_response_alg: deps.signingAlgorithms[0] as 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: [...deps.signingAlgorithms] as 'ES256'[] },
    allowOmittingSingleRegisteredRedirectUri: false,
    // Many clients look nowhere else for a name. OpenID Connect Core section 5.4 lets ID tokens carry the claims of the
    // scopes, and in the code flow none travels through the browser.
    conformIdTokenClaims: false,
    // What a client may do on behalf of a person is decided by its registration, whether or not the person is present.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    // Authorizations end with their session by themselves.
    expiresWithSession: async () => false,
    pkce: { required: pkceRequired(registered) },
    clientBasedCORS: corsAllowed,
    loadExistingGrant: grantLoader(deps),
    findAccount: async (ctx, subject, token) => {
      const account = await deps.findAccount(subject);
      // A code says when its person signed in; access and refresh tokens have been asked about that already.
      const { authTime = undefined } = (token ?? {}) as { authTime?: number };
      const signedInAt = authTime ?? ctx.oidc.session?.authTime();
      const stands =
        signedInAt === undefined
          ? account?.state === 'active'
          : standsSince(account, epochSeconds(signedInAt));
      if (account === null || !stands) return undefined;
      return { accountId: account.subject, claims: async () => ({ ...claimsOf(account) }) };
    },
    interactions: {
      policy: interactionPolicyOf(deps),
      url: async (_ctx, interaction) => interactionPath(interaction.uid),
    },
    renderError: (ctx, out, error) => pages.renderError(ctx, out, error),
    fetch: deps.fetch,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      introspection: { enabled: true, allowedPolicy: introspectionAllowed(registered) as () => boolean },
      pushedAuthorizationRequests: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: ((ctx: KoaContextWithOIDC, client: never, granted?: string[]) =>
          resources.choose(ctx, client, granted)) as () => Promise<string>,
        getResourceServerInfo: (ctx, identifier, client) => resources.describe(ctx, identifier, client),
        useGrantedResource: async () => true,
      },
      revocation: { enabled: true, allowedPolicy: revocationAllowed as () => boolean },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx) => pages.renderSignOut(ctx),
        postLogoutSuccessSource: (ctx) => pages.renderSignedOut(ctx),
      },
      userinfo: { enabled: true },
    },
  };
}

/** How long the library lets things live, in seconds. */
function ttlOf({ lifetimes, clock }: ProviderDependencies): NonNullable<Configuration['ttl']> {
  const accessTokenTtl = (
    _ctx: unknown,
    token: { resourceServer?: { accessTokenTTL?: number | undefined } | undefined },
  ) => token.resourceServer?.accessTokenTTL ?? lifetimes.accessToken;
  return {
    AccessToken: accessTokenTtl,
    ClientCredentials: accessTokenTtl,
    AuthorizationCode: lifetimes.authorizationCode,
    Grant: lifetimes.refreshAbsolute,
    IdToken: lifetimes.idToken,
    Interaction: lifetimes.interaction,
    RefreshToken: lifetimes.refreshIdle,
    // The library asks at every use, and a use is no sign-in. Without one, a session is but the memory of a question.
    Session: (_ctx, { loginTs }) =>
      loginTs === undefined
        ? Math.min(lifetimes.interaction, lifetimes.session)
        : Math.max(1, between(clock.now(), sessionEndsAt(loginTs, lifetimes))),
  };
}

/**
 * Cookies that no page can read and no other site can send along. Under https no other host can set the one of the
 * session; those of one interaction are bound to its path, which `__Host-` does not allow, and a host of the same
 * registrable domain could set them.
 */
function cookiesOf({ issuer, cookieKeys }: ProviderDependencies): NonNullable<Configuration['cookies']> {
  const secure = issuer.startsWith('https:');
  const options = { httpOnly: true, sameSite: 'lax', signed: true, secure } as const;
  return {
    keys: [...cookieKeys],
    long: options,
    short: options,
    names: {
      session: secure ? '__Host-keyturn-session' : 'keyturn-session',
      interaction: secure ? '__Secure-keyturn-interaction' : 'keyturn-interaction',
      resume: secure ? '__Secure-keyturn-resume' : 'keyturn-resume',
    },
  };
}

const sessionEndsAt = (signedInAt: number, lifetimes: ProviderLifetimes) =>
  after(epochSeconds(signedInAt), lifetimes.session);

/**
 * The library's policy; a new sign-in where one was too long ago, or its account has been locked or removed; and a
 * question for every resource server that the person has not been asked about, scopes or none.
 */
function interactionPolicyOf({ lifetimes, clock }: ProviderDependencies) {
  const policy = interactionPolicy.base();
  const { checks } = policy.get('login') ?? {};
  checks?.add(
    new interactionPolicy.Check(
      'account_unavailable',
      'the account of this session is not available',
      'login_required',
      (ctx) => ctx.oidc.session?.accountId !== undefined && ctx.oidc.account === undefined,
    ),
  );
  checks?.add(
    new interactionPolicy.Check('session_over', 'the session is over', 'login_required', (ctx) => {
      const signedInAt = ctx.oidc.session?.authTime();
      return signedInAt !== undefined && sessionEndsAt(signedInAt, lifetimes) <= clock.now();
    }),
  );
  policy.get('consent')?.checks.add(
    new interactionPolicy.Check(
      'resource_not_agreed',
      'a resource server is asked for that was not agreed to',
      'consent_required',
      ({ oidc }) => {
        const agreed = (oidc.grant as { resources?: object } | undefined)?.resources ?? {};
        return Object.keys(oidc.resourceServers ?? {}).some(
          (identifier) => !Object.hasOwn(agreed, identifier),
        );
      },
    ),
  );
  return policy;
}
