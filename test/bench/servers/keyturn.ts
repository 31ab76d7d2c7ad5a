import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import type { ClientRegistration } from '#src/clients/client.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { openServices, type Services } from '#src/services.ts';
import { type Place, spawnNode } from '#test/bench/load/cores.ts';
import { expiredRefreshTokens } from '#test/bench/refresh-families.ts';
import {
  APIS,
  type ApiName,
  CALLBACK,
  type Credentials,
  discover,
  identifierOf,
  type Served,
  scopeOf,
  untilAnswered,
  WEB_SCOPE,
} from '#test/bench/servers/served.ts';
import { freePort } from '#test/support/free-port.ts';
import { Person } from '#test/support/person.ts';
import { workersOf } from '#test/support/worker-processes.ts';

const PROGRAM = fileURLToPath(new URL('../../../src/keyturn.js', import.meta.url));

const PASSWORD = 'the quick brown fox of tests';

const EXPIRED_TOKENS = 64;

/** A store and keys of Keyturn, with everyone in it who is asked for by the cases. */
export interface KeyturnInstallation {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly known: Pick<Served, 'service' | 'web' | 'apis' | 'exchanger' | 'expiredRefreshTokens'>;
}

export interface InstallationOptions {
  /** Where its store, keys and logs are. */
  readonly directory: string;
  /** A Redis to keep the store in; SQLite without one. */
  readonly redisPort?: number;
  /** How many people have accounts. */
  readonly people: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Makes an installation, with the settings that are the default wherever that is possible. */
export async function installKeyturn(options: InstallationOptions): Promise<KeyturnInstallation> {
  const { directory, redisPort, people, env: more } = options;
  const env = {
    PATH: process.env.PATH ?? '',
    KEYTURN_PORT: String(await freePort()),
    KEYTURN_KEYS_DIR: join(directory, 'keys'),
    KEYTURN_STORE:
      redisPort === undefined ? `sqlite:${join(directory, 'keyturn.db')}` : `redis://127.0.0.1:${redisPort}`,
    KEYTURN_KEYS_ALGORITHMS: 'ES256,RS256,EdDSA',
    ...more,
  };
  const surroundings = { clock: systemClock, random: systemRandom };
  await using services = await openServices(loadConfig({ env, cwd: directory }), surroundings);
  const apis = await addApis(services);
  const service = await addClient(services, {
    name: 'Service',
    grantTypes: ['client_credentials'],
    scope: APIS.map(scopeOf).join(' '),
  });
  const web = await addClient(services, {
    name: 'Web',
    redirectUris: [CALLBACK],
    grantTypes: ['authorization_code', 'refresh_token'],
    scope: WEB_SCOPE,
  });
  const exchanger = await addClient(services, {
    name: 'Exchanger',
    grantTypes: [TOKEN_EXCHANGE_GRANT],
    scope: APIS.map(scopeOf).join(' '),
    tokenExchange: { from: [identifierOf('es256')], to: [identifierOf('eddsa'), identifierOf('es256')] },
  });
  for (let number = 0; number < people; number += 1) {
    const { login } = personOf(number);
    await services.accounts.add({
      username: parseUsername(login),
      email: parseEmailAddress(`${login}@example.com`),
      password: new Secret(PASSWORD),
    });
  }
  const expired = await expiredRefreshTokens(services, EXPIRED_TOKENS);
  const known = { service, web, apis, exchanger, expiredRefreshTokens: expired };
  return { directory, env, known };
}

const personOf = (number: number) => ({ login: `person-${number}`, password: PASSWORD });

async function addApis(services: Services): Promise<Served['apis']> {
  const added = APIS.map(async (api) => {
    const { resourceServer, secret } = await services.resources.add({
      identifier: identifierOf(api),
      scope: [scopeOf(api)],
      ...FORMATS[api],
    });
    const { clientId, identifier } = resourceServer;
    return [api, { id: clientId, secret: secret.reveal(), identifier }] as const;
  });
  return Object.fromEntries(await Promise.all(added)) as Served['apis'];
}

const FORMATS: Readonly<Record<ApiName, object>> = {
  es256: { signingAlgorithm: 'ES256' },
  eddsa: { signingAlgorithm: 'EdDSA' },
  rs256: { signingAlgorithm: 'RS256' },
  opaque: { tokenFormat: 'opaque' },
};

async function addClient(services: Services, registration: ClientRegistration): Promise<Credentials> {
  const { client, secret } = await services.clients.add(registration);
  return { id: client.clientId, secret: secret?.reveal() ?? '' };
}

/** A server on an installation. */
export interface KeyturnServer extends Served, AsyncDisposable {
  /** From the moment at which the process was begun until the first good answer of the token endpoint. */
  readonly startMs: number;
}

/**
 * Starts it as its users do. Its log goes to nowhere, and what it complains about to a file beside its store. Behind the
 * first `port` further ones may serve on the same store.
 */
export async function startKeyturn(
  { directory, env: settings, known }: KeyturnInstallation,
  core: Place,
  port = Number(settings.KEYTURN_PORT),
): Promise<KeyturnServer> {
  const issuer = `http://localhost:${settings.KEYTURN_PORT}`;
  const env = { ...settings, KEYTURN_ISSUER: issuer, KEYTURN_PORT: String(port) };
  const complaints = join(directory, 'complaints.log');
  const startedAt = performance.now();
  const child = spawnNode(['--max-semi-space-size=4', '--max-old-space-size=512', PROGRAM, 'serve'], core, {
    cwd: directory,
    env: { MALLOC_ARENA_MAX: '1', ...env },
    stdio: ['ignore', 'ignore', openSync(complaints, 'a')],
  });
  const ended = once(child, 'exit');
  const hasEnded = () => child.exitCode !== null;
  const startMs = await untilAnswered(`http://127.0.0.1:${port}/readyz`, hasEnded, startedAt).catch(
    async (problem) => {
      throw new Error(`${problem.message}: ${await readFile(complaints, 'utf8')}`);
    },
  );
  const pid = child.pid as number;
  const processes = [pid, ...(await workersOf(pid))];
  return {
    program: 'keyturn',
    store: settings.KEYTURN_STORE?.startsWith('redis') ? 'redis' : 'sqlite',
    issuer,
    port: Number(settings.KEYTURN_PORT),
    ports: [port],
    startMs,
    ...known,
    rotating: null,
    endpoints: await discover(issuer),
    pids: () => processes,
    person: personOf,
    signIn: async (number, authorizationRequest) => {
      const browser = new Person();
      const callback = await browser.authorize(authorizationRequest, personOf(number));
      return { cookie: browser.cookieHeader(new URL(authorizationRequest)), callback };
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
