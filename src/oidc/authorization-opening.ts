import type { Grant, Session } from 'oidc-provider';
import type { LibraryModel } from '#src/oidc/library.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import { epochSeconds } from '#src/units.ts';

/** The authorization that opens with what carries it to the client: a person has just granted it in their session. */
export async function openingAuthorization(
  { grant, session }: { grant?: Grant | undefined; session?: Pick<Session, 'authTime' | 'uid'> | undefined },
  carrier: { readonly scopes: ReadonlySet<string>; readonly claims?: object | undefined },
): Promise<Authorization> {
  if (grant === undefined || session === undefined) throw new Error('a person grants in a session');
  const { payload = {} } = await (grant as unknown as LibraryModel).getValueAndPayload();
  return {
    subject: grant.accountId as string,
    clientId: grant.clientId as string,
    signedInAt: epochSeconds(session.authTime() as number),
    grant: payload,
    claims: { ...carrier.claims },
    family: null,
    sessionUid: carrier.scopes.has('offline_access') ? null : session.uid,
  };
}
