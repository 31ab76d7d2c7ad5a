import type { Account } from '#src/accounts/account.ts';
import { standsSince } from '#src/accounts/account.ts';
import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import type { Consent, Consents } from '#src/interaction/consent.ts';
import type { Sessions } from '#src/sessions/sessions.ts';
import type { Authorization, Authorizations } from '#src/tokens/authorization.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A client that a person has allowed something, or that has tokens of theirs. */
export interface Application {
  readonly clientId: string;
  readonly consent: Consent | null;
  /** True if it can go on when the person has signed out. */
  readonly offline: boolean;
  /** When it last got tokens; `null` if it has none that stand. */
  readonly lastUsedAt: EpochSeconds | null;
}

export interface ApplicationPorts {
  readonly consents: Pick<Consents, 'listOf' | 'forget'>;
  readonly authorizations: Pick<Authorizations, 'listOf' | 'end'>;
  readonly sessions: Pick<Sessions, 'dismissAllOf'>;
}

/** Every application of an account, the one that was used last first. */
export async function applicationsOf(
  { consents, authorizations }: Omit<ApplicationPorts, 'sessions'>,
  account: Account,
): Promise<readonly Application[]> {
  const applications = new Map<string, Application>();
  for await (const { clientId, consent } of consents.listOf(account.subject)) {
    applications.set(clientId, { clientId, consent, offline: false, lastUsedAt: null });
  }
  for await (const { authorization } of authorizations.listOf(account.subject)) {
    const { clientId, signedInAt } = authorization;
    if (clientId === ACCOUNT_CLIENT_ID || !standsSince(account, signedInAt)) continue;
    const known = applications.get(clientId) ?? { clientId, consent: null, offline: false, lastUsedAt: null };
    applications.set(clientId, withAuthorization(known, authorization));
  }
  return [...applications.values()].toSorted((a, b) => (b.lastUsedAt ?? 0) - (a.lastUsedAt ?? 0));
}

function withAuthorization(
  application: Application,
  { family, sessionUid, signedInAt }: Authorization,
): Application {
  const usedAt = family?.advancedAt ?? signedInAt;
  const lastUsedAt =
    application.lastUsedAt === null || usedAt > application.lastUsedAt ? usedAt : application.lastUsedAt;
  return {
    ...application,
    offline: application.offline || (sessionUid === null && family !== null),
    lastUsedAt,
  };
}

/**
 * Takes back what the person has allowed, ends every token of the client's, wherever they signed in, and has it told,
 * if it asks for that, that they are signed out. Whoever loses the process in between can do it again.
 */
export async function revokeApplication(
  { consents, authorizations, sessions }: ApplicationPorts,
  subject: string,
  clientId: string,
): Promise<void> {
  // First, so that no authorization is opened on it once those that there are have been ended.
  await consents.forget(subject, clientId);
  await sessions.dismissAllOf(subject, clientId);
  for await (const { id, authorization } of authorizations.listOf(subject)) {
    if (authorization.clientId === clientId) await authorizations.end(id);
  }
}
