import type { Account, ActiveAccount, DeletedAccount, LockedAccount } from '#src/accounts/account.ts';
import { emailLogin, type LoginKey, usernameLogin } from '#src/accounts/login.ts';
import { storedHash } from '#src/accounts/password-hash.ts';
import type { RecordWrite } from '#src/records.ts';

/**
 * An account as it lies in the store: the same, with the text of the password hash in the place of the
 * `Secret`.
 */
export type AccountValue = InClear<ActiveAccount> | InClear<LockedAccount> | DeletedAccount;

type InClear<A> = Omit<A, 'passwordHash'> & { readonly passwordHash: string };

/**
 * The whole record: the subject is its identifier, and the names that sign in are its aliases, so the store
 * keeps them unique.
 */
export function accountRecord(account: Account): RecordWrite<AccountValue> {
  return {
    kind: 'account',
    id: account.subject,
    value:
      account.state === 'deleted' ? account : { ...account, passwordHash: account.passwordHash.reveal() },
    expiresAt: null,
    aliases: aliasesOf(account),
    forgets: account.state === 'deleted',
  };
}

export function accountFrom(value: AccountValue): Account {
  if (value.state === 'deleted') return value;
  // Accounts that were written before there were memberships have none.
  return {
    ...value,
    groups: value.groups ?? [],
    roles: value.roles ?? [],
    passwordHash: storedHash(value.passwordHash),
  };
}

function aliasesOf(account: Account): readonly LoginKey[] {
  if (account.state === 'deleted') return [];
  const username = usernameLogin(account.username);
  return account.email === null ? [username] : [username, emailLogin(account.email)];
}
