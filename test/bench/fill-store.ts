import { setImmediate } from 'node:timers/promises';
import { newSubject, openAccount } from '#src/accounts/account.ts';
import { accountRecord } from '#src/accounts/account-record.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import type { PasswordHash } from '#src/accounts/password-hash.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';
import { newIdentifier, systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { Secret } from '#src/secret.ts';
import { authorizationLifetimesOf, openServices, type Services, storeOptionsOf } from '#src/services.ts';
import { type Authorization, Authorizations } from '#src/tokens/authorization.ts';
import type { RefreshFamily } from '#src/tokens/refresh-token.ts';
import { bulkSqlite } from '#test/bench/bulk-sqlite.ts';
import { familyOf, refreshTokenSigner } from '#test/bench/refresh-families.ts';
import type { KeyturnInstallation } from '#test/bench/servers/keyturn.ts';
import { identifierOf, scopeOf } from '#test/bench/servers/served.ts';

export interface Filling {
  readonly tokens: number;
  readonly accounts: number;
  readonly tell: (line: string) => void;
}

/** How many records are on their way at the same time, and how long Redis may take, where it writes its file anew. */
const AT_ONCE = 250;
const REDIS_TIMEOUT_MS = 60_000;

/** How often it is told how far it is. */
const TOLD_EVERY = 250_000;

/** How many of the refresh tokens are answered. */
export const SAMPLE = 20_000;

const SURROUNDINGS = { clock: systemClock, random: systemRandom };

/**
 * Fills a store with accounts and authorizations, each with a refresh token, in records such as a server writes. The
 * accounts have one password, which is hashed once and not for each. Answers refresh tokens from all over the store.
 */
export async function fillStore(
  { directory, env, known }: Pick<KeyturnInstallation, 'directory' | 'env' | 'known'>,
  { tokens, accounts, tell }: Filling,
): Promise<readonly string[]> {
  const settings = loadConfig({ env, cwd: directory });
  const config = { ...settings, redis: { ...settings.redis, timeoutMs: REDIS_TIMEOUT_MS } };
  const password = new Secret('the quick brown fox of tests');
  const passwordHash = await withServices(config, ({ hasher }) => hasher.hash(password));
  const sampled: { id: string; family: RefreshFamily }[] = [];
  await withRecords(config, async (records) => {
    const subjects: string[] = [];
    await each(accounts, 'accounts', tell, async (number) => {
      const account = newAccount(number, passwordHash);
      subjects.push(account.subject);
      await stored(records.put({ ...accountRecord(account), onlyIf: 'absent' }));
    });
    const lifetimes = authorizationLifetimesOf(config);
    const authorizations = new Authorizations({ records, clock: systemClock, lifetimes });
    const everyNth = Math.ceil(tokens / SAMPLE);
    await each(tokens, 'refresh tokens', tell, async (number) => {
      const id = newIdentifier(systemRandom);
      const authorization = authorizationOf(id, known.web.id, subjects[number % subjects.length] as string);
      if (!(await authorizations.open(id, authorization))) throw new Error('an authorization was not stored');
      if (number % everyNth === 0) sampled.push({ id, family: authorization.family });
    });
  });
  return withServices(config, async (services) => {
    await using signer = refreshTokenSigner(services);
    return Promise.all(sampled.map(({ id, family }) => signer.sign(id, family)));
  });
}

async function withServices<T>(config: Config, use: (services: Services) => Promise<T>): Promise<T> {
  await using services = await openServices(config, SURROUNDINGS);
  return await use(services);
}

async function withRecords(config: Config, use: (records: Records) => Promise<void>): Promise<void> {
  if (!config.store.startsWith('sqlite:')) return withServices(config, ({ store }) => use(store.records));
  using bulk = await bulkSqlite(storeOptionsOf(config, SURROUNDINGS));
  await use(bulk.records);
}

function newAccount(number: number, passwordHash: PasswordHash) {
  const name = `filler-${number}`;
  const newcomer = {
    username: parseUsername(name),
    email: parseEmailAddress(`${name}@example.com`),
    emailVerified: false,
    displayName: null,
    groups: [],
    roles: [],
    passwordHash,
  };
  return openAccount(newcomer, newSubject(systemRandom), systemClock.now());
}

/** What a sign-in leaves in the store once its code has been redeemed. */
function authorizationOf(id: string, clientId: string, subject: string) {
  const now = systemClock.now();
  const grant = {
    iat: now,
    exp: now + 90 * 86_400,
    jti: id,
    kind: 'Grant',
    accountId: subject,
    clientId,
    resources: { [identifierOf('es256')]: scopeOf('es256') },
  };
  const sessionUid = newIdentifier(systemRandom);
  return {
    subject,
    clientId,
    signedInAt: now,
    grant,
    claims: {},
    family: familyOf(now),
    sessionUid,
  } satisfies Authorization;
}

async function stored(putting: ReturnType<Records['put']>): Promise<void> {
  const { outcome } = await putting;
  if (outcome !== 'stored') throw new Error(`a record was not stored: ${outcome}`);
}

/** Does something so many times, many at once, and tells how far it is. */
async function each(
  count: number,
  what: string,
  tell: (line: string) => void,
  once: (number: number) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    if (from % TOLD_EVERY === 0) tell(`${from} of ${count} ${what}`);
    const size = Math.min(AT_ONCE, count - from);
    await Promise.all(Array.from({ length: size }, (_, index) => once(from + index)));
    // SQLite answers at once, and signals would never be heard.
    await setImmediate();
  }
}
