import type { Records } from '#src/records.ts';
import { type ResourceServer, withEmptyPath } from '#src/resources/resource-server.ts';
import { type Revocation, resourcesOf } from '#src/revocations/revocation.ts';
import type { AccessTokenClaims, Actor } from '#src/tokens/access-token.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * Whether a resource server is told of a revocation: only if it may hold a token that falls with it. Identifiers of
 * clients and keys are no secrets, and any resource server may have met them.
 */
export async function isConcerned(
  records: Pick<Records, 'find' | 'listOwned'>,
  resourceServer: ResourceServer,
  revocation: Revocation,
): Promise<boolean> {
  const { identifier, audience } = resourceServer;
  switch (revocation.what) {
    case 'client':
    case 'key':
      return true;
    case 'token':
      return (
        revocation.audiences.includes(audience) || (await hasConcern(records, identifier, revocation.jti))
      );
    case 'authorization':
      return (
        isFor(revocation.resources, identifier) || (await hasConcern(records, identifier, revocation.id))
      );
    case 'sign-ins':
      return (
        (await hasConcern(records, identifier, revocation.subject)) ||
        (await hasAuthorization(records, identifier, revocation.subject))
      );
  }
}

/**
 * Remembers whom a token that was exchanged concerns, for as long as any token lives. It falls with tokens and
 * authorizations that were for others, so nothing else would tell.
 */
export async function rememberConcerns(
  records: Pick<Records, 'put'>,
  identifier: string,
  { rests_on: restsOn = {}, grant_id, sub, act }: AccessTokenClaims,
  until: EpochSeconds,
): Promise<void> {
  const names = [restsOn.jti ?? [], restsOn.grant_id ?? [], grant_id ?? [], sub, actorsOf(act)].flat();
  await Promise.all(
    names.map((name) =>
      records.put({ kind: 'concern', id: concernId(identifier, name), value: null, expiresAt: until }),
    ),
  );
}

/** Who acts, and who acted before: RFC 8693 section 4.1. */
export function actorsOf(act: Actor | undefined): readonly string[] {
  return act === undefined ? [] : [act.sub, ...actorsOf(act.act)];
}

async function hasConcern(
  records: Pick<Records, 'find'>,
  identifier: string,
  name: string,
): Promise<boolean> {
  return (await records.find('concern', concernId(identifier, name))) !== null;
}

const concernId = (identifier: string, name: string) => JSON.stringify([identifier, name]);

const PAGE_RECORDS = 50;

/** Whether a person has authorized anyone to call the resource server. Those that have ended were told of one by one. */
async function hasAuthorization(
  records: Pick<Records, 'listOwned'>,
  identifier: string,
  subject: string,
): Promise<boolean> {
  let after: string | undefined;
  for (;;) {
    const page = await records.listOwned<Authorization>('authorization', subject, {
      limit: PAGE_RECORDS,
      ...(after === undefined ? undefined : { after }),
    });
    if (page.records.some(({ value }) => isFor(resourcesOf(value.grant), identifier))) return true;
    if (page.next === null) return false;
    after = page.next;
  }
}

/** Clients name a resource server with or without the empty path. */
function isFor(resources: readonly string[], identifier: string): boolean {
  return resources.some((resource) => withEmptyPath(resource) === withEmptyPath(identifier));
}
