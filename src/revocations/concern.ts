import { everyOwned } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { type ResourceServer, withEmptyPath } from '#src/resources/resource-server.ts';
import { type Revocation, resourcesOf } from '#src/revocations/revocation.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface ConcernPorts {
  readonly records: Pick<Records, 'find' | 'listOwned'>;
  /** What a client's tokens call an account; `null` if there is no such client any more. */
  subjectFor(clientId: string, account: string): Promise<string | null>;
}

/**
 * What a resource server is told of a revocation: nothing, unless it may hold a token that falls with it. Identifiers of
 * clients and keys are no secrets, and any resource server may have met them. An account is told of by each name that
 * tokens for this resource server may call it.
 */
export async function concerning(
  ports: ConcernPorts,
  resourceServer: ResourceServer,
  revocation: Revocation,
): Promise<readonly Revocation[]> {
  const { identifier, audience } = resourceServer;
  switch (revocation.what) {
    case 'client':
    case 'key':
      return [revocation];
    case 'token': {
      const own = revocation.audiences.includes(audience);
      return own || (await isRemembered(ports, identifier, revocation.jti)) ? [revocation] : [];
    }
    case 'authorization': {
      const own = isFor(revocation.resources, identifier);
      return own || (await isRemembered(ports, identifier, revocation.id)) ? [revocation] : [];
    }
    case 'sign-ins': {
      const names = await namesOf(ports, identifier, revocation.subject);
      return [...names].map((subject) => ({ ...revocation, subject }));
    }
  }
}

/**
 * Remembers what a token that was exchanged concerns, for as long as any token lives. It falls with tokens and
 * authorizations that were for other resource servers, so nothing else would tell.
 */
export async function rememberConcerns(
  records: Pick<Records, 'put'>,
  token: { readonly identifier: string; readonly account: string | null; readonly claims: AccessTokenClaims },
  until: EpochSeconds,
): Promise<void> {
  const { identifier, account, claims } = token;
  const { rests_on: restsOn = {}, grant_id, sub } = claims;
  const common = { kind: 'concern', expiresAt: until } as const;
  const names = [restsOn.jti ?? [], restsOn.grant_id ?? [], grant_id ?? []].flat();
  const known = names.map((name) => records.put({ ...common, id: concernId(identifier, name), value: null }));
  if (account !== null) {
    const owner = concernId(identifier, account);
    known.push(records.put({ ...common, id: JSON.stringify([owner, sub]), value: { sub }, owner }));
  }
  await Promise.all(known);
}

async function isRemembered(
  { records }: Pick<ConcernPorts, 'records'>,
  identifier: string,
  name: string,
): Promise<boolean> {
  return (await records.find('concern', concernId(identifier, name))) !== null;
}

const concernId = (identifier: string, name: string) => JSON.stringify([identifier, name]);

/** Authorizations that have ended are told of one by one. */
async function namesOf(ports: ConcernPorts, identifier: string, account: string): Promise<Set<string>> {
  const names = new Set<string>();
  const owner = concernId(identifier, account);
  for await (const { value } of everyOwned<{ sub: string }>(ports.records, 'concern', owner))
    names.add(value.sub);
  const clients = new Set<string>();
  for await (const { value } of everyOwned<Authorization>(ports.records, 'authorization', account))
    if (isFor(resourcesOf(value.grant), identifier)) clients.add(value.clientId);
  for (const clientId of clients) {
    const name = await ports.subjectFor(clientId, account);
    if (name !== null) names.add(name);
  }
  return names;
}

/** Clients name a resource server with or without the empty path. */
function isFor(resources: readonly string[], identifier: string): boolean {
  return resources.some((resource) => withEmptyPath(resource) === withEmptyPath(identifier));
}
