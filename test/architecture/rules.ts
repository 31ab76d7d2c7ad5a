/**
 * The architecture, as data: which rooms there are and what each may know, where each heavy library lives, who may
 * see the process. A row carries its reason, which is printed when it is broken. `rule.ts` reads the rows.
 */

/** A part of the program that is allowed to know certain others. */
export interface Room {
  readonly name: string;
  /** Globs of paths. A file belongs to the first room that claims it. */
  readonly files: readonly string[];
  /** Names of rooms, besides itself. */
  readonly mayImport: readonly string[];
  readonly reason: string;
}

/** Something that only a few files may touch. */
export interface Home {
  readonly names: readonly string[];
  /** Globs of paths. */
  readonly files: readonly string[];
  readonly reason: string;
}

/** The files that join a domain to HTTP. */
const ROUTES = ['src/*/routes.ts', 'src/*/*-routes.ts'];

export const ROOMS: readonly Room[] = [
  {
    name: 'leaves',
    files: [
      'src/{clock,fault,random,record-loops,recent,records,secret,store-location,sweeping,units,version}.ts',
    ],
    mayImport: [],
    reason: 'Everything rests on the leaves, so they rest on nothing of ours but one another.',
  },
  {
    name: 'config',
    files: ['src/config/**'],
    mayImport: ['leaves', 'domains'],
    reason: 'Settings are read before anything is built, and speak in the words of the domains.',
  },
  {
    name: 'storage',
    files: ['src/storage/**'],
    mayImport: ['leaves', 'domains'],
    reason:
      'A store keeps the storage contract for whoever asks; it knows neither the protocol nor who calls.',
  },
  {
    name: 'pkcs11',
    files: ['src/pkcs11/**'],
    mayImport: ['leaves', 'domains'],
    reason: 'It keeps the ports of signing by a token; who has what signed is no concern of a token.',
  },
  {
    name: 'oidc',
    files: ['src/oidc/**'],
    mayImport: ['leaves', 'domains', 'http'],
    reason:
      'It joins oidc-provider to the domains and their pages; that it is there at all, only server.ts knows.',
  },
  {
    name: 'http',
    files: ['src/http/**'],
    mayImport: ['leaves', 'domains'],
    reason:
      'HTTP carries what the domains say and is told its settings; it opens no store and knows no provider.',
  },
  {
    name: 'metrics',
    files: ['src/metrics/**'],
    mayImport: ['leaves', 'domains'],
    reason: 'What is measured is read from the domains, which know nothing of it.',
  },
  {
    name: 'tracing',
    files: ['src/tracing/**'],
    mayImport: ['leaves', 'domains'],
    reason: 'It tells of work that others do, and knows neither their libraries nor their settings.',
  },
  {
    name: 'workers',
    files: ['src/workers/**'],
    mayImport: ['leaves'],
    reason: 'It begins and ends processes; what they do, and what the settings say, it is told.',
  },
  {
    name: 'cli',
    files: ['src/cli/**'],
    mayImport: ['leaves', 'domains', 'config', 'services', 'server', 'workers'],
    reason:
      'A command works on what services.ts and server.ts have put together, and puts nothing together itself.',
  },
  {
    name: 'services',
    files: ['src/services.ts', 'src/store-moves.ts'],
    mayImport: ['leaves', 'domains', 'config', 'storage', 'pkcs11'],
    reason: 'It puts the domains on a store, for the server and for commands that run without one.',
  },
  {
    name: 'server',
    files: ['src/server.ts', 'src/serving/**'],
    mayImport: ['leaves', 'domains', 'config', 'services', 'oidc', 'http', 'metrics', 'tracing', 'routes'],
    reason:
      'It puts the protocol and HTTP on the services; it knows neither their store nor the command line.',
  },
  {
    name: 'main',
    files: ['src/main.ts'],
    mayImport: ['leaves', 'config', 'server', 'cli'],
    reason: 'The entry turns arguments and signals into calls, and has no other part in the program.',
  },
  {
    name: 'launcher',
    files: ['src/keyturn.js'],
    mayImport: ['main'],
    reason: 'It must run on a Node that can read nothing else of ours.',
  },
  {
    name: 'routes',
    files: ROUTES,
    mayImport: ['leaves', 'domains', 'http'],
    reason: 'Routes translate between HTTP and their domain; nobody but server.ts needs them.',
  },
  {
    name: 'domains',
    files: [
      'src/authorization-details/**',
      'src/{account-page,accounts,admin,audit,backchannel,clients,federation,interaction,mail,outbox,resources}/**',
      'src/{fleet,jwks-readers,key-usage,rehearsal}/**',
      'src/{registration,revocations,sealing,sessions,signing,status-lists,throttle,tokens}/**',
    ],
    mayImport: ['leaves'],
    reason:
      'Domains are the rules of the house: they declare the ports that they need, and stay callable without ' +
      'HTTP, a store, a protocol library or a configuration.',
  },
];

/** Where each heavy library lives. Types of it stay at home too: they would spread its shape. */
export const LIBRARY_HOMES: readonly Home[] = [
  {
    names: ['oidc-provider'],
    files: ['src/oidc/**'],
    reason:
      'It has no stable internals and no types of its own; one room has to be read when its version moves.',
  },
  {
    names: ['node:sqlite', 'ioredis'],
    files: ['src/storage/**'],
    reason: 'Everyone else speaks the storage contract, so that every backend serves them alike.',
  },
  {
    names: ['koffi'],
    files: ['src/pkcs11/cryptoki.ts'],
    reason: 'It calls foreign code: from one place, in a process that holds nothing else.',
  },
  {
    names: ['node:cluster'],
    files: ['src/workers/{forked-worker,seat}.ts'],
    reason: 'One end of the line at the supervisor, the other at the worker.',
  },
  {
    names: ['argon2'],
    files: ['src/accounts/password.ts'],
    reason: 'Its cost and the re-hashing that follows a change of cost are decided once.',
  },
  {
    names: ['pug'],
    files: ['src/http/templates.ts'],
    reason: 'Whatever is shown to a person is escaped and translated in one place.',
  },
  {
    names: ['koa', '@koa/router', 'koa-compose'],
    files: ['src/http/**', 'src/oidc/**', 'src/serving/**', ...ROUTES],
    reason: 'Rules stay callable, and testable, without HTTP.',
  },
  {
    names: ['ajv'],
    files: ['src/authorization-details/detail-type.ts'],
    reason: 'It turns what the settings declare into code, once, at the start.',
  },
  {
    names: ['zod'],
    files: [
      'src/{config,http,cli}/**',
      'src/authorization-details/detail-type.ts',
      'src/clients/client.ts',
      'src/clients/client-metadata.ts',
      'src/clients/jwk-set.ts',
      'src/clients/{jwt-bearer,token-exchange}-policy.ts',
      'src/federation/trusted-issuer.ts',
      'src/resources/resource-server.ts',
      ...ROUTES,
    ],
    reason: 'Input is parsed once, at an edge; behind it the types are the proof.',
  },
  {
    names: ['yaml'],
    files: ['src/config/**'],
    reason: 'Only the configuration file is YAML; a parser that few inputs reach is attacked by few.',
  },
  {
    names: ['commander'],
    files: ['src/cli/**'],
    reason: 'The grammar of the command line is no concern of what the commands do.',
  },
  {
    names: ['jose'],
    files: ['src/cli/{drill,parties,tour}/**'],
    reason: 'The server signs and verifies by itself, for speed; the tour and the drill show what others do.',
  },
  {
    names: ['pino'],
    files: [
      'src/cli/log.ts',
      'src/cli/serving/supervise.ts',
      'src/http/request-log.ts',
      'src/server.ts',
      'src/serving/**',
    ],
    reason: 'What may be logged, and what is struck out of it, is decided where logging is put together.',
  },
  {
    names: ['prom-client'],
    files: ['src/metrics/**', 'src/serving/metrics.ts'],
    reason: 'It is loaded only where there is somebody to tell.',
  },
  {
    names: ['nodemailer'],
    files: ['src/mail/**'],
    reason: 'Everyone else says what to send, not how.',
  },
  {
    names: ['openid-client'],
    files: ['src/federation/**'],
    reason: 'Talking to another provider is one domain.',
  },
];

export const GLOBAL_HOMES: readonly Home[] = [
  {
    names: ['process', 'node:process'],
    files: [
      ...['src/main.ts', 'src/keyturn.js', 'src/config/load.ts', 'src/pkcs11/token-process{,-main}.ts'],
      'src/storage/sqlite/row-memory.ts',
    ],
    reason:
      'Arguments, environment, streams and exits come in from outside, so that a test can give its own; ' +
      'a PKCS#11 module finds its settings in the environment of the process that it is loaded into. ' +
      'When the event loop is about to look for more to do, process.nextTick alone tells.',
  },
  {
    names: ['console', 'node:console'],
    files: [],
    reason: 'The server speaks through its log, a command through the streams that it was given.',
  },
];

/** Names that say nothing of what a file holds, so that everything ends up in it. */
export const VAGUE_NAMES = ['common', 'helper', 'helpers', 'misc', 'types', 'util', 'utils'];

/** A file is read in one sitting. */
export const FILE_LINES_MAX = 400;
