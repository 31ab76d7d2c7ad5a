import { z } from 'zod';
import type { DetailTypes } from '#src/authorization-details/detail-type.ts';
import { PROFILE_NAMES } from '#src/clients/profile.ts';
import {
  CONTENT_ENCRYPTION_ALGORITHMS,
  KEY_MANAGEMENT_ALGORITHMS,
} from '#src/clients/response-protection.ts';
import { clientLogos } from '#src/config/client-logo-settings.ts';
import { clientAuthentication, dpop, mutualTls, tls } from '#src/config/client-proof-settings.ts';
import { backchannelSettings, deviceAuthorizationSettings } from '#src/config/decoupled-settings.ts';
import { keyEncryptionSettings, nodeSettings } from '#src/config/fleet-settings.ts';
import {
  choice,
  choices,
  duration,
  flag,
  folder,
  keyEncryptionKeys,
  size,
  wholeNumber,
  wholeNumberOrAuto,
} from '#src/config/format.ts';
import { keySettings } from '#src/config/key-settings.ts';
import { metricsSettings } from '#src/config/metrics-settings.ts';
import {
  applicationSchemes,
  issuerUrl,
  listenHost,
  storeLocation,
  trustedProxies,
} from '#src/config/network-format.ts';
import { outboxSettings } from '#src/config/outbox-settings.ts';
import { passwords } from '#src/config/password-settings.ts';
import { pkcs11Settings } from '#src/config/pkcs11-settings.ts';
import { rehearsalSettings } from '#src/config/readiness-settings.ts';
import { redisSettings } from '#src/config/redis-settings.ts';
import { metadataDocuments, registrationLimits } from '#src/config/registration-settings.ts';
import { requestSettings } from '#src/config/request-settings.ts';
import { derived, group, setting, unlessSet } from '#src/config/setting.ts';
import { bytes } from '#src/config/size.ts';
import { throttleSettings } from '#src/config/throttle-settings.ts';
import { tracingSettings } from '#src/config/tracing-settings.ts';
import { REGISTRATION_POLICIES } from '#src/registration/policy.ts';
import { days, hours, minutes, seconds } from '#src/units.ts';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const atMost = (max: string) => duration({ min: '1s', max });

/** Each takes some hundred megabytes of memory: more of them is a slip of the hand. */
export const WORKERS_MAX = 128;

/** Everything that can be set, in the shape of the file. Every default, unit and meaning stands here and in the groups. */
export const settingsSchema = z.strictObject({
  issuer: derived(
    issuerUrl,
    '`http://localhost:` and the port',
    'The URL under which clients know this server; it is in every token, so changing it ends them all.',
  ),
  host: setting(
    listenHost,
    ['127.0.0.1', '::1'],
    'The address to listen on: `localhost` is both loopback addresses, `0.0.0.0` every IPv4 address, `::` every address.',
  ),
  port: setting(wholeNumber({ min: 1, max: 65_535 }), 3000, 'The TCP port to listen on.'),
  workers: setting(
    wholeNumberOrAuto({ min: 1, max: WORKERS_MAX }),
    1,
    'How many processes serve on this machine, behind one port; `auto` for as many as there are cores. With more than one, a further process looks after them.',
  ),
  workerSilenceMax: setting(
    duration({ min: '3s', max: '1h' }),
    seconds(30),
    'For how long one of several workers may give no sign of life, between any two requests, before it is killed and another takes its place.',
  ),
  store: setting(
    storeLocation,
    'sqlite:data/keyturn.db',
    'Where accounts, clients, grants and signing keys are kept; made at the first start.',
  ),
  keysDir: setting(
    folder,
    'keys',
    'The folder of key-encryption keys, without which the store cannot be read; keep it apart from backups of the store.',
  ),
  kek: unlessSet(
    keyEncryptionKeys,
    'The key-encryption key itself instead of the folder, for platforms that hand out secrets as text.',
  ),
  trustProxy: setting(
    trustedProxies,
    { kind: 'nobody' },
    'Which reverse proxies may say in `X-Forwarded-For` whom they speak for; only the address of the client is taken from it.',
  ),
  allowPrivateNetwork: setting(
    flag,
    false,
    "Whether calls that the server makes itself, such as for a client's keys, may reach private and loopback addresses.",
  ),
  profile: unlessSet(
    choice(PROFILE_NAMES),
    'The rules that every client has to keep, whatever it was registered for; without it, each keeps those of its own.',
  ),
  registration: setting(
    choice(REGISTRATION_POLICIES),
    'closed',
    'Whether clients may register themselves: not at all, with an initial access token that `keyturn registration-tokens` makes, or as they come.',
  ),
  redirectSchemes: setting(
    applicationSchemes,
    [],
    'The private-use schemes that redirect URIs may have although they are named after no domain, such as `cursor`: any program on the device of a person can claim one, and get the codes of another.',
  ),
  logLevel: setting(choice(LOG_LEVELS), 'info', 'The least severe messages that are logged.'),

  redis: redisSettings,

  lifetimes: group('How long things stand', {
    accessToken: setting(
      atMost('1d'),
      minutes(5),
      'How long an access token is good for, unless its resource server says otherwise.',
    ),
    accessTokenMax: setting(
      atMost('1d'),
      hours(1),
      'The longest lifetime that a resource server may ask for its access tokens.',
    ),
    idToken: setting(atMost('1d'), minutes(10), 'How long an ID token may be taken as a proof of sign-in.'),
    authorizationCode: setting(
      duration({ min: '1s', max: '10m', because: 'RFC 6749 section 4.1.2 recommends no more than 10m' }),
      seconds(60),
      'How long a client has to redeem an authorization code.',
    ),
    backchannelRequest: setting(
      duration({ min: '30s', max: '1h' }),
      minutes(5),
      'How long a person has to answer a backchannel authentication request; its client may ask for less.',
    ),
    deviceCode: setting(
      duration({ min: '30s', max: '30m' }),
      minutes(10),
      'How long a person has to enter and confirm the code that a device shows.',
    ),
    refreshIdle: setting(
      atMost('3650d'),
      days(14),
      'How long a refresh token lives without being used; each use begins it anew.',
    ),
    refreshAbsolute: setting(
      atMost('3650d'),
      days(90),
      'How long refreshing may go on after the sign-in, however often it happens.',
    ),
    refreshGrace: setting(
      duration({ min: '0s', max: '5m' }),
      seconds(10),
      'How long a refresh token that was just used still gets the same successor, for racing and retrying clients; after it, reuse ends the family.',
    ),
    session: setting(atMost('365d'), hours(12), 'How long a sign-in in the browser lasts.'),
    interaction: setting(
      atMost('1d'),
      minutes(30),
      'How long someone may take over the sign-in and consent pages.',
    ),
  }),

  requests: requestSettings,

  registrationLimits,

  metadataDocuments,

  clientLogos,

  keys: keySettings,
  pkcs11: pkcs11Settings,

  rehearsal: rehearsalSettings,

  encryption: group('Encryption between clients and the server', {
    algorithms: setting(
      choices(KEY_MANAGEMENT_ALGORITHMS),
      ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW', 'A128KW', 'A256KW', 'dir'],
      'By which algorithms ID tokens, userinfo, introspection answers and request objects may be encrypted; those that begin with A, and `dir`, use the secret of the client, and RSA is for what clients are told alone.',
    ),
    contentAlgorithms: setting(
      choices(CONTENT_ENCRYPTION_ALGORITHMS),
      ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'],
      'By which algorithms their content is encrypted then.',
    ),
  }),

  keyEncryption: keyEncryptionSettings,
  nodes: nodeSettings,

  metrics: metricsSettings,
  tracing: tracingSettings,

  passwords,

  deviceAuthorization: deviceAuthorizationSettings,
  backchannel: backchannelSettings,
  throttle: throttleSettings,

  revocations: group('Telling resource servers of revocations', {
    pollMs: setting(
      wholeNumber({ min: 50, max: 10_000 }),
      250,
      'How often a server with open streams looks for what other processes have revoked, in milliseconds; its own are told at once.',
    ),
    heartbeat: setting(
      atMost('5m'),
      seconds(15),
      'How often a stream on which nothing happens shows that it is alive; shorter than the idle timeout of any proxy between.',
    ),
    streamsMax: setting(
      wholeNumber({ min: 0, max: 100_000 }),
      256,
      'How many streams of `/revocations` may be open at a server, or at each of its workers.',
    ),
    streamsPerServerMax: setting(
      wholeNumber({ min: 1, max: 100_000 }),
      32,
      'How many of them may be those of one resource server.',
    ),
    failuresPerAddress: setting(
      wholeNumber({ min: 1, max: 1_000_000 }),
      100,
      'How often one address may fail to authenticate at `/revocations` in `failureWindow` before it is turned away.',
    ),
    failureWindow: setting(atMost('1d'), minutes(15), 'For how long such failures are counted together.'),
  }),

  statusLists: group('Status lists', {
    ttl: setting(
      atMost('1h'),
      seconds(30),
      'How long a resource server may keep a status list before it fetches a fresh one; so long may a revoked token pass there.',
    ),
    lifetime: setting(
      atMost('1d'),
      minutes(5),
      'How long a status list may be relied on at all, where no fresh one can be had.',
    ),
  }),

  accountPage: group("The page of a person's own account", {
    freshSignIn: setting(
      atMost('365d'),
      minutes(30),
      'How old a sign-in may be for what changes something there; after that the password is asked for again.',
    ),
  }),

  http: group('HTTP', {
    bodyMax: setting(
      size({ min: '4KiB', max: '56KiB' }),
      bytes(56 * 1024),
      'The largest request body that is read.',
    ),
    headersTimeout: setting(
      atMost('10m'),
      seconds(10),
      'How long a client may take to send the head of a request.',
    ),
    requestTimeout: setting(
      atMost('10m'),
      seconds(30),
      'How long a client may take to send a whole request.',
    ),
    keepAliveTimeout: setting(
      atMost('1h'),
      seconds(65),
      'How long an idle connection is kept open; longer than the 60s after which most load balancers close it.',
    ),
    connectionsMax: unlessSet(
      wholeNumber({ min: 1, max: 1_000_000 }),
      'How many connections may be open at once, at each worker; without it, as many as the system allows.',
    ),
    requestsMax: setting(
      wholeNumber({ min: 1, max: 1_000_000 }),
      1000,
      'How many requests are worked on at once, or wait for that, at each worker; more are told to come back, all but those for health, keys and metadata. One whose body is still to come is not worked on.',
    ),
    waitMaxMs: setting(
      wholeNumber({ min: 10, max: 600_000 }),
      1000,
      'How long a request may wait until it is taken up, in milliseconds; then it is told to come back, with the same exceptions.',
    ),
    stopGrace: setting(
      duration({ min: '0s', max: '10m' }),
      seconds(10),
      'How long requests may go on once the server has been told to stop.',
    ),
    outgoingTimeout: setting(
      atMost('1m'),
      seconds(5),
      "How long a call that the server makes itself, such as for a client's keys, may take.",
    ),
    fetchedKeysMaxAge: setting(
      atMost('1d'),
      hours(1),
      'How long keys that a client or a trusted issuer publishes are used at most before they are fetched again, however long their answer says; whoever has to replace a stolen key waits for that long.',
    ),
    fetchRetryAfter: setting(
      atMost('10m'),
      seconds(10),
      'How long after a failed call for the keys of a client or a trusted issuer the next is made.',
    ),
  }),

  outbox: outboxSettings,

  tls,
  mutualTls,
  dpop,
  clientAuthentication,

  sweep: group('Clearing out', {
    every: setting(atMost('1d'), seconds(60), 'How often expired records are removed from the store.'),
    batch: setting(
      wholeNumber({ min: 1, max: 100_000 }),
      500,
      'How many records one such step looks at, so that it never holds up requests.',
    ),
  }),
});

/** The settings as the program sees them: complete, checked, with units in their types and absolute paths. */
export type Config = Readonly<Omit<z.output<typeof settingsSchema>, 'workers'>> & {
  readonly workers: number;
  /** What `requests.authorizationDetailsFile` declares. */
  readonly detailTypes: DetailTypes;
};
