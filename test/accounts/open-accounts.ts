import { join } from 'node:path';
import { type AccountRecords, AccountRegistry } from '#src/accounts/account-registry.ts';
import { CommonPasswords } from '#src/accounts/common-passwords.ts';
import { PasswordHasher, type PasswordHasherOptions } from '#src/accounts/password.ts';
import { PasswordPolicy } from '#src/accounts/password-policy.ts';
import { Consents } from '#src/interaction/consent.ts';
import { Outbox } from '#src/outbox/outbox.ts';
import { type Random, systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { Sessions } from '#src/sessions/sessions.ts';
import { openStore } from '#src/storage/open-store.ts';
import { Authorizations } from '#src/tokens/authorization.ts';
import { hours, minutes, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const policy = new PasswordPolicy({
  minLength: 8,
  maxLength: 256,
  serviceNames: ['Keyturn'],
  commonPasswords: new CommonPasswords(),
});

const DELIVERY = { attemptsMax: 3, retryAfter: seconds(10), retryAfterMax: minutes(1), ageMax: hours(1) };

const LIFETIMES = {
  refresh: { idle: hours(1), absolute: hours(1), grace: seconds(10) },
  longestToken: minutes(5),
};

export interface OpenAccounts extends AsyncDisposable {
  readonly accounts: AccountRegistry;
  readonly records: Records;
  readonly clock: MovingClock;
  /** Another registry over the same store, with what it depends on set otherwise. */
  another(otherwise: {
    hashing?: Partial<PasswordHasherOptions>;
    records?: AccountRecords;
    random?: Random;
  }): AccountRegistry;
}

/** Accounts in a store of their own, hashed with as little work as argon2 can do. */
export async function openAccounts(): Promise<OpenAccounts> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTemporaryDirectory());
  const clock = new MovingClock();
  const { records } = opened.use(
    await openStore({
      location: `sqlite:${join(directory.path, 'keyturn.db')}`,
      keysDirectory: join(directory.path, 'keys'),
      clock,
      random: systemRandom,
    }),
  );
  const outbox = new Outbox({ records, clock, random: systemRandom, policy: DELIVERY });
  const authorizations = new Authorizations({ records, clock, lifetimes: LIFETIMES });
  const sessions = new Sessions({
    records,
    authorizations,
    outbox,
    signOutDestination: async (clientId) => ({ origin: `https://${clientId}.example.com`, uninvited: false }),
  });
  const another: OpenAccounts['another'] = (otherwise) => {
    const hasher = new PasswordHasher({
      memoryKiB: 8,
      iterations: 1,
      parallelism: 1,
      concurrency: 2,
      queueMax: 64,
      waitMax: seconds(60),
      random: systemRandom,
      ...otherwise.hashing,
    });
    return new AccountRegistry({
      records: otherwise.records ?? records,
      hasher,
      policy,
      clock,
      random: otherwise.random ?? systemRandom,
      sessions,
      consents: new Consents(records),
      longestToken: minutes(60),
    });
  };
  const closing = opened.move();
  return {
    accounts: another({}),
    records,
    clock,
    another,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
