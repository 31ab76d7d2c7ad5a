import type { Account } from '#src/accounts/account.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import type { AssertionSubject } from '#src/federation/trusted-issuer.ts';

/**
 * The account that an assertion is about, in whichever state, or `null`. An address counts only where both sides have
 * seen that it is the person's: whoever may choose an address freely must not become somebody else.
 */
export async function findAccountOf(
  accounts: Pick<AccountRegistry, 'findBySubject' | 'findByLogin'>,
  by: Exclude<AssertionSubject, 'client'>,
  claims: Readonly<Record<string, unknown>>,
): Promise<Account | null> {
  const { sub, email, email_verified } = claims;
  if (by === 'subject') return typeof sub === 'string' ? accounts.findBySubject(sub) : null;
  if (by === 'username')
    return typeof sub === 'string' && !sub.includes('@') ? accounts.findByLogin(sub) : null;
  if (typeof email !== 'string' || !email.includes('@') || email_verified !== true) return null;
  const account = await accounts.findByLogin(email);
  return account?.emailVerified === true ? account : null;
}
