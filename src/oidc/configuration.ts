import type { ClientAuthMethod, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { authorizationAnswersOf } from '#src/clients/authorization-answers.ts';
import { OPENID_SCOPES } from '#src/clients/scope.ts';
import { accountFinder, CLAIMS } from '#src/oidc/account-claims.ts';
import { defaultAlgorithms, enabledAlgorithms } from '#src/oidc/algorithms.ts';
import { answeringAlike, backchannelFeatureOf } from '#src/oidc/backchannel-authentication.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { assertionRules, proofAlgorithms, proofFeatures } from '#src/oidc/client-proofs.ts';
import { cookiesOf } from '#src/oidc/cookies.ts';
import { deviceFlowOf } from '#src/oidc/device-flow.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { grantLoader } from '#src/oidc/grants.ts';
import { interactionPolicyOf } from '#src/oidc/interaction-policy.ts';
import { notingResult } from '#src/oidc/introspection-result.ts';
import { ttlOf } from '#src/oidc/lifetimes.ts';
import { withoutOwnResource } from '#src/oidc/own-resource.ts';
import { protocolAdapter } from '#src/oidc/protocol-adapter.ts';
import type { ProviderDependencies } from '#src/oidc/provider-dependencies.ts';
import { requestFeatures } from '#src/oidc/request-features.ts';
import { type ResourcePolicy, usesGrantedResource } from '#src/oidc/resource-policy.ts';
import type { RichAuthorizationRequests } from '#src/oidc/rich-authorization-requests.ts';
import { SigningSlot } from '#src/oidc/signing-slot.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import {
  corsAllowed,
  introspectionAllowed,
  pkceRequired,
  revocationAllowed,
} from '#src/oidc/token-policy.ts';

/** The largest document that is read of what a client publishes elsewhere. */
const FETCHED_BYTES_MAX = 64 * 1024;

/** Where a person is sent to sign in or to consent. */
const interactionPath = (uid: string) => `/interaction/${uid}`;

/** Everything that the library can be told by settings of its own. */
export function configurationOf(
  deps: ProviderDependencies,
  registered: RegisteredClients,
  resources: ResourcePolicy,
  details: RichAuthorizationRequests,
): Configuration {
  const { pages } = deps;
  const answers = authorizationAnswersOf(deps.requests);
  return {
    adapter: protocolAdapter(deps),
    jwks: {
      keys: [
        ...deps.signingAlgorithms.map((alg) => new SigningSlot(alg, deps.keys)),
        deps.decryptionKey.privateJwk,
      ],
    },
    routes: ROUTES,
    cookies: cookiesOf(deps.issuer, deps.cookieKeys),
    ttl: ttlOf(deps.lifetimes, deps.clock),
    claims: CLAIMS,
    scopes: [...OPENID_SCOPES],
    responseTypes: [...answers.responseTypes] as NonNullable<Configuration['responseTypes']>,
    acrValues: [...answers.acrValues],
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: async (_ctx, accountId, client) => subjectFor(client, accountId, deps.pairwise),
    clientAuthMethods: [...(deps.clients.authenticationMethods as ClientAuthMethod[])],
    clockTolerance: deps.proofs.clockSkewMax,
    assertJwtClientAuthClaimsAndHeader: assertionRules({ ...deps, registered }),
    clientDefaults: defaultAlgorithms(deps.algorithms),
    enabledJWA: { ...enabledAlgorithms(deps.algorithms), ...proofAlgorithms(deps.proofs) },
    allowOmittingSingleRegisteredRedirectUri: false,
    // Many clients look nowhere else for a name. OpenID Connect Core section 5.4 lets ID tokens carry the claims of the
    // scopes, and in the code flow none travels through the browser.
    conformIdTokenClaims: false,
    // What a client may do on behalf of a person is decided by its registration, whether or not the person is present.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    // FAPI 2.0 Security Profile section 5.3.2.1: tokens are bound to a key there, and a rotation could only be lost.
    rotateRefreshToken: ({ oidc }) =>
      oidc.client === undefined || !registered.profilesOf(oidc.client).has('fapi-2.0-security'),
    // What a grant of ours made the token say is kept with it.
    extraTokenClaims: async (_ctx, token) => (token as { extra?: Record<string, unknown> }).extra,
    // Authorizations end with their session by themselves.
    expiresWithSession: async () => false,
    pkce: { required: pkceRequired(registered) },
    clientBasedCORS: corsAllowed,
    loadExistingGrant: grantLoader(deps),
    findAccount: answeringAlike(accountFinder(deps.findAccount)),
    interactions: {
      policy: interactionPolicyOf(deps.lifetimes, deps.clock, [deps.requests.passwordAcr]),
      url: async (_ctx, interaction) => interactionPath(interaction.uid),
    },
    renderError: (ctx, out, error) => pages.renderError(ctx, out, error),
    fetch: deps.fetch,
    fetchResponseBodyLimits: { jwks_uri: FETCHED_BYTES_MAX, sector_identifier_uri: FETCHED_BYTES_MAX },
    extraParams: { resource: withoutOwnResource(deps.issuer) },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      ciba: backchannelFeatureOf(deps),
      clientCredentials: { enabled: true },
      deviceFlow: deviceFlowOf(deps),
      encryption: { enabled: true },
      ...proofFeatures({ ...deps, registered }),
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      introspection: {
        enabled: true,
        allowedPolicy: notingResult(introspectionAllowed(registered)) as () => boolean,
      },
      ...requestFeatures(deps),
      jwtIntrospection: { enabled: true },
      jwtUserinfo: { enabled: true },
      richAuthorizationRequests: details.feature(),
      resourceIndicators: {
        enabled: true,
        defaultResource: ((ctx: KoaContextWithOIDC, client: never, granted?: string[]) =>
          resources.choose(ctx, client, granted)) as () => Promise<string>,
        getResourceServerInfo: (ctx, identifier, client) => resources.describe(ctx, identifier, client),
        useGrantedResource: usesGrantedResource as () => boolean,
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
