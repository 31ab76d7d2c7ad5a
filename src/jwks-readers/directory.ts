import type { ClientSecrets } from '#src/clients/client-secret.ts';
import { type ResourceServer, withEmptyPath } from '#src/resources/resource-server.ts';

export interface Credentials {
  readonly id: string;
  readonly secret: string;
}

/** The resource servers that were registered at some moment, to be found by what a request says of itself. */
export class Directory {
  readonly #byClientId: ReadonlyMap<string, ResourceServer>;
  readonly #byIdentifier: ReadonlyMap<string, ResourceServer>;

  constructor(resourceServers: readonly ResourceServer[]) {
    this.#byClientId = new Map(resourceServers.map((each) => [each.clientId, each]));
    this.#byIdentifier = new Map(resourceServers.map((each) => [withEmptyPath(each.identifier), each]));
  }

  /** Which of its secrets the resource server came with; `null` if the credentials are not good. */
  provenBy(
    { id, secret }: Credentials,
    secrets: Pick<ClientSecrets, 'matching'>,
  ): { readonly clientId: string; readonly secretId: string } | null {
    // The same work whether there is such a resource server or not.
    const matching = secrets.matching(this.#byClientId.get(id)?.secrets ?? [], secret);
    return matching && { clientId: id, secretId: matching.id };
  }

  /** True if the resource server still has that secret. */
  hasSecret(clientId: string, secretId: string): boolean {
    return this.#byClientId.get(clientId)?.secrets.some(({ id }) => id === secretId) === true;
  }

  has(clientId: string): boolean {
    return this.#byClientId.has(clientId);
  }

  /** The client identifier of the resource server with that identifier, with or without an empty path. */
  named(identifier: string): string | null {
    return this.#byIdentifier.get(withEmptyPath(identifier))?.clientId ?? null;
  }
}
