import type { ClientRegistry } from '#src/clients/client-registry.ts';
import { responsesMoved } from '#src/clients/response-signing.ts';
import { Refusal } from '#src/fault.ts';
import type { Reliance } from '#src/key-usage/reliance.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { tokensMoved } from '#src/resources/token-signing.ts';

/** One registration that is moved from an algorithm to another, or could not be. */
export interface Move {
  readonly kind: 'client' | 'resource-server';
  /** The client identifier, or the identifier of the resource server. */
  readonly id: string;
  readonly name: string;
  /** The members of the registration that name the algorithm. */
  readonly members: readonly string[];
  /** Why it stays as it is; `null` if nothing is in the way. */
  readonly problem: string | null;
}

/** Everybody who is registered for an algorithm. */
export function movesOf({ clients, resourceServers }: Reliance): readonly Move[] {
  return [
    ...resourceServers.map(({ resourceServer: { identifier, name }, members }) => ({
      ...{ kind: 'resource-server' as const, id: identifier, name, members, problem: null },
    })),
    ...clients.map(({ client: { clientId, name }, members }) => ({
      ...{ kind: 'client' as const, id: clientId, name, members, problem: null },
    })),
  ];
}

export interface MigrationPorts {
  readonly clients: Pick<ClientRegistry, 'update'>;
  readonly resources: Pick<ResourceRegistry, 'update'>;
}

/**
 * Moves one registration. Whoever was moved before is not registered for the algorithm any more, so what broke off in the
 * middle is taken up by doing it again. One that is gone meanwhile counts as moved.
 * @throws StorageFault
 */
export async function move(
  { clients, resources }: MigrationPorts,
  each: Move,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Move> {
  try {
    if (each.kind === 'client') await clients.update(each.id, (client) => responsesMoved(client, from, to));
    else await resources.update(each.id, (resourceServer) => tokensMoved(resourceServer, from, to));
    return each;
  } catch (refused) {
    if (!(refused instanceof Refusal)) throw refused;
    if (GONE.has(refused.code)) return each;
    return { ...each, problem: refused.message };
  }
}

const GONE: ReadonlySet<string> = new Set(['client_not_found', 'resource_server_not_found']);
