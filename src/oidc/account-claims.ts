import type { Configuration } from 'oidc-provider';
import { type Account, claimsOf, standsSince } from '#src/accounts/account.ts';
import { epochSeconds } from '#src/units.ts';

/** Which claims each scope of OpenID Connect Core section 5.4 asks for, of those that accounts have. */
export const CLAIMS = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
};

/**
 * The library's `findAccount`: the claims of an account, as long as it is active and its person has not been signed out
 * since the sign-in in question.
 */
export function accountFinder(
  findAccount: (subject: string) => Promise<Account | null>,
): NonNullable<Configuration['findAccount']> {
  return async (ctx, subject, token) => {
    const account = await findAccount(subject);
    // A code says when its person signed in; access and refresh tokens have been asked about that already.
    const { authTime = undefined } = (token ?? {}) as { authTime?: number };
    const signedInAt = authTime ?? ctx.oidc.session?.authTime();
    const stands =
      signedInAt === undefined ? account?.state === 'active' : standsSince(account, epochSeconds(signedInAt));
    if (account === null || !stands) return undefined;
    return { accountId: account.subject, claims: async () => ({ ...claimsOf(account) }) };
  };
}
