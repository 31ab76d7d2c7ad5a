import type { Account, LivingAccount } from '#src/accounts/account.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';

/** What names an account in every command. */
export const ACCOUNT = '<account>';

export const ACCOUNT_NAMES =
  '\nAn account is named by its username, its e-mail address or its subject (sub).';

/** By username or e-mail address, or by the subject. @throws Refusal `account_not_found` */
export async function findAccount(accounts: Services['accounts'], named: string): Promise<LivingAccount> {
  const found = (await accounts.findBySubject(named)) ?? (await accounts.findByLogin(named));
  if (found === null || !isLiving(found)) throw new Refusal('account_not_found', `no account ${named}`);
  return found;
}

const isLiving = (account: Account): account is LivingAccount => account.state !== 'deleted';
