import type { DisplayName } from '#src/accounts/display-name.ts';
import type { EmailAddress } from '#src/accounts/email-address.ts';
import type { Membership } from '#src/accounts/membership.ts';
import type { PasswordHash } from '#src/accounts/password-hash.ts';
import type { Username } from '#src/accounts/username.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import { after, type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';

declare const subject: unique symbol;

/**
 * Who an account is to clients and resource servers: the `sub` claim. Random, never a name or an address, and
 * never given to another (OpenID Connect Core section 2).
 */
export type Subject = string & { readonly [subject]: true };

/** A person's account. Only an active one may sign in, and only an active one's tokens stand. */
export type Account = ActiveAccount | LockedAccount | DeletedAccount;

interface Profile {
  readonly subject: Subject;
  readonly username: Username;
  readonly email: EmailAddress | null;
  readonly emailVerified: boolean;
  readonly displayName: DisplayName | null;
  readonly groups: readonly Membership[];
  readonly roles: readonly Membership[];
  readonly passwordHash: PasswordHash;
  readonly createdAt: EpochSeconds;
  /** When anything that a claim tells last changed. */
  readonly updatedAt: EpochSeconds;
  readonly passwordChangedAt: EpochSeconds;
  /** What rests on a sign-in before this has ended: sessions, authorizations, tokens. `null`: nothing has. */
  readonly signedOutBefore: EpochSeconds | null;
}

export interface ActiveAccount extends Profile {
  readonly state: 'active';
}

export interface LockedAccount extends Profile {
  readonly state: 'locked';
  readonly lockedAt: EpochSeconds;
}

/**
 * What is left of an account that was removed: enough that its subject is never given to another, and nothing
 * personal.
 */
export interface DeletedAccount {
  readonly state: 'deleted';
  readonly subject: Subject;
  readonly createdAt: EpochSeconds;
  readonly deletedAt: EpochSeconds;
}

/** An account that still belongs to somebody. */
export type LivingAccount = ActiveAccount | LockedAccount;

export interface NewAccount {
  readonly username: Username;
  readonly email: EmailAddress | null;
  readonly emailVerified: boolean;
  readonly displayName: DisplayName | null;
  readonly groups: readonly Membership[];
  readonly roles: readonly Membership[];
  readonly passwordHash: PasswordHash;
}

export function newSubject(random: Random): Subject {
  return newIdentifier(random) as Subject;
}

/** Opens an account. An address that is not there cannot have been verified. */
export function openAccount(newcomer: NewAccount, subject: Subject, now: EpochSeconds): ActiveAccount {
  return {
    state: 'active',
    subject,
    ...newcomer,
    emailVerified: newcomer.email !== null && newcomer.emailVerified,
    createdAt: now,
    updatedAt: now,
    passwordChangedAt: now,
    signedOutBefore: null,
  };
}

/** True if what rests on a sign-in at that time still stands, as far as the account is concerned. */
export function standsSince(account: Account | null, signedInAt: EpochSeconds): account is ActiveAccount {
  if (account?.state !== 'active') return false;
  return account.signedOutBefore === null || signedInAt >= account.signedOutBefore;
}

/** What rests on sign-ins before that time has ended; `null`: on any. `standsSince`, as something that can be told. */
export function endedBefore(account: Account): EpochSeconds | null {
  if (account.state !== 'active') return null;
  return account.signedOutBefore ?? epochSeconds(0);
}

/** The time that a sign-in which succeeds now is from. Not before everything from this very second has been ended. */
export function signInTime({ signedOutBefore }: ActiveAccount, now: EpochSeconds): EpochSeconds {
  return signedOutBefore !== null && signedOutBefore > now ? signedOutBefore : now;
}

/** Ends every session, authorization and token of the account, those of this second too. */
export function signOutEverywhere<A extends LivingAccount>(account: A, now: EpochSeconds): A {
  return { ...account, signedOutBefore: after(now, seconds(1)) };
}

/** Gives the account other groups or roles; those that are not named stay. Tokens say so from their next issue on. */
export function withMemberships<A extends LivingAccount>(
  account: A,
  changed: Partial<Pick<NewAccount, 'groups' | 'roles'>>,
  now: EpochSeconds,
): A {
  return { ...account, ...changed, updatedAt: now };
}

/** Locking twice keeps the first time. */
export function lock(account: LivingAccount, now: EpochSeconds): LockedAccount {
  return account.state === 'locked' ? account : { ...account, state: 'locked', lockedAt: now };
}

export function unlock(account: LivingAccount): ActiveAccount {
  if (account.state === 'active') return account;
  const { lockedAt: _, ...profile } = account;
  return { ...profile, state: 'active' };
}

/** Forgets everything about the person. */
export function erase(account: Account, now: EpochSeconds): DeletedAccount {
  if (account.state === 'deleted') return account;
  return { state: 'deleted', subject: account.subject, createdAt: account.createdAt, deletedAt: now };
}

/** Gives the account another password, and ends what rests on sign-ins with the one before. */
export function withPassword<A extends LivingAccount>(account: A, hash: PasswordHash, now: EpochSeconds): A {
  return signOutEverywhere({ ...account, passwordHash: hash, passwordChangedAt: now }, now);
}

/** Keeps the password, hashed anew at today's cost: not a change of password. */
export function withRehashedPassword<A extends LivingAccount>(account: A, hash: PasswordHash): A {
  return { ...account, passwordHash: hash };
}

/**
 * The claims of the scopes `profile` and `email`, OpenID Connect Core sections 5.1 and 5.4, and those of RFC 9068
 * section 2.2.3.1. What is not known is left out.
 */
export interface AccountClaims {
  readonly sub: Subject;
  readonly preferred_username?: string;
  readonly name?: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly groups?: readonly string[];
  readonly roles?: readonly string[];
  readonly updated_at?: EpochSeconds;
}

/** Everything that an account can tell; which of it a client gets to see is the scope's matter. */
export function claimsOf(account: Account): AccountClaims {
  if (account.state === 'deleted') return { sub: account.subject };
  return {
    sub: account.subject,
    preferred_username: account.username,
    ...(account.displayName === null ? {} : { name: account.displayName }),
    ...(account.email === null ? {} : { email: account.email, email_verified: account.emailVerified }),
    groups: account.groups,
    roles: account.roles,
    updated_at: account.updatedAt,
  };
}
