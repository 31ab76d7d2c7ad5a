import { standsSince } from '#src/accounts/account.ts';
import { AccountRegistry } from '#src/accounts/account-registry.ts';
import { CommonPasswords } from '#src/accounts/common-passwords.ts';
import { PasswordHasher } from '#src/accounts/password.ts';
import { PasswordPolicy } from '#src/accounts/password-policy.ts';
import { authorizationAnswersOf } from '#src/clients/authorization-answers.ts';
import { type AuthenticationMeans, authenticationMethodsOf } from '#src/clients/client-authentication.ts';
import { ClientRegistry } from '#src/clients/client-registry.ts';
import { ClientSecrets } from '#src/clients/client-secret.ts';
import { cameUninvited } from '#src/clients/registered-by.ts';
import type { ResponseAlgorithms } from '#src/clients/response-protection.ts';
import type { Clock } from '#src/clock.ts';
import type { Config } from '#src/config/schema.ts';
import { TrustedIssuerRegistry } from '#src/federation/trusted-issuer-registry.ts';
import { Fleet } from '#src/fleet/fleet.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { assertStoreClock } from '#src/fleet/store-clock.ts';
import { Consents } from '#src/interaction/consent.ts';
import { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { ReadinessGate, type ReadinessGatePorts } from '#src/jwks-readers/readiness-gate.ts';
import { KeyUsage } from '#src/key-usage/key-usage.ts';
import type { Destination } from '#src/outbox/delivery.ts';
import { Outbox } from '#src/outbox/outbox.ts';
import type { KeyToken } from '#src/pkcs11/key-token.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { admitsClientId, parseClientIdUrl } from '#src/registration/client-id-url.ts';
import { InitialAccessTokens } from '#src/registration/initial-access-token.ts';
import { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { KekRotation } from '#src/sealing/kek-rotation.ts';
import { Resealer } from '#src/sealing/resealing.ts';
import { Sessions } from '#src/sessions/sessions.ts';
import { ownKeys, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { FormerKeys } from '#src/signing/former-keys.ts';
import { leavingAlgorithms } from '#src/signing/leaving.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { KeyRotation } from '#src/signing/rotation.ts';
import { openStore, type Store, type StoreOptions } from '#src/storage/open-store.ts';
import { type AuthorizationLifetimes, Authorizations } from '#src/tokens/authorization.ts';
import type { StandingSources } from '#src/tokens/standing.ts';
import { type EpochSeconds, seconds } from '#src/units.ts';

/** Where time and chance come from. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
}

/** The domains on one store, without anything that listens: what the command line and the server have in common. */
export interface Services extends AsyncDisposable {
  readonly config: Config;
  readonly store: Store;
  readonly accounts: AccountRegistry;
  readonly hasher: PasswordHasher;
  readonly consents: Consents;
  readonly clients: ClientRegistry;
  readonly clientSecrets: ClientSecrets;
  readonly resources: ResourceRegistry;
  readonly initialAccessTokens: InitialAccessTokens;
  readonly authorizations: Authorizations;
  readonly outbox: Outbox;
  readonly sessions: Sessions;
  readonly trustedIssuers: TrustedIssuerRegistry;
  /** What tells whether a token stands. */
  readonly standing: StandingSources;
  readonly rotation: KeyRotation;
  /** The PKCS#11 token that keys may be in; `null` if the settings name none. */
  readonly token: KeyToken | null;
  /** The keys of the server that was here before. */
  readonly formerKeys: FormerKeys;
  readonly jwksReaders: JwksReaders;
  readonly readiness: ReadinessGate;
  readonly keyUsage: KeyUsage;
  /** The servers on the store. */
  readonly fleet: Fleet;
  readonly kekRotation: KekRotation<ServerNode>;
  readonly resealer: Resealer;
}

/**
 * Opens the store and everything that lives on it. Any number of processes may do so at the same time.
 * @throws SetupFault, StorageFault
 */
export async function openServices(config: Config, { clock, random }: Surroundings): Promise<Services> {
  await using opened = new AsyncDisposableStack();
  const store = opened.use(await openStore(storeOptionsOf(config, { clock, random })));
  const { records } = store;
  await assertStoreClock(store.ownClock, clock, config.keys.clockSkewMax);
  const algorithms = responseAlgorithmsOf(config);
  const secrets = new ClientSecrets({ digestKey: store.derive('client secrets'), clock, random });
  const resources = new ResourceRegistry({
    records,
    secrets,
    clock,
    random,
    algorithms,
    ...limitsOf(config),
  });
  const jwksReaders = new JwksReaders({
    records,
    clock,
    kept: config.keys.readersKept,
    othersMax: config.keys.otherReadersMax,
  });
  const readiness = readinessGateOf(config, { readers: jwksReaders, resources });
  const token = await keyTokenOf(config, store, { clock, random });
  if (token !== null) opened.use(token.signer);
  const rotation = await KeyRotation.open({
    records,
    clock,
    source: token?.source ?? ownKeys(random),
    policy: ringPolicyOf(config),
    historyKept: config.keys.historyKept,
    held: (coming, now) => readiness.held(coming, now),
  });
  const clients = new ClientRegistry({
    records,
    secrets,
    clock,
    random,
    algorithms,
    answers: authorizationAnswersOf(config.requests),
    leaving: () => leavingAlgorithms(rotation.held.ring, rotation.policy, clock.now()),
    authenticationMethods: authenticationMethodsOf(authenticationMeansOf(config)),
    redirectSchemes: config.redirectSchemes,
    profile: config.profile,
    longestToken: authorizationLifetimesOf(config).longestToken,
  });
  const authorizations = new Authorizations({
    records,
    clock,
    lifetimes: authorizationLifetimesOf(config),
    storeClock: () => store.ownClock(),
  });
  const outbox = new Outbox({ records, clock, random, policy: config.outbox });
  const sessions = new Sessions({
    records,
    authorizations,
    outbox,
    signOutDestination: (clientId) => signOutDestination(clients, clientId),
  });
  const consents = new Consents(records);
  const hasher = hasherOf(config, random);
  const accounts = openAccounts(config, store, { clock, random, hasher, sessions, consents });
  const closing = opened.move();
  return {
    config,
    store,
    accounts,
    hasher,
    consents,
    clients,
    clientSecrets: secrets,
    resources,
    initialAccessTokens: new InitialAccessTokens({ records, clock, random }),
    authorizations,
    outbox,
    sessions,
    trustedIssuers: new TrustedIssuerRegistry({ records, clock, ownIssuer: config.issuer }),
    standing: {
      records,
      authorizations,
      clientStands: async (clientId, since) => {
        // What its document says now is no record of what it was; the settings say whether it is served at all.
        if (parseClientIdUrl(clientId) !== null) return admitsClientId(config.metadataDocuments, clientId);
        const client = (await clients.find(clientId))?.value;
        return client !== undefined && client.createdAt <= since;
      },
      accountStands: async (subject, signedInAt) =>
        standsSince(await accounts.findBySubject(subject), signedInAt),
    },
    rotation,
    token,
    formerKeys: new FormerKeys({ records, clock, ring: () => rotation.held.ring }),
    jwksReaders,
    readiness,
    keyUsage: new KeyUsage({ records, refreshLifetimes: authorizationLifetimesOf(config).refresh }),
    ...keyEncryptionOf(config, store, { clock, random }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** How the store that the settings name is opened. */
export function storeOptionsOf(config: Config, { clock, random }: Surroundings): StoreOptions {
  return {
    location: config.store,
    redis: { ...config.redis, clockSkewMax: config.keys.clockSkewMax },
    keysDirectory: config.keysDir,
    ...(config.kek === null ? undefined : { kek: config.kek }),
    clock,
    random,
  };
}

/** The servers on a store. */
export const fleetOn = (records: Records, { nodes, keys }: Config): Fleet =>
  new Fleet({ records, every: nodes.heartbeat, skewMax: keys.clockSkewMax });

function readinessGateOf(
  { keys }: Config,
  ports: Pick<ReadinessGatePorts, 'readers' | 'resources'>,
): ReadinessGate {
  const { readiness: policy, readinessWaitMax: waitMax, readersWriteEvery: lookEvery } = keys;
  return new ReadinessGate({ ...ports, policy, waitMax, lookEvery });
}

async function keyTokenOf(
  { keys, pkcs11 }: Config,
  store: Store,
  { clock, random }: Surroundings,
): Promise<KeyToken | null> {
  const { module, token, pinFile } = pkcs11;
  if (module === null || token === null || pinFile === null) return null;
  // Loaded here, since most servers have no token.
  const [{ keyToken }, { PinTrials }] = await Promise.all([
    import('#src/pkcs11/key-token.ts'),
    import('#src/pkcs11/pin-trials.ts'),
  ]);
  const trials = new PinTrials({ records: store.records, key: store.derive('PINs of tokens') });
  const makesKeys = keys.source === 'pkcs11';
  return keyToken({
    ...pkcs11,
    module,
    token,
    pinFile,
    makesKeys,
    trials,
    own: ownKeys(random),
    clock,
    random,
  });
}

function keyEncryptionOf(
  config: Config,
  store: Store,
  { clock, random }: Surroundings,
): Pick<Services, 'fleet' | 'kekRotation' | 'resealer'> {
  const { keyEncryption } = config;
  const { records, bodies } = store;
  const fleet = fleetOn(records, config);
  const users = () => fleet.living();
  return {
    fleet,
    kekRotation: new KekRotation({ keys: store.keys, store: bodies, users, clock }),
    resealer: new Resealer({
      records,
      store: bodies,
      register: async () => (await store.keys.refresh()).register,
      clock,
      name: newIdentifier(random),
      batch: keyEncryption.resealBatch,
      pauseMs: keyEncryption.resealPauseMs,
    }),
  };
}

function hasherOf({ passwords }: Config, random: Random): PasswordHasher {
  return new PasswordHasher({
    memoryKiB: passwords.argon2MemoryKiB,
    iterations: passwords.argon2Iterations,
    parallelism: passwords.argon2Parallelism,
    concurrency: passwords.hashConcurrency,
    queueMax: passwords.hashQueueMax,
    waitMax: passwords.hashWaitMax,
    random,
  });
}

function openAccounts(
  config: Config,
  { records }: Store,
  { clock, random, ...ports }: Surroundings & Pick<Services, 'hasher' | 'sessions' | 'consents'>,
): AccountRegistry {
  const { issuer, passwords } = config;
  return new AccountRegistry({
    records,
    longestToken: authorizationLifetimesOf(config).longestToken,
    policy: new PasswordPolicy({
      minLength: passwords.minLength,
      maxLength: passwords.maxLength,
      serviceNames: ['Keyturn', new URL(issuer).hostname],
      commonPasswords: new CommonPasswords(),
    }),
    clock,
    random,
    ...ports,
  });
}

async function signOutDestination(clients: ClientRegistry, clientId: string): Promise<Destination | null> {
  const client = (await clients.find(clientId))?.value;
  // One that is not registered here may have a document that says it, which is read when the notice is sent.
  if (client === undefined) {
    const url = URL.parse(clientId);
    return url === null ? null : { origin: url.origin, uninvited: true };
  }
  const { backchannel_logout_uri: uri } = client.metadata;
  if (uri === undefined) return null;
  return { origin: new URL(uri).origin, uninvited: cameUninvited(client.registeredBy) };
}

/** What is signed with: what the settings name, and behind it what is leaving. */
export function signingAlgorithmsOf(
  { config, rotation }: Pick<Services, 'config' | 'rotation'>,
  now: EpochSeconds,
): readonly SigningAlgorithm[] {
  return [...config.keys.algorithms, ...leavingAlgorithms(rotation.held.ring, rotation.policy, now)];
}

/** What answers are signed and encrypted with. */
export function responseAlgorithmsOf(
  { keys, encryption }: Config,
  signing: readonly SigningAlgorithm[] = keys.algorithms,
): ResponseAlgorithms {
  return {
    signing,
    keyManagement: encryption.algorithms,
    contentEncryption: encryption.contentAlgorithms,
  };
}

/** What the settings give clients to authenticate with. */
function authenticationMeansOf({ mutualTls, tls, clientAuthentication }: Config): AuthenticationMeans {
  const verifies =
    mutualTls.from === 'header' ? mutualTls.headerVerified.kind !== 'never' : tls.clientCa !== null;
  return {
    certificates: mutualTls.from !== 'off',
    verifiedCertificates: mutualTls.from !== 'off' && verifies,
    attestations: clientAuthentication.attesters !== null,
  };
}

function limitsOf({ issuer, lifetimes }: Config) {
  return { issuer, accessTokenLifetimeMax: lifetimes.accessTokenMax };
}

/** The longest that an access or ID token can live. */
function longestTokenOf({ lifetimes }: Config) {
  return seconds(Math.max(lifetimes.accessTokenMax, lifetimes.idToken));
}

function ringPolicyOf(config: Config): RingPolicy {
  const { keys, lifetimes } = config;
  return {
    algorithms: keys.algorithms,
    rotateEvery: keys.rotateEvery,
    jitter: seconds(Math.floor((keys.rotateEvery * keys.jitterPercent) / 100)),
    jwksMaxAge: keys.jwksMaxAge,
    longestToken: longestTokenOf(config),
    longestRefreshToken: lifetimes.refreshAbsolute,
    ringPoll: keys.ringPoll,
    clockSkewMax: keys.clockSkewMax,
  };
}

/** How long authorizations live, and what is issued under them. */
export function authorizationLifetimesOf(config: Config): AuthorizationLifetimes {
  const { refreshIdle, refreshAbsolute, refreshGrace, authorizationCode, backchannelRequest, deviceCode } =
    config.lifetimes;
  return {
    refresh: { idle: refreshIdle, absolute: refreshAbsolute, grace: refreshGrace },
    // A code is redeemed for tokens first, and they then live on their own.
    longestToken: seconds(
      Math.max(authorizationCode, backchannelRequest, deviceCode) + longestTokenOf(config),
    ),
  };
}
