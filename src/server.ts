import { fileURLToPath } from 'node:url';
import Koa, { type Context } from 'koa';
import type { Logger } from 'pino';
import { accountRoutes } from '#src/account-page/routes.ts';
import type { Account } from '#src/accounts/account.ts';
import type { Config } from '#src/config/schema.ts';
import { Refusal } from '#src/fault.ts';
import { loadAssets } from '#src/http/assets.ts';
import { trustedPeers } from '#src/http/client-address.ts';
import { failures } from '#src/http/failure.ts';
import { frontPage } from '#src/http/front-page.ts';
import { type Locales, loadLocales } from '#src/http/locale.ts';
import { createPages, type Pages } from '#src/http/pages.ts';
import { pinOrigin } from '#src/http/pinned-origin.ts';
import { listenOnPorts, type PortOptions } from '#src/http/ports.ts';
import { probes } from '#src/http/probes.ts';
import { requestLog } from '#src/http/request-log.ts';
import { securityHeaders } from '#src/http/security-headers.ts';
import { AntiForgery } from '#src/interaction/anti-forgery.ts';
import { Consents } from '#src/interaction/consent.ts';
import { interactionRoutes } from '#src/interaction/routes.ts';
import { accountVisitors, describeClient } from '#src/oidc/account-visitors.ts';
import { Attestations } from '#src/oidc/attestations.ts';
import type { ClientProofs } from '#src/oidc/client-proofs.ts';
import { discoveryDocument } from '#src/oidc/discovery.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { libraryInteractions } from '#src/oidc/library-interactions.ts';
import { outgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { protocol } from '#src/oidc/protocol.ts';
import { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import { createProvider, type Protocol } from '#src/oidc/provider.ts';
import { publicDocuments } from '#src/oidc/public-documents.ts';
import { publishedKeys } from '#src/oidc/published-keys.ts';
import { subjectNames } from '#src/oidc/subjects.ts';
import { type Attempt, Dispatcher } from '#src/outbox/dispatcher.ts';
import { openPushed, type Pushed, pushedRoutes } from '#src/pushed.ts';
import { REGISTRATION_PATH } from '#src/registration/routes.ts';
import { responseAlgorithmsOf, type Services, type Surroundings } from '#src/services.ts';
import { decryptionKeyOf, withDecryptionKey } from '#src/signing/decryption-key.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { startSweeping } from '#src/sweeping.ts';
import { PendingLimit } from '#src/throttle/pending-limit.ts';
import { SignInThrottle } from '#src/throttle/sign-in-throttle.ts';
import { UserCodeThrottle } from '#src/throttle/user-code-throttle.ts';
import { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { TokenReader } from '#src/tokens/token-reader.ts';
import { uninvitedClients } from '#src/uninvited-clients.ts';

/** A running server. Disposing it lets requests finish; the services that it was given stay open. */
export type RunningServer = AsyncDisposable;

const viewsDirectory = fileURLToPath(new URL('../views', import.meta.url));

/** @throws SetupFault when the address cannot be had. */
export async function startServer(
  services: Services,
  { clock, random, log }: Surroundings & { readonly log: Logger },
): Promise<RunningServer> {
  const { config, store } = services;
  await using started = new AsyncDisposableStack();
  const onFault = (error: unknown) =>
    log.error({ err: error }, 'background work failed and will be tried again');
  const keys = started.use(
    new KeyHolder({
      rotation: services.rotation,
      clock,
      onFault,
      onMaintained: (steps) => log.info({ steps }, 'signing keys changed'),
    }),
  );
  keys.start();
  started.use(startSweeping({ records: store.records, ...config.sweep, onFault }));
  const pushed = started.use(openPushed(services, { clock, random, onFault }));
  const stopping = new AbortController();
  const { app, senders } = await createApp(services, keys, {
    clock,
    random,
    log,
    pushed,
    stopping: stopping.signal,
  });
  const { outbox } = services;
  const { records } = store;
  const deliveries = {
    ...config.outbox,
    outbox,
    records,
    clock,
    senders,
    onAttempt: deliveryLog(log),
    onFault,
  };
  started.use(new Dispatcher(deliveries)).start();
  const server = await listenOnPorts(app.callback(), {
    ...config.http,
    addresses: config.host,
    port: config.port,
    tls: tlsOf(config, log),
  });
  started.defer(async () => {
    stopping.abort();
    await server.stop(config.http.stopGrace);
  });
  const running = started.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}

type AppOptions = Surroundings & {
  readonly log: Logger;
  readonly pushed: Pushed;
  /** From when on no request should be sent here any more. */
  readonly stopping: AbortSignal;
};

async function createApp(
  services: Services,
  keys: KeyHolder,
  { clock, random, log, pushed, stopping }: AppOptions,
): Promise<{ app: Koa; senders: Protocol['senders'] }> {
  const { config, store } = services;
  const { issuer } = config;
  const locales = loadLocales(`${viewsDirectory}/locales`);
  const assets = loadAssets(`${viewsDirectory}/assets`);
  const pages = createPages({ viewsDirectory, locales, assets, serverName: new URL(issuer).host });
  const consents = new Consents(store.records);
  const protocolPages = new ProtocolPages({
    pages,
    locales,
    accountName: (subject) => accountName(services, subject),
  });
  const cookieKeys = [store.derive('cookies').toString('base64url')];
  const pairwise = new PairwiseSubjects(store.derive('pairwise subjects'));
  const decryptionKey = decryptionKeyOf(store.derive('request object decryption'));
  const fetch = outgoingFetch({
    allowPrivateNetwork: config.allowPrivateNetwork,
    timeout: config.http.outgoingTimeout,
  });
  const { metadataDocuments, noteUse, routes } = uninvitedClients(services, { clock, random, fetch });
  const oidc = createProvider({
    ...services,
    issuer,
    clock,
    random,
    records: store.records,
    secrets: services.clientSecrets,
    profile: config.profile,
    keys,
    signingAlgorithms: config.keys.algorithms,
    algorithms: responseAlgorithmsOf(config),
    cookieKeys,
    consents,
    pairwise,
    decryptionKey,
    statusLists: pushed.statusLists,
    reader: new TokenReader({ keys, issuer, clock }),
    proofs: clientProofsOf(services),
    pages: protocolPages,
    lifetimes: config.lifetimes,
    requests: config.requests,
    detailTypes: config.detailTypes,
    findAccount: (subject) => services.accounts.findBySubject(subject),
    onClientUsed: (client) => {
      noteUse(client).catch((error) => log.error({ err: error }, 'the use of a client was not noted'));
    },
    deviceAuthorization: config.deviceAuthorization,
    backchannel: config.backchannel,
    pendingLimit: new PendingLimit({
      records: store.records,
      clock,
      waitingPerAccount: config.throttle.backchannelWaiting,
      askedPerClient: config.throttle.backchannelAsked,
      window: config.throttle.backchannelWindow,
    }),
    onBackchannelRequest: (notice) => log.info(notice, 'backchannel authentication request'),
    userCodeThrottle: new UserCodeThrottle({
      records: store.records,
      clock,
      wrongPerAddress: config.throttle.userCodesWrongPerAddress,
      wrongOverall: config.throttle.userCodesWrong,
      window: config.throttle.userCodeWindow,
    }),
    onReuse: (detail) => log.warn(detail, 'a used refresh token came back, its family has ended'),
    onExchange: (detail) => log.info(detail, 'token exchanged'),
    keyFetching: {
      keysMaxAge: config.http.fetchedKeysMaxAge,
      retryAfter: config.http.fetchRetryAfter,
    },
    onAssertion: (detail) => log.info(detail, 'assertion taken for a token'),
    clockSkewMax: config.keys.clockSkewMax,
    metadataDocuments,
    fetch,
  });
  const { provider, senders, assertServable } = oidc;
  const app = new Koa();
  app.keys = cookieKeys;
  for (const each of [app, provider]) pinOrigin(each, { issuer, trustProxy: config.trustProxy });
  app.on('error', (error) => log.warn({ err: error }, 'a response could not be sent'));

  const onFault = (ctx: Context, error: unknown) =>
    log.error({ err: error, requestId: ctx.state.requestId }, 'request failed');
  app.use(requestLog(log));
  app.use(securityHeaders({ issuer }));
  app.use(failures({ pages, locales, onFault }));
  app.use(probes({ ping: () => store.records.ping(), stopping: () => stopping.aborted }));
  app.use(assets.middleware);
  const discovery = await discoveryDocument(provider, {
    languages: locales.languages,
    mtlsOrigin: mtlsOriginOf(config),
    metadataDocuments: config.metadataDocuments.policy !== 'off',
    registrationEndpoint: config.registration === 'closed' ? null : issuer + REGISTRATION_PATH,
  });
  const jwks = withDecryptionKey(() => keys.jwks(), decryptionKey);
  app.use(publicDocuments({ jwks }, discovery, { issuer, jwksMaxAge: config.keys.jwksMaxAge }));
  app.use(welcome(issuer, pages, locales));
  for (const routes of pushedRoutes(services, keys, pushed, {
    clock,
    stopping,
    subjectFor: subjectNames(provider, pairwise),
  }))
    app.use(routes);
  const forms = {
    ...services,
    clock,
    consents,
    pages,
    locales,
    throttle: new SignInThrottle({
      records: store.records,
      clock,
      failuresPerAccount: config.throttle.signInFailuresPerAccount,
      failuresPerAddress: config.throttle.signInFailuresPerAddress,
      window: config.throttle.signInWindow,
    }),
    antiForgery: new AntiForgery(store.derive('anti-forgery')),
    bodyMax: config.http.bodyMax,
    detailTypes: config.detailTypes,
    passwordAcr: config.requests.passwordAcr,
  };
  app.use(
    interactionRoutes({
      ...forms,
      interactions: libraryInteractions(oidc, services.resources),
      onSignIn: (ctx, clientId, outcome) => {
        const { requestId } = ctx.state;
        const detail = 'answer' in outcome ? { outcome: outcome.outcome, subject: outcome.subject } : outcome;
        log.info({ requestId, clientId, address: ctx.ip, ...detail }, 'sign-in');
      },
    }).routes(),
  );
  app.use(
    accountRoutes({
      ...forms,
      visitors: accountVisitors({ ...config, ...forms, provider, random, cookieKeys }),
      freshSignIn: config.accountPage.freshSignIn,
      passwordLimits: config.passwords,
      describeClient: (clientId) => describeClient(oidc, clientId),
      onChange: ({ ip, state: { requestId } }, subject, change) =>
        log.info({ requestId, subject, address: ip, change }, 'account page'),
    }).routes(),
  );
  if (config.registration !== 'closed')
    app.use(
      routes({
        assertServable,
        fetchKeys: publishedKeys(provider),
        onRegistration: ({ ip, state: { requestId } }, event, clientId) =>
          log.info({ requestId, clientId, address: ip }, `client ${event} by itself`),
      }),
    );
  app.use(
    protocol({
      provider,
      pages: protocolPages,
      bodyMax: config.http.bodyMax,
      pushedMax: config.requests.pushedMax,
      onProblem: problemLog(log),
    }),
  );
  return { app, senders };
}

/** What came of telling other servers what they are to be told. */
function deliveryLog(log: Logger) {
  return (attempt: Attempt) => {
    const fine = attempt.outcome === 'delivered' || attempt.outcome === 'unwanted';
    log[fine ? 'info' : 'warn'](attempt, 'delivery');
  };
}

function tlsOf({ tls, mutualTls }: Config, log: Logger): PortOptions['tls'] {
  const { certificate, key, clientCa, mtlsPort, reloadEvery } = tls;
  if (certificate === null || key === null) return null;
  return {
    paths: { certificate, key, clientCa },
    asksForCertificate: mutualTls.from === 'connection',
    mtlsPort,
    reloadEvery,
    onRenewed: () => log.info('the files of TLS have changed and are in use'),
    onFault: (fault) => log.error({ err: fault }, 'the files of TLS have changed and are of no use'),
  };
}

/** The origin at which clients are asked for certificates, if it is another than the issuer. */
function mtlsOriginOf({ issuer, mutualTls, tls }: Config): string | null {
  if (mutualTls.origin !== null || tls.mtlsPort === null) return mutualTls.origin;
  const url = new URL(issuer);
  url.port = String(tls.mtlsPort);
  return url.origin;
}

/** How the settings let clients prove themselves. */
function clientProofsOf({ config, store, clients }: Services): ClientProofs {
  const { clientAuthentication, dpop, keys, mutualTls, trustProxy } = config;
  const { header: name, headerFormat: format, headerVerified: verified, from } = mutualTls;
  const attesters = clientAuthentication.attesters;
  return {
    certificates:
      from === 'header' ? { from, name, format, verified, trusts: trustedPeers(trustProxy) } : { from },
    mtlsOrigin: mtlsOriginOf(config),
    certificatesVerified: clients.authenticationMethods.includes('tls_client_auth'),
    dpop: { ...dpop, nonceSecret: store.derive('dpop nonces') },
    assertions: {
      lifetimeMax: clientAuthentication.assertionLifetimeMax,
      audience: clientAuthentication.assertionAudience,
    },
    attestations:
      attesters === null ? null : Attestations.open(attesters, store.derive('attestation challenges')),
    clockSkewMax: keys.clockSkewMax,
  };
}

async function accountName(services: Services, subject: string): Promise<string | null> {
  const account: Account | null = await services.accounts.findBySubject(subject);
  if (account === null || account.state === 'deleted') return null;
  return account.displayName ?? account.username;
}

function welcome(issuer: string, pages: Pages, locales: Locales) {
  const links = {
    openidConfiguration: '/.well-known/openid-configuration',
    authorizationServer: '/.well-known/oauth-authorization-server',
    jwks: ROUTES.jwks,
  };
  return frontPage({ pages, locales, locals: { issuer, links } });
}

/** Refusals are everyday business, faults are not. Neither is logged with what the request carried. */
function problemLog(log: Logger) {
  return (ctx: Context & { oidc?: { client?: { clientId: string } | undefined } }, problem: Error) => {
    const {
      error,
      error_description,
      error_detail,
      statusCode = 500,
    } = problem as Error & Record<string, unknown>;
    const about = { requestId: ctx.state.requestId, clientId: ctx.oidc?.client?.clientId };
    if ((statusCode as number) >= 500 && !(problem instanceof Refusal))
      log.error({ ...about, err: problem }, 'request failed');
    else log.info({ ...about, error, description: error_description, detail: error_detail }, 'refused');
  };
}
