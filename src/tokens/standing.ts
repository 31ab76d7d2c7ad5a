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
  readonly records: Pick<Records, 'anyRevoked'>;
  readonly authorizations: Pick<Authorizations, 'find'>;
  /** True if the client is there, and was registered before then: another under the same identifier is another client. */
  clientStands(clientId: string, since: EpochSeconds): Promise<boolean>;
  /** True if the account is active, and has not been signed out everywhere since then. */
  accountStands(subject: string, signedInAt: EpochSeconds): Promise<boolean>;
}

/** The entry in the revocation set of one access token. */
const tokenEntry = (jti: string) => `jti:${jti}`;

/**
 * Whether a JWT access token, its signature and lifetime having been checked, still stands: neither it nor its key is
 * revoked, and what it rests on stands.
 */
export async function standingOf(
  sources: StandingSources,
  kid: string,
  claims: AccessTokenClaims,
): Promise<Standing> {
  const { jti, client_id: clientId, grant_id: authorizationId } = claims;
  const [revoked, ground] = await Promise.all([
    sources.records.anyRevoked([tokenEntry(jti), keyRevocationEntry(kid)]),
    standingOfGround(sources, { clientId, authorizationId, issuedAt: claims.iat }),
  ]);
  if (!revoked) return ground;
  const keyRevoked = await sources.records.anyRevoked([keyRevocationEntry(kid)]);
  return fallen(keyRevoked ? 'key_revoked' : 'revoked');
}

/**
 * Whether what any token rests on stands: its client exists, and if a person authorized it, that authorization has
 * not ended, nor has the person's sign-in.
 */
export async function standingOfGround(
  sources: Pick<StandingSources, 'authorizations' | 'clientStands' | 'accountStands'>,
  {
    clientId,
    authorizationId,
    issuedAt,
  }: { clientId: string; authorizationId: string | undefined; issuedAt: EpochSeconds },
): Promise<Standing> {
  const [clientStands, authorization] = await Promise.all([
    sources.clientStands(clientId, issuedAt),
    authorizationId === undefined ? null : sources.authorizations.find(authorizationId),
  ]);
  if (!clientStands) return fallen('client_removed');
  if (authorizationId === undefined) return { stands: true, authorization: null };
  if (authorization === null || authorization.clientId !== clientId) return fallen('authorization_ended');
  const { subject, signedInAt } = authorization;
  return (await sources.accountStands(subject, signedInAt))
    ? { stands: true, authorization }
    : fallen('account_unavailable');
}

/** Ends one access token: RFC 7009. What else was issued under its authorization goes on. */
export function revokeAccessToken(
  records: Pick<Records, 'revoke'>,
  token: { readonly jti: string; readonly exp: EpochSeconds },
): Promise<void> {
  return records.revoke([tokenEntry(token.jti)], token.exp);
}

const fallen = (reason: FallenReason): Standing => ({ stands: false, reason });
