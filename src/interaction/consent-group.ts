import type { Consent } from '#src/interaction/consent.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';

/** What belongs together of a consent: the account's own scopes and claims, or those of one resource server. */
export interface ConsentGroup {
  readonly title?: string;
  readonly identifier?: string;
  readonly scopes: readonly {
    readonly name: string;
    readonly claim?: boolean;
    readonly title?: string | undefined;
  }[];
}

/** A consent as a person can read it, resource servers by their names and scopes by their meanings. */
export async function consentGroups(
  { scope, claims, resources }: Consent,
  registry: Pick<ResourceRegistry, 'findByIndicator'>,
): Promise<readonly ConsentGroup[]> {
  const ofAccount = [...scope.map((name) => ({ name })), ...claims.map((name) => ({ name, claim: true }))];
  const ofResources = Object.entries(resources).map(async ([identifier, scopes]) => {
    const resourceServer = await registry.findByIndicator(identifier);
    const meanings = new Map(Object.entries(resourceServer?.scopeMeanings ?? {}));
    return {
      title: resourceServer?.name ?? identifier,
      identifier,
      scopes: scopes.map((name) => ({ name, title: meanings.get(name) })),
    };
  });
  return [{ scopes: ofAccount }, ...(await Promise.all(ofResources))];
}
