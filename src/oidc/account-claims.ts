import type { Configuration } from 'oidc-provider';
import { type Account, claimsOf, standsSince } from '#src/accounts/account.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { TokenAccountClaims } from '#src/tokens/access-token.ts';
import { epochSeconds } from '#src/units.ts';

/** Which claims each scope asks for, of those that accounts have: OpenID Connect Core section 5.4. */
export const CLAIMS = {
  // How and when the person signed in is told to everyone whom they sign in to: OpenID Connect Core section 2.
  openid: ['sub', 'auth_time', 'acr', 'amr'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
  roles: ['roles'],
};

/** Of what is known of a person, what these scopes ask for. */
export function claimsAskedBy(
  scopes: readonly string[],
  known: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const asked = scopes.flatMap((scope) =>
    Object.hasOwn(CLAIMS, scope) ? CLAIMS[scope as keyof typeof CLAIMS] : [],
  );
  return Object.fromEntries(asked.filter((name) => name in known).map((name) => [name, known[name]]));
}

/** The claims of those that are about the person, and so are theirs to allow. */
export const PERSONAL_CLAIMS: ReadonlySet<string> = new Set([
  ...CLAIMS.profile,
  ...CLAIMS.email,
  ...CLAIMS.groups,
  ...CLAIMS.roles,
]);

/** The personal claims that these scopes ask for. */
export function claimsOfScopes(scopes: readonly string[]): readonly string[] {
  const byScope = new Map<string, readonly string[]>(Object.entries(CLAIMS));
  return scopes.flatMap((scope) => byScope.get(scope) ?? []).filter((claim) => PERSONAL_CLAIMS.has(claim));
}

/** What a resource server asked to be told of an account, as far as it is known. */
export async function tokenClaimsOf(
  { claims = [] }: Partial<Pick<ResourceServer, 'claims'>>,
  findAccount: () => Promise<Account | null>,
): Promise<Partial<TokenAccountClaims>> {
  if (claims.length === 0) return {};
  const account = await findAccount();
  if (account === null) return {};
  const known = claimsOf(account);
  return Object.fromEntries(
    claims.filter((name) => known[name] !== undefined).map((name) => [name, known[name]]),
  );
}

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
