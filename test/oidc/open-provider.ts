import assert from 'node:assert/strict';
import type { Provider } from 'oidc-provider';
import { ClientRegistry } from '#src/clients/client-registry.ts';
import { ClientSecrets } from '#src/clients/client-secret.ts';
import { TrustedIssuerRegistry } from '#src/federation/trusted-issuer-registry.ts';
import { loadAssets } from '#src/http/assets.ts';
import { loadLocales } from '#src/http/locale.ts';
import { createPages } from '#src/http/pages.ts';
import { pinOrigin } from '#src/http/pinned-origin.ts';
import { Consents } from '#src/interaction/consent.ts';
import { outgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import { createProvider, type Protocol } from '#src/oidc/provider.ts';
import { Outbox } from '#src/outbox/outbox.ts';
import { systemRandom as random } from '#src/random.ts';
import { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { Sessions } from '#src/sessions/sessions.ts';
import { decryptionKeyOf } from '#src/signing/decryption-key.ts';
import { PendingLimit } from '#src/throttle/pending-limit.ts';
import { Authorizations } from '#src/tokens/authorization.ts';
import { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { TokenReader } from '#src/tokens/token-reader.ts';
import { days, hours, minutes, seconds } from '#src/units.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import type { MovingClock } from '#test/support/moving-clock.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';
import { templates, VIEWS } from '#test/support/templates.ts';

export const ISSUER = 'https://login.example.com';

export interface OpenProvider extends AsyncDisposable {
  readonly provider: Provider;
  readonly shortcuts: Protocol['shortcuts'];
  readonly clock: MovingClock;
  readonly clients: ClientRegistry;
  readonly resources: ResourceRegistry;
}

const DELIVERY = { attemptsMax: 3, retryAfter: seconds(10), retryAfterMax: minutes(1), ageMax: hours(1) };

const lifetimes = {
  accessToken: minutes(5),
  accessTokenMax: hours(1),
  authorizationCode: seconds(60),
  backchannelRequest: minutes(5),
  deviceCode: minutes(10),
  idToken: hours(1),
  interaction: hours(1),
  session: days(14),
  refreshIdle: days(14),
  refreshAbsolute: days(90),
  refreshGrace: seconds(10),
};

const REQUESTS = {
  pushedRequired: false,
  pushedLifetime: seconds(60),
  pushedMax: 4096,
  signedRequired: false,
  webMessage: false,
  otherResponseTypes: [],
  authorizationDetailsMax: 4096,
  passwordAcr: 'urn:keyturn:acr:password',
};

const PROOFS = {
  certificates: { from: 'off' },
  certificatesVerified: false,
  mtlsOrigin: null,
  dpop: { algorithms: ['ES256'], nonces: 'off', nonceSecret: random.bytes(32) },
  assertions: { lifetimeMax: minutes(10), audience: 'endpoint' },
  attestations: null,
  clockSkewMax: seconds(30),
} as const;

/** The library as Keyturn sets it up, on a store of its own, without anything that listens. */
export async function openProvider(
  fetch = outgoingFetch({ allowPrivateNetwork: false, timeout: seconds(5) }),
): Promise<OpenProvider> {
  await using opened = new AsyncDisposableStack();
  const signingAlgorithms = ['ES256', 'EdDSA'] as const;
  const algorithms = algorithmsWith(...signingAlgorithms);
  const deployment = opened.use(await deploy());
  const { clock, records } = deployment;
  const { holder: keys } = await deployment.startNode({ ...POLICY, algorithms: signingAlgorithms });
  const secrets = new ClientSecrets({ digestKey: random.bytes(32), clock, random });
  const limits = { issuer: ISSUER, accessTokenLifetimeMax: lifetimes.accessTokenMax, algorithms };
  const clients = new ClientRegistry({
    records,
    secrets,
    clock,
    random,
    algorithms,
    answers: ANSWERS,
    authenticationMethods: PLAIN_METHODS,
    profile: null,
    longestToken: minutes(60),
  });
  const resources = new ResourceRegistry({ records, secrets, clock, random, ...limits });
  const refresh = {
    idle: lifetimes.refreshIdle,
    absolute: lifetimes.refreshAbsolute,
    grace: lifetimes.refreshGrace,
  };
  const locales = loadLocales(`${VIEWS}/locales`);
  const assets = loadAssets(`${VIEWS}/assets`);
  const pages = createPages({ templates, locales, assets, serverName: 'login.example.com' });
  const authorizations = new Authorizations({
    records,
    clock,
    lifetimes: { refresh, longestToken: lifetimes.accessTokenMax },
  });
  const outbox = new Outbox({ records, clock, random, policy: DELIVERY });
  const { provider, shortcuts } = createProvider({
    issuer: ISSUER,
    clock,
    random,
    records,
    secrets,
    profile: null,
    keys,
    signingAlgorithms,
    algorithms,
    lifetimes,
    requests: REQUESTS,
    detailTypes: new Map(),
    clients,
    resources,
    proofs: PROOFS,
    cookieKeys: ['a key of tests'],
    authorizations,
    sessions: new Sessions({ records, authorizations, outbox, signOutDestination: async () => null }),
    standing: {
      records,
      authorizations,
      clientStands: async (clientId) => (await clients.find(clientId)) !== null,
      accountStands: async () => false,
    },
    statusLists: { assign: () => assert.fail('no token is issued') },
    consents: new Consents(records),
    pairwise: new PairwiseSubjects(random.bytes(32)),
    decryptionKey: decryptionKeyOf(random.bytes(32)),
    reader: new TokenReader({ keys, issuer: ISSUER, clock }),
    pages: new ProtocolPages({ pages, locales, accountName: async () => null }),
    findAccount: async () => null,
    deviceAuthorization: { enabled: true, userCodeLength: 8, pollingInterval: seconds(5) },
    userCodeThrottle: { admit: async () => assert.fail('no code is entered'), recordRight: async () => {} },
    onClientUsed: () => {},
    onCodeIssued: () => {},
    onIntrospected: () => {},
    onUserinfo: () => {},
    onProblem: () => {},
    metadataDocuments: { find: async () => null },
    backchannel: { enabled: true, pollingInterval: seconds(5) },
    pendingLimit: new PendingLimit({
      records,
      clock,
      waiting: 3,
      asked: 10,
      window: minutes(15),
    }),
    outbox: { post: async () => {} },
    onBackchannelRequest: () => {},
    onReuse: () => {},
    onRetry: () => {},
    onExchange: () => {},
    keyFetching: { keysMaxAge: hours(1), retryAfter: seconds(10) },
    fetch,
    onAssertion: () => {},
    accounts: { findBySubject: async () => null, findByLogin: async () => null },
    trustedIssuers: new TrustedIssuerRegistry({ records, clock, ownIssuer: ISSUER }),
    clockSkewMax: seconds(30),
  });
  pinOrigin(provider, { issuer: ISSUER, trustProxy: { kind: 'nobody' } });
  const closing = opened.move();
  return {
    provider,
    shortcuts,
    clock,
    clients,
    resources,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
