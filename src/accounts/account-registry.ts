import {
  type Account,
  type ActiveAccount,
  endedBefore,
  erase,
  type LivingAccount,
  lock,
  newSubject,
  openAccount,
  type Subject,
  signOutEverywhere,
  unlock,
  withMemberships,
  withPassword,
  withRehashedPassword,
} from '#src/accounts/account.ts';
import { type AccountValue, accountFrom, accountRecord } from '#src/accounts/account-record.ts';
import type { DisplayName } from '#src/accounts/display-name.ts';
import type { EmailAddress } from '#src/accounts/email-address.ts';
import { readLogin } from '#src/accounts/login.ts';
import type { Membership } from '#src/accounts/membership.ts';
import type { PasswordHasher } from '#src/accounts/password.ts';
import type { PasswordHash } from '#src/accounts/password-hash.ts';
import type { PasswordPolicy } from '#src/accounts/password-policy.ts';
import type { Username } from '#src/accounts/username.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal, StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import type { Records, RecordWrite, StoredRecord } from '#src/records.ts';
import { signInsEnded } from '#src/revocations/note.ts';
import type { Secret } from '#src/secret.ts';
import { after, type Seconds } from '#src/units.ts';

/** Each lost race means that another change was made, so losing this often means that something is wrong. */
const CHANGE_ATTEMPTS_MAX = 20;

export interface AccountRequest {
  readonly username: Username;
  readonly email?: EmailAddress | null;
  /** True when whoever adds the account vouches for the address. */
  readonly emailVerified?: boolean;
  readonly displayName?: DisplayName | null;
  readonly groups?: readonly Membership[];
  readonly roles?: readonly Membership[];
  readonly password: Secret;
}

/**
 * What came of a sign-in. Outside, every `refused` must look the same; `reason` and `subject` are for the log
 * and the audit alone.
 */
export type Authentication =
  | { readonly outcome: 'authenticated'; readonly account: ActiveAccount }
  | { readonly outcome: 'refused'; readonly reason: RefusalReason; readonly subject: Subject | null };

export type RefusalReason = 'unknown_login' | 'wrong_password' | 'account_locked' | 'account_changed';

export interface AccountPage {
  readonly accounts: readonly LivingAccount[];
  /** Pass as `after` for the next page; `null` when this was the last. */
  readonly next: string | null;
}

/** What rests on the sign-ins of an account. */
export interface SignIns {
  /** Ends every session of the account, and has its clients told. */
  endAllOf(subject: string): Promise<unknown>;
  /** Has the clients of its sessions told, for as long as nobody may use them. */
  suspendAllOf(subject: string): Promise<void>;
}

/** What a person has agreed to. */
export interface Agreements {
  forgetAllOf(subject: string): Promise<void>;
}

/** What accounts ask of the store. */
export type AccountRecords = Pick<Records, 'find' | 'findByAlias' | 'put' | 'list' | 'settled'>;

/** The accounts in the store. */
export class AccountRegistry {
  readonly #records: AccountRecords;
  readonly #hasher: PasswordHasher;
  readonly #policy: PasswordPolicy;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessions: SignIns;
  readonly #consents: Agreements;
  readonly #longestToken: Seconds;

  constructor(deps: {
    records: AccountRecords;
    hasher: PasswordHasher;
    policy: PasswordPolicy;
    clock: Clock;
    random: Random;
    sessions: SignIns;
    consents: Agreements;
    /** The longest that a token can live, and so be concerned by what happens to its account. */
    longestToken: Seconds;
  }) {
    this.#records = deps.records;
    this.#hasher = deps.hasher;
    this.#policy = deps.policy;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#sessions = deps.sessions;
    this.#consents = deps.consents;
    this.#longestToken = deps.longestToken;
  }

  /**
   * Opens an account. Of several who ask for one name at once, one gets it.
   * @throws Refusal `username_taken`, `email_taken`, `overloaded`, or the code of a `PasswordProblem`.
   */
  async add(request: AccountRequest): Promise<ActiveAccount> {
    const { username, email = null, emailVerified = false, displayName = null, password } = request;
    const { groups = [], roles = [] } = request;
    this.#policy.demand(password, { username, email, displayName });
    const passwordHash = await this.#hasher.hash(password);
    const account = openAccount(
      { username, email, emailVerified, displayName, groups, roles, passwordHash },
      newSubject(this.#random),
      this.#clock.now(),
    );
    const put = await this.#records.put({ ...accountRecord(account), onlyIf: 'absent' });
    if (put.outcome === 'stored') return account;
    if (put.outcome === 'alias-taken') throw nameTaken(put.alias);
    throw new StorageFault(`a new account could not be stored: ${put.outcome}`);
  }

  /** The account of this subject in whichever state, or `null` if there never was one. */
  async findBySubject(subject: string): Promise<Account | null> {
    const record = await this.#records.find<AccountValue>('account', subject);
    return record === null ? null : accountFrom(record.value);
  }

  /** The account that this username or e-mail address belongs to, or `null`. */
  async findByLogin(login: string): Promise<LivingAccount | null> {
    const alias = readLogin(login);
    const record = alias === null ? null : await this.#records.findByAlias<AccountValue>('account', alias);
    const account = record === null ? null : accountFrom(record.value);
    return account === null || account.state === 'deleted' ? null : account;
  }

  /**
   * Checks a password. The work, and so the time, is the same whether the account exists, is locked, or the
   * password is wrong.
   * @throws Refusal `overloaded`
   */
  async authenticate(login: string, password: Secret): Promise<Authentication> {
    const account = await this.findByLogin(login);
    const matches = await this.#hasher.verify({ password, hash: account?.passwordHash ?? null });
    if (account === null) return { outcome: 'refused', reason: 'unknown_login', subject: null };
    const { subject, passwordHash } = account;
    if (!matches) return { outcome: 'refused', reason: 'wrong_password', subject };
    // Hashing took a while, in which the account may have been locked or its password changed to end a theft.
    // A sign-in with the old one must not come out of the line after that.
    const current = await this.findBySubject(subject);
    if (current?.state === 'locked') return { outcome: 'refused', reason: 'account_locked', subject };
    if (current?.state !== 'active' || !isSame(current.passwordHash, passwordHash)) {
      return { outcome: 'refused', reason: 'account_changed', subject };
    }
    if (this.#hasher.needsRehash(passwordHash)) await this.#rehash(current, password);
    return { outcome: 'authenticated', account: current };
  }

  /**
   * Nobody may sign in to a locked account, and its tokens do not stand. @throws Refusal `account_not_found`
   */
  async lock(subject: string): Promise<LivingAccount> {
    const locked = await this.#change(subject, (account) => lock(account, this.#clock.now()));
    await this.#sessions.suspendAllOf(subject);
    return locked;
  }

  /** @throws Refusal `account_not_found` */
  unlock(subject: string): Promise<LivingAccount> {
    return this.#change(subject, unlock);
  }

  /** Ends every session and token of the account; its owner can sign in again. @throws Refusal `account_not_found` */
  signOutEverywhere(subject: string): Promise<LivingAccount> {
    return this.#changeAndSignOut(subject, (account) => signOutEverywhere(account, this.#clock.now()));
  }

  /**
   * Gives the account other groups or roles; those that are not named stay. Whoever holds its tokens learns of it with
   * the next one. @throws Refusal `account_not_found`
   */
  setMemberships(subject: string, changed: Pick<AccountRequest, 'groups' | 'roles'>): Promise<LivingAccount> {
    return this.#change(subject, (account) => withMemberships(account, changed, this.#clock.now()));
  }

  /**
   * Gives the account another password, in whichever state it is, and ends what rests on sign-ins with the old one.
   * @throws Refusal `account_not_found`, `overloaded`, or the code of a `PasswordProblem`.
   */
  async setPassword(subject: string, password: Secret): Promise<LivingAccount> {
    const owner = await this.findBySubject(subject);
    if (owner === null || owner.state === 'deleted') throw notFound();
    this.#policy.demand(password, owner);
    const hash = await this.#hasher.hash(password);
    return this.#changeAndSignOut(subject, (account) => withPassword(account, hash, this.#clock.now()));
  }

  /**
   * Erases the person, with all that they have agreed to; the names are free again, the subject never is.
   * @throws Refusal `account_not_found`
   */
  async remove(subject: string): Promise<void> {
    // Before, since nobody can remove the account again to have it done; and once more, for what came in between.
    await this.#consents.forgetAllOf(subject);
    await this.#changeAndSignOut(subject, (account) => erase(account, this.#clock.now()));
    await this.#consents.forgetAllOf(subject);
  }

  /**
   * The accounts that belong to somebody, in a stable order. A page may hold fewer than `limit` though more
   * follow.
   */
  async list(page: { after?: string; limit: number }): Promise<AccountPage> {
    const { records, next } = await this.#records.list<AccountValue>('account', page);
    const accounts = records.map((record) => accountFrom(record.value));
    return { accounts: accounts.filter((account) => account.state !== 'deleted'), next };
  }

  /** The password stays what it was, so losing a race or finding the line full costs no one their sign-in. */
  async #rehash(account: ActiveAccount, password: Secret): Promise<void> {
    try {
      const hash = await this.#hasher.hash(password);
      await this.#change(account.subject, (current) =>
        isSame(current.passwordHash, account.passwordHash) ? withRehashedPassword(current, hash) : current,
      );
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** A change after which no earlier sign-in counts. Whoever loses the process in between can do it again. */
  async #changeAndSignOut<After extends Account>(
    subject: string,
    transition: (account: LivingAccount) => After,
  ): Promise<After> {
    const after = await this.#change(subject, transition);
    await this.#sessions.endAllOf(subject);
    return after;
  }

  /**
   * Reads, changes and writes back, again from the start when someone else has written in between. What was changed so
   * already is answered once that is settled.
   */
  async #change<Changed extends Account>(
    subject: string,
    transition: (account: LivingAccount) => Changed,
  ): Promise<Changed> {
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS_MAX; attempt += 1) {
      const record = await this.#records.find<AccountValue>('account', subject);
      const before = living(record);
      const changed = transition(before.account);
      if (Object.is(changed, before.account)) {
        await this.#records.settled();
        return changed;
      }
      const onlyIf = { version: before.version };
      const write = { ...accountRecord(changed), ...this.#noteOf(before.account, changed), onlyIf };
      const { outcome } = await this.#records.put(write);
      if (outcome === 'stored') return changed;
    }
    throw new StorageFault('an account changed each time it was about to be written');
  }

  /** Whatever ends tokens, or lets them stand again, is told to those who cannot ask. */
  #noteOf(before: Account, changed: Account): Pick<RecordWrite<unknown>, 'note'> {
    const ended = endedBefore(changed);
    if (ended === endedBefore(before)) return {};
    return { note: signInsEnded(changed.subject, ended, after(this.#clock.now(), this.#longestToken)) };
  }
}

function living(record: StoredRecord<AccountValue> | null): { account: LivingAccount; version: number } {
  const account = record === null ? null : accountFrom(record.value);
  if (record === null || account === null || account.state === 'deleted') throw notFound();
  return { account, version: record.version };
}

/** A salt makes every hash unique, so equal texts are one and the same setting of a password. */
function isSame(one: PasswordHash, other: PasswordHash): boolean {
  return one.reveal() === other.reveal();
}

function nameTaken(alias: string): Refusal {
  return alias.startsWith('email:')
    ? new Refusal('email_taken', 'Another account has this e-mail address.')
    : new Refusal('username_taken', 'Another account has this username.');
}

function notFound(): Refusal {
  return new Refusal('account_not_found', 'There is no such account.');
}
