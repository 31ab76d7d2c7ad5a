import { ClientSecrets } from '#src/clients/client-secret.ts';
import { systemRandom as random } from '#src/random.ts';
import { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { minutes } from '#src/units.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';
import type { TemporaryStore } from '#test/support/temporary-store.ts';

/** Resource servers on a store, and their secrets. */
export function resourcesOn(
  { records, clock, derive }: TemporaryStore,
  issuer: string,
  ...signing: readonly SigningAlgorithm[]
): { readonly resources: ResourceRegistry; readonly secrets: ClientSecrets } {
  const secrets = new ClientSecrets({ digestKey: derive('client secrets'), clock, random });
  const limits = { algorithms: algorithmsWith(...signing), accessTokenLifetimeMax: minutes(60) };
  return { secrets, resources: new ResourceRegistry({ records, secrets, clock, random, issuer, ...limits }) };
}
