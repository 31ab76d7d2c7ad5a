import type { Client as LibraryClient } from 'oidc-provider';
import {
  concernedBy,
  grantableTo,
  isBound,
  type PersonTokenDependencies,
  signedTokens,
} from '#src/oidc/direct/person-tokens.ts';
import { type RefreshTokenSigning, refreshTokenOf } from '#src/oidc/refresh-token-model.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import type { RefreshTokenReading } from '#src/tokens/refresh-token.ts';
import { keyStands, type StandingSources } from '#src/tokens/standing.ts';

export interface RefreshDependencies extends PersonTokenDependencies, RefreshTokenSigning {
  readonly authorizations: Authorizations;
  readonly standing: StandingSources;
  readonly lifetimes: PersonTokenDependencies['lifetimes'] & RefreshTokenSigning['lifetimes'];
  readonly keys: PersonTokenDependencies['keys'] & { assertSigning(): Promise<void> };
}

/** True for a client that is registered for refreshing, and of whom nothing more is asked than the token. */
export function mayRefresh(client: LibraryClient, deps: Pick<RefreshDependencies, 'registered'>): boolean {
  return client.grantTypeAllowed('refresh_token') && !isBound(client, deps);
}

/**
 * The answer to a client that `mayRefresh` and uses the current token of a family: RFC 6749 section 6. `null` where the library is to
 * answer, also to whoever comes second: nothing has been used up then, and the library finds out what it means.
 * @throws StorageFault, SigningFault
 */
export async function refreshedTokens(
  { authorizationId, generation, issuedAt }: RefreshTokenReading,
  kid: string,
  client: LibraryClient,
  deps: RefreshDependencies,
): Promise<object | null> {
  const [stands, presented, clientStands] = await Promise.all([
    keyStands(deps.standing, kid),
    deps.authorizations.present(authorizationId, generation),
    deps.standing.clientStands(client.clientId, issuedAt),
  ]);
  if (!stands || !clientStands || presented.outcome !== 'current') return null;
  const { authorization, family } = presented;
  const { says } = family;
  const concerned = await concernedBy(authorization.subject, says, deps);
  const grantable = grantableTo(client, { authorizationId, authorization, says }, concerned, deps);
  if (grantable === null) return null;
  await deps.keys.assertSigning();
  const used = await deps.authorizations.use(authorizationId, generation, presented);
  if (used.outcome !== 'current') return null;
  const refreshToken = await refreshTokenOf(authorizationId, used.family, deps);
  return { ...(await signedTokens(grantable, deps)), refresh_token: refreshToken };
}
