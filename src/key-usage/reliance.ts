import { actsForPeople, type Client } from '#src/clients/client.ts';
import type { ClientRegistry } from '#src/clients/client-registry.ts';
import {
  type ResponseSigningMember,
  membersNaming as responsesNaming,
} from '#src/clients/response-signing.ts';
import { IMPLICIT_GRANT } from '#src/clients/response-type.ts';
import type { KeyUsage } from '#src/key-usage/key-usage.ts';
import type { AlgorithmUse, Role } from '#src/key-usage/usage.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import { type TokenSigningMember, membersNaming as tokensNaming } from '#src/resources/token-signing.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface ReliancePorts {
  readonly clients: Pick<ClientRegistry, 'list'>;
  readonly resources: Pick<ResourceRegistry, 'list'>;
  readonly keyUsage: Pick<KeyUsage, 'uses'>;
}

/** Who has to do with an algorithm. Whoever used it last stands first. */
export interface Reliance {
  readonly alg: string;
  readonly clients: readonly RelyingClient[];
  readonly resourceServers: readonly RelyingResourceServer[];
  /** Clients that were given access tokens by it. They need not read them. */
  readonly holders: readonly Holder[];
  /**
   * Who was given something by it to verify, and is not registered for it: not any more, or it leaves the algorithm to
   * the server, or its registration is a document elsewhere.
   */
  readonly unregistered: readonly Used[];
}

export interface Used {
  readonly name: string;
  readonly lastUsedAt: EpochSeconds;
}

/** A client that is registered for an algorithm, by these members of its registration. */
export interface RelyingClient {
  readonly client: Client;
  readonly members: readonly ResponseSigningMember[];
  readonly lastUsedAt: EpochSeconds | null;
}

/** A resource server that is registered for an algorithm. */
export interface RelyingResourceServer {
  readonly resourceServer: ResourceServer;
  readonly members: readonly TokenSigningMember[];
  readonly lastUsedAt: EpochSeconds | null;
}

export interface Holder {
  readonly client: Client;
  readonly lastUsedAt: EpochSeconds;
}

/** Everybody who may have to do with some algorithm, read at one time. */
export class Registrations {
  readonly #clients: readonly Client[];
  readonly #resourceServers: readonly ResourceServer[];
  readonly #uses: ReadonlyMap<string, AlgorithmUse>;

  private constructor(
    clients: readonly Client[],
    resourceServers: readonly ResourceServer[],
    uses: readonly AlgorithmUse[],
  ) {
    this.#clients = clients;
    this.#resourceServers = resourceServers;
    this.#uses = new Map(uses.map((use) => [useKey(use.alg, use.role, use.name), use]));
  }

  /** @throws StorageFault */
  static async read({ clients, resources, keyUsage }: ReliancePorts): Promise<Registrations> {
    return new Registrations(
      await Array.fromAsync(clients.list()),
      await Array.fromAsync(resources.list()),
      await Array.fromAsync(keyUsage.uses()),
    );
  }

  relianceOn(alg: string): Reliance {
    const lastUse = (role: Role, name: string) => this.#uses.get(useKey(alg, role, name))?.lastAt ?? null;
    const clients = this.#clients.map((client) => ({
      client,
      members: responsesNaming(alg, client),
      lastUsedAt: lastUse('client', client.clientId),
    }));
    const resourceServers = this.#resourceServers.map((resourceServer) => ({
      resourceServer,
      members: tokensNaming(alg, resourceServer),
      lastUsedAt: latest(
        lastUse('resource-server', resourceServer.audience),
        lastUse('client', resourceServer.clientId),
      ),
    }));
    const isRegistered = ({ members }: { members: readonly string[] }) => members.length > 0;
    return {
      alg,
      clients: latestFirst(clients.filter(isRegistered)),
      resourceServers: latestFirst(resourceServers.filter(isRegistered)),
      holders: latestFirst(
        this.#clients.flatMap((client) => {
          const lastUsedAt = lastUse('holder', client.clientId);
          return lastUsedAt === null ? [] : [{ client, lastUsedAt }];
        }),
      ),
      unregistered: latestFirst(
        this.#unregistered(alg, [
          ...clients.filter(isRegistered).map(({ client }) => client.clientId),
          ...resourceServers
            .filter(isRegistered)
            .flatMap(({ resourceServer }) => [resourceServer.audience, resourceServer.clientId]),
        ]),
      ),
    };
  }

  #unregistered(alg: string, registered: readonly string[]): readonly Used[] {
    const known = new Set(registered);
    const nameOf = new Map<string, string>([
      ...this.#clients.map(({ clientId, name }): [string, string] => [clientId, name]),
      ...this.#resourceServers.flatMap(({ audience, clientId, name }): [string, string][] => [
        [audience, name],
        [clientId, name],
      ]),
    ]);
    return [...this.#uses.values()]
      .filter((use) => use.alg === alg && use.role !== 'holder' && !known.has(use.name))
      .map(({ name, lastAt }) => ({ name: nameOf.get(name) ?? name, lastUsedAt: lastAt }));
  }
}

/** True for a client whose people have to come back when it loses its access token: it cannot get another by itself. */
export function needsPeople(client: Client): boolean {
  const { grantTypes } = client;
  const forPeople = actsForPeople(client) || grantTypes.includes(IMPLICIT_GRANT);
  return forPeople && !grantTypes.includes('refresh_token');
}

const useKey = (alg: string, role: Role, name: string) => `${alg} ${role} ${name}`;

const latest = (one: EpochSeconds | null, other: EpochSeconds | null): EpochSeconds | null =>
  (one ?? 0) > (other ?? 0) ? one : other;

const latestFirst = <T extends { readonly lastUsedAt: EpochSeconds | null }>(
  all: readonly T[],
): readonly T[] => all.toSorted((one, other) => (other.lastUsedAt ?? 0) - (one.lastUsedAt ?? 0));
