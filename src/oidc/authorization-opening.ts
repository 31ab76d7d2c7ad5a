import type { Grant, Session } from 'oidc-provider';
import type { LibraryModel } from '#src/oidc/library.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import { epochSeconds } from '#src/units.ts';

/** What brings an authorization to the client, and says what was asked for. */
interface Carrier {
  readonly scopes: ReadonlySet<string>;
  readonly resourceIndicators: ReadonlySet<string | undefined>;
  readonly claims?: object | undefined;
}

/** The authorization that opens with what carries it to the client: a person has just granted it in their session. */
export async function openingAuthorization(
  { grant, session }: { grant?: Grant | undefined; session?: Pick<Session, 'authTime' | 'uid'> | undefined },
  carrier: Carrier,
): Promise<Authorization> {
  if (grant === undefined || session === undefined) throw new Error('a person grants in a session');
  const { payload = {} } = await (grant as unknown as LibraryModel).getValueAndPayload();
  return {
    subject: grant.accountId as string,
    clientId: grant.clientId as string,
    signedInAt: epochSeconds(session.authTime() as number),
    grant: asAskedFor(payload, carrier),
    claims: { ...carrier.claims },
    family: null,
    sessionUid: carrier.scopes.has('offline_access') ? null : session.uid,
  };
}

/** The members of the library's grants that say what is allowed where. */
export interface GrantPayload {
  readonly accountId?: string;
  readonly clientId?: string;
  readonly exp?: number;
  readonly openid?: { readonly scope?: string };
  readonly resources?: Readonly<Record<string, string>>;
  /** What the person said no to. */
  readonly rejected?: object;
}

/**
 * A grant without what was not asked for at this sign-in: it was made of all that the person has ever consented to
 * for the client, and nothing that rests on the sign-in may reach further than that was to.
 */
function asAskedFor(granted: GrantPayload, { scopes, resourceIndicators }: Carrier): Authorization['grant'] {
  const { openid, resources = {} } = granted;
  const asked = (scope = '') =>
    scope
      .split(' ')
      .filter((each) => scopes.has(each))
      .join(' ');
  const askedAt = Object.entries(resources).filter(([identifier]) => resourceIndicators.has(identifier));
  return {
    ...granted,
    ...(openid === undefined ? undefined : { openid: { ...openid, scope: asked(openid.scope) } }),
    resources: Object.fromEntries(askedAt.map(([identifier, scope]) => [identifier, asked(scope)])),
  };
}
