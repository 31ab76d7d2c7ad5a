import { createHash } from 'node:crypto';
import type { Records } from '#src/records.ts';
import { tokenRevoked } from '#src/revocations/note.ts';
import { keyRevocationEntry } from '#src/signing/rotation.ts';
import type { AccessTokenClaims, RestsOn } from '#src/tokens/access-token.ts';
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

/** The name in the revocation set of an opaque token, which itself nobody else may learn. */
export function opaqueTokenName(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/**
 * Whether a JWT access token, its signature and lifetime having been checked, still stands: neither it nor its key is
 * revoked, and what it rests on stands.
 */
export async function standingOf(
  sources: StandingSources,
  kid: string,
  claims: AccessTokenClaims,
): Promise<Standing> {
  const { jti, client_id: clientId, grant_id: authorizationId, rests_on: restsOn } = claims;
  const [itself, ground] = await Promise.all([
    standingByItself(sources, kid, jti),
    standingOfGround(sources, { clientId, authorizationId, issuedAt: claims.iat, restsOn }),
  ]);
  return itself.stands ? ground : itself;
}

/** Whether a token stands that rests on nothing but its key, as a canary does. */
export async function standingByItself(
  { records }: Pick<StandingSources, 'records'>,
  kid: string,
  jti: string,
): Promise<Standing> {
  const revoked = await records.anyRevoked([tokenEntry(jti), keyRevocationEntry(kid)]);
  if (!revoked) return { stands: true, authorization: null };
  return fallen((await keyStands({ records }, kid)) ? 'revoked' : 'key_revoked');
}

/** True unless the key was revoked, also where a node has not read the newest ring yet. */
export async function keyStands(
  { records }: Pick<StandingSources, 'records'>,
  kid: string,
): Promise<boolean> {
  return !(await records.anyRevoked([keyRevocationEntry(kid)]));
}

/** What a token rests on, besides its own name and key. */
export interface Ground {
  readonly clientId: string;
  /** `undefined` where a client acts for itself. */
  readonly authorizationId: string | undefined;
  readonly issuedAt: EpochSeconds;
  /** What a token that was exchanged for others falls with too: RFC 8693. */
  readonly restsOn?: RestsOn | undefined;
}

/**
 * Whether what any token rests on stands: its client exists, and if a person authorized it, that authorization has
 * not ended, nor has the person's sign-in. The same holds of all that it was exchanged from.
 */
export async function standingOfGround(sources: StandingSources, ground: Ground): Promise<Standing> {
  const { clientId, authorizationId, issuedAt, restsOn = {} } = ground;
  const clients = [clientId, ...(restsOn.client_id ?? [])];
  const entries = (restsOn.jti ?? []).map(tokenEntry);
  const [revoked, clientsStand, own, ...others] = await Promise.all([
    entries.length > 0 && sources.records.anyRevoked(entries),
    Promise.all(clients.map((each) => sources.clientStands(each, issuedAt))),
    authorizationId === undefined ? null : standingOfAuthorization(sources, authorizationId, clients),
    ...(restsOn.grant_id ?? []).map((each) => standingOfAuthorization(sources, each, clients)),
  ]);
  if (revoked) return fallen('revoked');
  if (!clientsStand.every((stands) => stands)) return fallen('client_removed');
  return others.find(({ stands }) => !stands) ?? own ?? { stands: true, authorization: null };
}

async function standingOfAuthorization(
  sources: Pick<StandingSources, 'authorizations' | 'accountStands'>,
  id: string,
  clients: readonly string[],
): Promise<Standing> {
  const authorization = await sources.authorizations.find(id);
  if (authorization === null || !clients.includes(authorization.clientId))
    return fallen('authorization_ended');
  const { subject, signedInAt } = authorization;
  return (await sources.accountStands(subject, signedInAt))
    ? { stands: true, authorization }
    : fallen('account_unavailable');
}

/** Ends one access token: RFC 7009. What else was issued under its authorization goes on. */
export function revokeAccessToken(
  records: Pick<Records, 'revoke'>,
  token: Pick<AccessTokenClaims, 'jti' | 'aud' | 'exp'>,
): Promise<void> {
  return records.revoke([tokenEntry(token.jti)], token.exp, tokenRevoked(token));
}

const fallen = (reason: FallenReason): Standing => ({ stands: false, reason });
