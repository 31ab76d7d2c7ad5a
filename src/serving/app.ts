import type { RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import type Router from '@koa/router';
import Koa, { type Middleware } from 'koa';
import type { Logger } from 'pino';
import { requestRoutes } from '#src/account-page/request-routes.ts';
import { accountRoutes } from '#src/account-page/routes.ts';
import { SECTIONS, type SectionName } from '#src/account-page/section.ts';
import type { Config } from '#src/config/schema.ts';
import { loadAssets } from '#src/http/assets.ts';
import { CookieSignatures } from '#src/http/cookie-signatures.ts';
import { failures } from '#src/http/failure.ts';
import { frontPage } from '#src/http/front-page.ts';
import { type Locales, loadLocales } from '#src/http/locale.ts';
import { metadata, type PublicDocuments } from '#src/http/metadata.ts';
import { createPages, type Pages } from '#src/http/pages.ts';
import { pinOrigin } from '#src/http/pinned-origin.ts';
import { probes } from '#src/http/probes.ts';
import { answerLog, requestLog } from '#src/http/request-log.ts';
import { securityHeaders } from '#src/http/security-headers.ts';
import { withShortcuts } from '#src/http/shortcut.ts';
import { loadTemplates } from '#src/http/templates.ts';
import { AntiForgery } from '#src/interaction/anti-forgery.ts';
import { type InteractionRoutes, interactionRoutes } from '#src/interaction/routes.ts';
import type { JwksFetchLog } from '#src/jwks-readers/fetch-log.ts';
import { accountVisitors, describeClient } from '#src/oidc/account-visitors.ts';
import { discoveryDocument } from '#src/oidc/discovery.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { libraryInteractions } from '#src/oidc/library-interactions.ts';
import { protocol } from '#src/oidc/protocol.ts';
import type { Protocol } from '#src/oidc/provider.ts';
import { publicDocuments } from '#src/oidc/public-documents.ts';
import { publishedKeys } from '#src/oidc/published-keys.ts';
import { subjectNames } from '#src/oidc/subjects.ts';
import { REGISTRATION_PATH } from '#src/registration/routes.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { mtlsOriginOf } from '#src/serving/client-proofs.ts';
import { noteIn } from '#src/serving/jwks-fetches.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import { openProtocol } from '#src/serving/provider.ts';
import { type Pushed, pushedRoutes } from '#src/serving/pushed.ts';
import type { Tracing } from '#src/serving/tracing.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type DecryptionKey, decryptionKeyOf } from '#src/signing/decryption-key.ts';
import { type FurtherJwk, joinedJwks } from '#src/signing/joined-jwks.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import { SignInThrottle } from '#src/throttle/sign-in-throttle.ts';
import { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

const inProgram = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const viewsDirectory = inProgram('views');

/** Where the launcher keeps compiled code, too. */
const compiledDirectory = inProgram('node_modules/.cache/keyturn');

export interface AppParts extends Surroundings {
  readonly log: Logger;
  readonly events: ServerEvents;
  readonly keys: KeyHolder;
  readonly pushed: Pushed;
  readonly jwksFetches: JwksFetchLog;
  readonly tracing: Tracing;
  /** From when on nobody should stay connected to here. */
  readonly leaving: AbortSignal;
  /** From when on no request should be sent here any more. */
  readonly stopping: AbortSignal;
}

/** Everything that answers over HTTP, in the order in which it is asked. */
export async function createApp(
  services: Services,
  parts: AppParts,
): Promise<{ listener: RequestListener; reader: TokenReader; senders: Protocol['senders'] }> {
  const { config, store } = services;
  const { clock, events, keys, log, leaving, stopping, tracing } = parts;
  const { issuer } = config;
  const locales = loadLocales(`${viewsDirectory}/locales`);
  const assets = loadAssets(`${viewsDirectory}/assets`);
  const serverName = new URL(issuer).host;
  const templates = await loadTemplates({ views: viewsDirectory, compiled: compiledDirectory });
  const pages = createPages({ templates, locales, assets, serverName, sections: sectionsOf(config) });
  const common = {
    ...parts,
    pages,
    locales,
    cookieKeys: [store.derive('cookies').toString('base64url')],
    pairwise: new PairwiseSubjects(store.derive('pairwise subjects')),
    decryptionKey: decryptionKeyOf(store.derive('request object decryption')),
  };
  const { oidc, reader, uninvited, protocolPages, logos } = openProtocol(services, common);
  const { provider, begun, senders, assertServable } = oidc;

  const app = new Koa();
  app.keys = new CookieSignatures(common.cookieKeys);
  for (const each of [app, provider]) pinOrigin(each, { issuer, trustProxy: config.trustProxy });
  app.on('error', events.onUnsent);
  const logAnswer = tracing.logAnswer(answerLog(log));
  app.use(requestLog(logAnswer));
  for (const each of tracing.middleware) app.use(each);
  app.use(securityHeaders({ issuer }));
  app.use(failures({ pages, locales, onFault: events.onRequestFault, onRefused: events.onRefused }));
  app.use(probes({ ping: () => store.records.ping(), stopping: () => stopping.aborted }));
  app.use(assets.middleware);
  const documents = await documentsOf(services, common, oidc);
  app.use(metadata({ documents }));
  app.use(welcome(issuer, pages, locales));
  const subjectFor = subjectNames(provider, common.pairwise);
  for (const routes of pushedRoutes(services, keys, parts.pushed, { clock, leaving, subjectFor }))
    app.use(routes);
  for (const router of peoplesPages(services, { ...common, logos }, oidc)) app.use(router.routes());
  if (config.registration !== 'closed') {
    app.use(uninvited.routes({ assertServable, fetchKeys: publishedKeys(provider), ...events }));
  }
  const { pushedMax } = config.requests;
  const { bodyMax } = config.http;
  const { records } = store;
  app.use(protocol({ provider, begun, pages: protocolPages, bodyMax, pushedMax, records, ...events }));
  const { shortcuts, redirects } = oidc;
  const { trustProxy } = config;
  const ahead = { shortcuts, redirects, documents, issuer, trustProxy, bodyMax, logAnswer };
  return { listener: withShortcuts(app.callback(), ahead), reader, senders };
}

type Common = Parameters<typeof openProtocol>[1];

/** What everyone may know of the server. */
async function documentsOf(
  services: Services,
  { keys, locales, decryptionKey, jwksFetches }: Common & Pick<AppParts, 'jwksFetches'>,
  { provider }: Protocol,
): Promise<PublicDocuments> {
  const { config } = services;
  const { issuer } = config;
  const discovery = await discoveryDocument(provider, {
    languages: locales.languages,
    mtlsOrigin: mtlsOriginOf(config),
    metadataDocuments: config.metadataDocuments.policy !== 'off',
    registrationEndpoint: config.registration === 'closed' ? null : issuer + REGISTRATION_PATH,
  });
  const further = furtherKeys(services, decryptionKey);
  const jwks = joinedJwks(() => keys.jwks(), further);
  const { jwksMaxAge } = config.keys;
  const published = { jwks, signs: (alg: SigningAlgorithm) => keys.signs(alg) };
  return publicDocuments(published, discovery, { issuer, jwksMaxAge, onJwksFetched: noteIn(jwksFetches) });
}

/** What is published beside the keys that sign: the same list until one of those of the former server comes or goes. */
function furtherKeys({ formerKeys }: Services, { publicJwk }: DecryptionKey): () => readonly FurtherJwk[] {
  let former = formerKeys.published();
  let all: readonly FurtherJwk[] = [...former, publicJwk];
  return () => {
    if (former !== formerKeys.published()) {
      former = formerKeys.published();
      all = [...former, publicJwk];
    }
    return all;
  };
}

/** Where people sign in, consent, and look after their account. */
function peoplesPages(
  services: Services,
  common: Common & Pick<InteractionRoutes, 'logos'>,
  oidc: Protocol,
): readonly Router[] {
  const { config, store } = services;
  const { clock, events, pages, locales, logos } = common;
  const { signInFailuresPerAccount, signInFailuresPerAddress, signInWindow } = config.throttle;
  const forms = {
    ...services,
    clock,
    pages,
    locales,
    throttle: new SignInThrottle({
      records: store.records,
      clock,
      failuresPerAccount: signInFailuresPerAccount,
      failuresPerAddress: signInFailuresPerAddress,
      window: signInWindow,
    }),
    antiForgery: new AntiForgery(store.derive('anti-forgery')),
    bodyMax: config.http.bodyMax,
    detailTypes: config.detailTypes,
    passwordAcr: config.requests.passwordAcr,
  };
  const interactions = interactionRoutes({
    ...forms,
    logos,
    interactions: libraryInteractions(oidc, services.resources),
    onSignIn: events.onSignIn,
  });
  const visitors = accountVisitors({ ...config, ...forms, ...common, provider: oidc.provider });
  const requests = requestRoutes({
    ...forms,
    visitors,
    requests: oidc.backchannelRequests,
    freshSignIn: config.backchannel.signInMaxAge,
    shownMax: config.throttle.backchannelWaiting,
    onAnswer: events.onBackchannelAnswer,
  });
  const account = accountRoutes({
    ...forms,
    visitors,
    freshSignIn: config.accountPage.freshSignIn,
    passwordLimits: config.passwords,
    describeClient: (clientId) => describeClient(oidc, clientId),
    onChange: events.onAccountChange,
  });
  return config.backchannel.enabled ? [interactions, requests, account] : [interactions, account];
}

/** The parts of the page of an account that the settings leave on. */
function sectionsOf({ backchannel }: Config): readonly SectionName[] {
  const names = SECTIONS.map(({ name }) => name);
  return backchannel.enabled ? names : names.filter((name) => name !== 'requests');
}

function welcome(issuer: string, pages: Pages, locales: Locales): Middleware {
  const links = {
    openidConfiguration: '/.well-known/openid-configuration',
    authorizationServer: '/.well-known/oauth-authorization-server',
    jwks: ROUTES.jwks,
  };
  return frontPage({ pages, locales, locals: { issuer, links } });
}
