import { readLogin } from '#src/accounts/login.ts';
import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/**
 * An account may be guessed at this many times more often by all addresses together than by one. At the
 * default of ten it is the hundred that NIST SP 800-63B-4 section 3.2.2 allows at most.
 */
const ADDRESSES_PER_ACCOUNT = 10;

/**
 * Addresses that a process remembers as blocked. The oldest makes room: it is found out again with its next
 * failure.
 */
const BLOCKED_ADDRESSES_MAX = 10_000;

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
 * Slows down guessing. Three counters, each over a fixed window:
 *
 * - attempts at one account from one address, which stops someone who guesses at one person's password;
 * - attempts at one account from anywhere, with a limit ten times as high, which stops the same from many addresses;
 * - failures from one address at any account, which stops someone who tries one password on everybody.
 *
 * A stranger who fails on purpose locks out only the own address: the second counter counts only what the
 * first lets pass, so it takes ten addresses, all busy in one window, to keep a person out, and then for the
 * rest of that window only. Without the second counter a botnet could guess without end, so that is the
 * price. Nothing here locks an account.
 *
 * The account's counters count before the password is looked at and are forgotten at success, so that a
 * thousand attempts made at once are no more than ten. The address counts failures alone, for a whole office
 * may sign in from one; it is never forgotten at success, or an attacker with an account of the own could go
 * on for ever.
 */
export class SignInThrottle {
  readonly #records: Pick<Records, 'hit' | 'resetCounter'>;
  readonly #clock: Clock;
  readonly #limits: { perAccount: number; perAddress: number; window: Seconds };
  readonly #blocked = new Map<string, EpochSeconds>();

  constructor(options: {
    records: Pick<Records, 'hit' | 'resetCounter'>;
    clock: Clock;
    failuresPerAccount: number;
    failuresPerAddress: number;
    window: Seconds;
  }) {
    const { records, clock, failuresPerAccount, failuresPerAddress, window } = options;
    this.#records = records;
    this.#clock = clock;
    this.#limits = { perAccount: failuresPerAccount, perAddress: failuresPerAddress, window };
  }

  /**
   * Whether the attempt may go on to the password. It counts, so call it once for an attempt, and then say
   * how it ended by `recordFailure` or `recordSuccess`. A refusal costs one small write, or none when the
   * address is blocked.
   */
  async admit(attempt: SignInAttempt): Promise<Admission> {
    const { perAccount, window } = this.#limits;
    const { pair, account, address } = countersOf(attempt);
    const blockedUntil = this.#blockedUntil(address);
    if (blockedUntil !== null) return this.#refused(blockedUntil);
    const fromHere = await this.#records.hit(pair, window);
    if (fromHere.count > perAccount) return this.#refused(fromHere.resetsAt);
    const fromAnywhere = await this.#records.hit(account, window);
    if (fromAnywhere.count > perAccount * ADDRESSES_PER_ACCOUNT) return this.#refused(fromAnywhere.resetsAt);
    return { allowed: true };
  }

  /** The password was wrong, or there is no such account. */
  async recordFailure(attempt: SignInAttempt): Promise<void> {
    const { address } = countersOf(attempt);
    const failures = await this.#records.hit(address, this.#limits.window);
    if (failures.count >= this.#limits.perAddress) this.#block(address, failures.resetsAt);
  }

  /** The person has shown that the account is theirs. */
  async recordSuccess(attempt: SignInAttempt): Promise<void> {
    const { pair, account } = countersOf(attempt);
    await Promise.all([this.#records.resetCounter(pair), this.#records.resetCounter(account)]);
  }

  #refused(until: EpochSeconds): Admission {
    return { allowed: false, retryAfter: seconds(Math.max(1, between(this.#clock.now(), until))) };
  }

  /**
   * Kept by each process for itself: the counter is everybody's, so a process that has not heard of the block
   * learns of it at the next failure. In exchange a blocked address costs the store nothing.
   */
  #block(address: string, until: EpochSeconds): void {
    this.#blocked.delete(address);
    this.#blocked.set(address, until);
    const [oldest] = this.#blocked.keys();
    if (this.#blocked.size > BLOCKED_ADDRESSES_MAX && oldest !== undefined) this.#blocked.delete(oldest);
  }

  #blockedUntil(address: string): EpochSeconds | null {
    const until = this.#blocked.get(address) ?? null;
    if (until === null || until > this.#clock.now()) return until;
    this.#blocked.delete(address);
    return null;
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
