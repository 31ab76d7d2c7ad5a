import type { GrantPayload } from '#src/oidc/authorization-opening.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * What the person granted the client, as the library has it; `null` where the library is to look at it: it has ended, it
 * is somebody else's, or the person has said no to some of it.
 */
export function grantedIn(
  { grant: payload, subject }: Authorization,
  clientId: string,
  now: EpochSeconds,
): GrantPayload | null {
  const grant: GrantPayload = payload;
  if (grant.exp === undefined || grant.exp <= now) return null;
  if (Object.keys(grant.rejected ?? {}).length > 0) return null;
  return grant.clientId === clientId && grant.accountId === subject ? grant : null;
}
