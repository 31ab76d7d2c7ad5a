import { Provider } from 'oidc-provider';
import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import type { BackchannelRequests } from '#src/backchannel/backchannel-request.ts';
import type { Client } from '#src/clients/client.ts';
import { BY_ADMINISTRATOR, type RegisteredBy } from '#src/clients/registered-by.ts';
import type { Redirect, Shortcut } from '#src/http/shortcut.ts';
import { teachAccessTokens } from '#src/oidc/access-token-model.ts';
import { tokenClaimsOf } from '#src/oidc/account-claims.ts';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import { AuthorizationCodes } from '#src/oidc/authorization-codes.ts';
import { teachBackChannelLogout } from '#src/oidc/back-channel-logout.ts';
import { teachBackchannelRequests } from '#src/oidc/backchannel-request-model.ts';
import { LibraryBackchannelRequests, PING_TOPIC } from '#src/oidc/backchannel-requests.ts';
import { BegunInteractions } from '#src/oidc/begun-interactions.ts';
import { assertEncryptable } from '#src/oidc/client-keys.ts';
import { RegisteredClients } from '#src/oidc/client-model.ts';
import { teachCodesAndReplays } from '#src/oidc/code-and-replay-models.ts';
import { configurationOf } from '#src/oidc/configuration.ts';
import { teachDeviceCodes } from '#src/oidc/device-code-model.ts';
import { directAuthorization } from '#src/oidc/direct/authorization.ts';
import { directAnswers } from '#src/oidc/direct/direct-answers.ts';
import { SignedCookie } from '#src/oidc/direct/signed-cookie.ts';
import { teachEndpointAliases } from '#src/oidc/endpoint-aliases.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { teachIdTokens } from '#src/oidc/id-token-model.ts';
import { registerJwtBearer } from '#src/oidc/jwt-bearer-grant.ts';
import { refreshLifetimesOf } from '#src/oidc/lifetimes.ts';
import { OpaqueTokens } from '#src/oidc/opaque-tokens.ts';
import { protocolAdapter } from '#src/oidc/protocol-adapter.ts';
import type { ProviderDependencies } from '#src/oidc/provider-dependencies.ts';
import { teachPushedRequests } from '#src/oidc/pushed-request-model.ts';
import { teachRefreshTokens } from '#src/oidc/refresh-token-model.ts';
import { ResourcePolicy } from '#src/oidc/resource-policy.ts';
import { RichAuthorizationRequests } from '#src/oidc/rich-authorization-requests.ts';
import { servableClients } from '#src/oidc/servable-client.ts';
import { teachSessions } from '#src/oidc/session-model.ts';
import { registerTokenExchange } from '#src/oidc/token-exchange-grant.ts';
import type { Send } from '#src/outbox/dispatcher.ts';
import { SIGN_OUT_TOPIC } from '#src/sessions/sessions.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { PollingPace } from '#src/throttle/polling-pace.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The protocol, and what sends the deliveries that it posts, by their topic. */
export interface Protocol {
  readonly provider: Provider;
  readonly senders: Readonly<Record<string, Send>>;
  /** @throws Refusal `invalid_client_metadata` for a client that could not be served as it is described. */
  assertServable(client: Client): Promise<void>;
  readonly backchannelRequests: BackchannelRequests;
  readonly begun: BegunInteractions;
  /** What answers without the library. */
  readonly shortcuts: ReadonlyMap<string, Shortcut>;
  readonly redirects: ReadonlyMap<string, Redirect>;
  /** How one of the library's clients came to be known here. */
  whoRegistered(client: object): RegisteredBy;
  /** What one of the library's clients has registered; `null` for a resource server. */
  application(client: object): Client | null;
}

/** The library, configured by Keyturn's policies and taught Keyturn's tokens. */
export function createProvider(deps: ProviderDependencies): Protocol {
  const registered = new RegisteredClients(deps);
  const details = new RichAuthorizationRequests({
    detailTypes: deps.detailTypes,
    charsMax: deps.requests.authorizationDetailsMax,
  });
  const { lifetimes } = deps;
  const resources = new ResourcePolicy({ ...deps, registered, details, lifetimes });
  const provider = new Provider(deps.issuer, configurationOf(deps, registered, resources, details));
  registered.teach(provider);
  if (deps.proofs.mtlsOrigin !== null) teachEndpointAliases(provider, deps.proofs.mtlsOrigin);
  teachIdTokens(provider, deps);
  const assertAnswerable: AssertAnswerable = async (ctx, granted) => {
    // A code that is used up when nothing can be signed would cost a sign-in.
    await deps.keys.assertSigning();
    details.assertGranted(ctx, granted.rar as readonly AuthorizationDetail[] | undefined);
    await resources.assertObtainable(ctx, granted);
    if (ctx.oidc.client !== undefined) await assertEncryptable(ctx.oidc.client);
  };
  teachPushedRequests(provider, { clock: deps.clock, lifetime: deps.requests.pushedLifetime });
  nameIssuer(provider);
  teachCodesAndReplays(provider, { ...deps, assertAnswerable });
  teachSessions(provider, deps);
  const begun = new BegunInteractions({ ...deps, lifetime: lifetimes.interaction });
  begun.teach(provider);
  const pending = { ...deps, pollingPace: new PollingPace(deps.records), assertAnswerable };
  teachDeviceCodes(provider, { ...pending, pollingInterval: deps.deviceAuthorization.pollingInterval });
  teachBackchannelRequests(provider, { ...pending, pollingInterval: deps.backchannel.pollingInterval });
  const signer = (alg: SigningAlgorithm) => deps.keys.signer(alg);
  const codes = new AuthorizationCodes({ adapter: protocolAdapter(deps) });
  const opaqueTokens = new OpaqueTokens({ adapter: protocolAdapter(deps), random: deps.random });
  const ownAlgorithm = deps.signingAlgorithms[0] as SigningAlgorithm;
  teachAccessTokens(provider, {
    ...deps,
    ownAlgorithm,
    signer,
    isStatusListed: (described) => resources.of(described).statusList,
    accountClaims: (described, accountId) =>
      tokenClaimsOf(resources.of(described), () => deps.findAccount(accountId)),
  });
  const refreshing = {
    ...deps,
    lifetimes: { ...lifetimes, ...refreshLifetimesOf(lifetimes) },
    refreshKeyAt: (time: EpochSeconds) => deps.keys.refreshKeyAt(time),
    readRing: () => deps.keys.readRing(),
  };
  teachRefreshTokens(provider, { ...refreshing, assertAnswerable });
  registerTokenExchange(provider, registered, resources, deps);
  registerJwtBearer(provider, registered, deps);
  provider.on('grant.success', ({ oidc }) => {
    const client = oidc.client === undefined ? null : registered.application(oidc.client);
    if (client !== null) deps.onClientUsed(client, String(oidc.params?.grant_type));
  });
  provider.on('authorization.success', ({ oidc }, answer) => {
    const client = oidc.client === undefined ? null : registered.application(oidc.client);
    if (client === null || answer === undefined) return;
    if (answer.code !== undefined) deps.onCodeIssued(client);
    if (answer.access_token !== undefined || answer.id_token !== undefined)
      deps.onClientUsed(client, 'implicit');
  });
  const whoRegistered = (client: object) => registered.application(client)?.registeredBy ?? BY_ADMINISTRATOR;
  const backchannelRequests = new LibraryBackchannelRequests(provider, { ...deps, whoRegistered });
  const sessionCookie = new SignedCookie(provider.cookieName('session'), deps.cookieKeys);
  const authorization = directAuthorization({ ...deps, provider, registered, sessionCookie });
  return {
    provider,
    assertServable: servableClients(provider, registered),
    whoRegistered,
    application: (client) => registered.application(client),
    begun,
    shortcuts: directAnswers({
      ...refreshing,
      provider,
      registered,
      codes,
      opaqueTokens,
      ownAlgorithm,
      signer,
    }),
    redirects: new Map([[ROUTES.authorization, authorization]]),
    backchannelRequests,
    senders: {
      [PING_TOPIC]: backchannelRequests.sendPing,
      [SIGN_OUT_TOPIC]: teachBackChannelLogout(provider, deps),
    },
  };
}

/**
 * The library leaves `iss` out of an answer whose ID token says it; a client that was told that there is one in every
 * answer refuses one without. RFC 9207 section 2.
 */
function nameIssuer(provider: Provider): void {
  provider.on('authorization.success', (ctx, answer) => {
    // A device that was approved is answered at the token endpoint.
    if (answer === undefined) return;
    if (!ctx.oidc.params?.response_mode?.toString().includes('jwt'))
      Object.assign(answer as object, { iss: provider.issuer });
  });
}
