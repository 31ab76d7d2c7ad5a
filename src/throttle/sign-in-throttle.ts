import { readLogin } from '#src/accounts/login.ts';
import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/**
 * Under one name an account may be guessed at this many times more often by all addresses together than by one. An
 * account goes by two, a username and an e-mail address, which are counted apart, so that nobody can tell that they
 * belong together. At the default of ten that makes the hundred that NIST SP 800-63B-4 section 3.2.2 allows at most.
 */
const ADDRESSES_PER_NAME = 5;

/** Who tries to sign in, from where. */
export interface SignInAttempt {
  /** The username or e-mail address as it was typed. */
  readonly login: string;
  /** The IP address of the client. */
  readonly address: string;
}

export type Admission =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly retryAfter: Seconds };

/**
 * Slows down guessing. Three counters of failures, each over a fixed window:
 *
 * - at one account, by one of its names, from one address, which stops someone who guesses at one person's password;
 * - at one account from anywhere, with a limit five times as high, which stops the same from many addresses;
 * - at any account from one address, which stops someone who tries one password on everybody.
 *
 * A stranger who fails on purpose locks out only the own address: what the first counter stops never reaches the
 * second, so it takes five addresses, all busy in one window, to keep a person out, and then for the rest of that
 * window only. Without the second counter a botnet could guess without end, so that is the price. Nothing here locks
 * an account.
 *
 * Failures are counted and not attempts, so that no number of people and programs who sign in rightly at once, to one
 * account or from one office, get into each other's way. Attempts that are under way when the limit is reached are
 * finished: that is what may wait for hashing on each node, some dozens, and happens once a window. The account's
 * counters are forgotten at success; the address's is not, or an attacker with an account of the own could go on for
 * ever.
 */
export class SignInThrottle {
  readonly #records: Pick<Records, 'hit' | 'counted' | 'resetCounter'>;
  readonly #clock: Clock;
  readonly #window: Seconds;
  readonly #limits: { perAccount: number; perAddress: number };

  constructor(options: {
    records: Pick<Records, 'hit' | 'counted' | 'resetCounter'>;
    clock: Clock;
    failuresPerAccount: number;
    failuresPerAddress: number;
    window: Seconds;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#window = options.window;
    this.#limits = { perAccount: options.failuresPerAccount, perAddress: options.failuresPerAddress };
  }

  /**
   * Whether the attempt may go on to the password. A refusal costs three small reads and no hashing. Say afterwards
   * how it ended, by `recordFailure` or `recordSuccess`.
   */
  async admit(attempt: SignInAttempt): Promise<Admission> {
    const { perAccount, perAddress } = this.#limits;
    const { pair, account, address } = countersOf(attempt);
    const limits: readonly (readonly [counter: string, limit: number])[] = [
      [address, perAddress],
      [pair, perAccount],
      [account, perAccount * ADDRESSES_PER_NAME],
    ];
    for (const [counter, limit] of limits) {
      const failures = await this.#records.counted(counter);
      if (failures !== null && failures.count >= limit) return this.#refused(failures.resetsAt);
    }
    return { allowed: true };
  }

  /** The password was wrong, or there is no such account. */
  async recordFailure(attempt: SignInAttempt): Promise<void> {
    const { pair, account, address } = countersOf(attempt);
    await Promise.all([pair, account, address].map((counter) => this.#records.hit(counter, this.#window)));
  }

  /** The person has shown that the account is theirs. */
  async recordSuccess(attempt: SignInAttempt): Promise<void> {
    const { pair, account } = countersOf(attempt);
    for (const counter of [pair, account]) {
      // Most people have no failure to forget, and a sign-in without one needs no write.
      if ((await this.#records.counted(counter)) !== null) await this.#records.resetCounter(counter);
    }
  }

  #refused(until: EpochSeconds): Admission {
    return { allowed: false, retryAfter: seconds(Math.max(1, between(this.#clock.now(), until))) };
  }
}

/** Every spelling of a login counts as one; what is no login counts as it was typed. */
function countersOf({ login, address }: SignInAttempt): { pair: string; account: string; address: string } {
  const who = readLogin(login) ?? `text:${login}`;
  const from = addressPrefix(address);
  return {
    pair: `sign-in:${from}:${who}`,
    account: `sign-in:${who}`,
    address: `sign-in-failures:${from}`,
  };
}
