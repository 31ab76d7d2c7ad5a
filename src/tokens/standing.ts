import type { Records } from '#src/records.ts';
import { keyRevocationEntry } from '#src/signing/rotation.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { Authorization, Authorizations } from '#src/tokens/authorization.ts';
import type { EpochSeconds } from '#src/units.ts';

/** Why a token that is well signed and unexpired does not stand. */
export type FallenReason =
  | 'revoked'
  | 'key_revoked'
  | 'authorization_ended'
  | 'client_removed'
  | 'account_unavailable';

export type Standing =
  | { readonly stands: true; readonly authorization: Authorization | null }
  | { readonly stands: false; readonly reason: FallenReason };

/** What standing depends on, each asked anew at every call, so that every node answers the same at once. */
export interface StandingSources {
  readonly records: Pick<Records, 'anyRevoked' | 'revoke'>;
  readonly authorizations: Pick<Authorizations, 'find'>;
  clientExists(clientId: string): Promise<boolean>;
  accountIsActive(subject: string): Promise<boolean>;
}

/** The entry in the revocation set of one access token. */
const tokenEntry = (jti: string) => `jti:${jti}`;

/**
 * Whether an access token, its signature and lifetime having been checked, still stands: neither it nor its key is
 * revoked, the authorization that it was issued under has not ended, its client exists and its account is active.
 */
export async function standingOf(
  sources: StandingSources,
  kid: string,
  claims: AccessTokenClaims,
): Promise<Standing> {
  const { jti, client_id: clientId, grant_id: authorizationId } = claims;
  const [revoked, clientExists, authorization] = await Promise.all([
    sources.records.anyRevoked([tokenEntry(jti), keyRevocationEntry(kid)]),
    sources.clientExists(clientId),
    authorizationId === undefined ? null : sources.authorizations.find(authorizationId),
  ]);
  if (revoked)
    return fallen((await sources.records.anyRevoked([keyRevocationEntry(kid)])) ? 'key_revoked' : 'revoked');
  if (!clientExists) return fallen('client_removed');
  if (authorizationId === undefined) return { stands: true, authorization: null };
  if (authorization === null || authorization.clientId !== clientId) return fallen('authorization_ended');
  if (!(await sources.accountIsActive(authorization.subject))) return fallen('account_unavailable');
  return { stands: true, authorization };
}

/** Ends one access token: RFC 7009. What else was issued under its authorization goes on. */
export function revokeAccessToken(
  records: Pick<Records, 'revoke'>,
  token: { readonly jti: string; readonly exp: EpochSeconds },
): Promise<void> {
  return records.revoke([tokenEntry(token.jti)], token.exp);
}

const fallen = (reason: FallenReason): Standing => ({ stands: false, reason });
