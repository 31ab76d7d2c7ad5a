import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { ActiveAccount } from '#src/accounts/account.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import type { Client, ClientRegistration } from '#src/clients/client.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import type { ResourceServer, ResourceServerRegistration } from '#src/resources/resource-server.ts';
import { Secret } from '#src/secret.ts';
import { startServer } from '#src/server.ts';
import { openServices, type Services } from '#src/services.ts';
import { freePort } from '#test/support/free-port.ts';
import { PATIENT } from '#test/support/running-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';
import { storeSettings } from '#test/support/test-store.ts';

/** A whole Keyturn in this process, on a store and a port of its own, to be talked to over HTTP. */
export interface Keyturn extends AsyncDisposable {
  readonly issuer: string;
  readonly services: Services;
  /** Everything that was logged so far, a JSON line each. */
  readonly logged: readonly string[];
  addClient(registration?: Partial<ClientRegistration>): Promise<{ client: Client; secret: string }>;
  addResourceServer(
    registration?: Partial<ResourceServerRegistration>,
  ): Promise<{ resourceServer: ResourceServer; secret: string }>;
  addAccount(username: string): Promise<{ account: ActiveAccount; password: string }>;
  /** Stops the server and everything in it, and starts it anew on what it had stored. */
  restart(): Promise<void>;
}

export const CALLBACK = 'http://127.0.0.1:4000/callback';

/**
 * The cheapest hashing that the settings allow, since nobody attacks these passwords; and no request is turned away
 * because the machine of a test has too much to do.
 */
const TEST_SETTINGS = {
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
  ...PATIENT,
};

export async function startKeyturnHere(env: Record<string, string> = {}): Promise<Keyturn> {
  const directory = await makeTemporaryDirectory();
  const port = String(await freePort());
  const settings = {
    ...TEST_SETTINGS,
    KEYTURN_HOST: '127.0.0.1',
    KEYTURN_PORT: port,
    ...storeSettings(`${directory.path}/keyturn.db`),
    KEYTURN_KEYS_DIR: `${directory.path}/keys`,
    ...env,
  };
  const config = loadConfig({ env: settings });
  const logged: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
  const start = async () => {
    const services = await openServices(config, { clock: systemClock, random: systemRandom });
    return {
      services,
      server: await startServer(services, { clock: systemClock, random: systemRandom, log }),
    };
  };
  let running = await start();
  const stop = async () => {
    await running.server[Symbol.asyncDispose]();
    await running.services[Symbol.asyncDispose]();
  };
  return {
    issuer: config.issuer,
    get services() {
      return running.services;
    },
    logged,
    addClient: async (registration) => {
      const { client, secret } = await running.services.clients.add({
        name: 'Web',
        redirectUris: [CALLBACK],
        grantTypes: ['authorization_code', 'refresh_token'],
        scope: 'openid profile email offline_access',
        ...registration,
      });
      return { client, secret: secret?.reveal() ?? '' };
    },
    addResourceServer: async (registration) => {
      const { resourceServer, secret } = await running.services.resources.add({
        identifier: 'https://api.example.com',
        scope: ['read', 'write'],
        ...registration,
      });
      return { resourceServer, secret: secret.reveal() };
    },
    addAccount: async (username) => {
      const password = 'the quick brown fox of tests';
      const account = await running.services.accounts.add({
        username: parseUsername(username),
        email: parseEmailAddress(`${username}@example.com`),
        password: new Secret(password),
      });
      return { account, password };
    },
    restart: async () => {
      await stop();
      running = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Stops it, and fails if anything in it went wrong without anyone noticing. */
export async function stopFaultless(keyturn: Keyturn): Promise<void> {
  const faults = faultsOf(keyturn);
  await keyturn[Symbol.asyncDispose]();
  assert.deepEqual(faults, []);
}

/** What was logged as a fault of the server. */
export const faultsOf = ({ logged }: Pick<Keyturn, 'logged'>) =>
  logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
