import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { newIdentifier, systemRandom } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { openServices, type Services } from '#src/services.ts';
import { signJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { newFamily, REFRESH_TOKEN_TYPE, refreshTokenClaims } from '#src/tokens/refresh-token.ts';
import type { KeyturnInstallation } from '#test/bench/servers/keyturn.ts';
import { identifierOf, scopeOf } from '#test/bench/servers/served.ts';

export interface Filling {
  readonly tokens: number;
  readonly accounts: number;
  readonly tell: (line: string) => void;
}

/** How many records are on their way at the same time. */
const AT_ONCE = 1000;

/** How many of the refresh tokens are answered. */
const SAMPLE = 20_000;

/** A hash that costs nothing: nobody signs in to these accounts. */
const CHEAP = { argon2MemoryKiB: 8, argon2Iterations: 1, hashQueueMax: AT_ONCE };

/** Fills a store with accounts and authorizations, each with a refresh token. Answers tokens from all over it. */
export async function fillStore(
  { directory, env, known }: Pick<KeyturnInstallation, 'directory' | 'env' | 'known'>,
  { tokens, accounts, tell }: Filling,
): Promise<readonly string[]> {
  const config = loadConfig({ env, cwd: directory });
  const surroundings = { clock: systemClock, random: systemRandom };
  await using services = await openServices(
    { ...config, passwords: { ...config.passwords, ...CHEAP } },
    surroundings,
  );
  const subjects: string[] = [];
  await each(accounts, 'accounts', tell, async (number) => {
    const name = `filler-${number}`;
    const { subject } = await services.accounts.add({
      username: parseUsername(name),
      email: parseEmailAddress(`${name}@example.com`),
      password: new Secret('the quick brown fox of tests'),
    });
    subjects.push(subject);
  });
  await using keys = new KeyHolder({ rotation: services.rotation, clock: systemClock, onFault: () => {} });
  const sampled: Promise<string>[] = [];
  const everyNth = Math.ceil(tokens / SAMPLE);
  await each(tokens, 'refresh tokens', tell, async (number) => {
    const subject = subjects[number % subjects.length] as string;
    const opened = await openFamily(services, known.web.id, subject);
    if (number % everyNth > 0) return;
    const claims = refreshTokenClaims(config.issuer, opened.id, opened.family, {
      idle: config.lifetimes.refreshIdle,
      absolute: config.lifetimes.refreshAbsolute,
      grace: config.lifetimes.refreshGrace,
    });
    const key = keys.refreshKeyAt(opened.family.advancedAt);
    sampled.push(Promise.resolve(signJwt(key, { typ: REFRESH_TOKEN_TYPE }, { ...claims })));
  });
  return Promise.all(sampled);
}

/** What a sign-in leaves in the store once its code has been redeemed. */
async function openFamily({ authorizations }: Services, clientId: string, subject: string) {
  const now = systemClock.now();
  const [identifier, scope] = [identifierOf('es256'), scopeOf('es256')];
  const says = { authTime: now, gty: 'authorization_code', resource: identifier, scope };
  const family = newFamily(says, now);
  const id = newIdentifier(systemRandom);
  const grant = {
    iat: now,
    exp: now + 90 * 86_400,
    jti: id,
    kind: 'Grant',
    accountId: subject,
    clientId,
    resources: { [identifier]: scope },
  };
  const sessionUid = null;
  await authorizations.open(id, { subject, clientId, signedInAt: now, grant, family, sessionUid });
  return { id, family };
}

/** Does something so many times, many at once, and tells how far it is. */
async function each(
  count: number,
  what: string,
  tell: (line: string) => void,
  once: (number: number) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - from);
    await Promise.all(Array.from({ length: size }, (_, index) => once(from + index)));
    if ((from / AT_ONCE) % 100 === 0) tell(`${from} of ${count} ${what}`);
  }
}
