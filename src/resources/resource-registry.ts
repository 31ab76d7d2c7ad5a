import { type ClientSecrets, newestSecret, rolledSecrets } from '#src/clients/client-secret.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records, StoredRecord } from '#src/records.ts';
import { newResourceServer, type ResourceServer } from '#src/resources/resource-server.ts';
import type { Secret } from '#src/secret.ts';
import type { Seconds } from '#src/units.ts';

const LIST_PAGE = 200;

/** The resource servers that an administrator has registered, in the store. */
export class ResourceRegistry {
  readonly #records: Records;
  readonly #secrets: ClientSecrets;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #issuer: string;
  readonly #accessTokenLifetimeMax: Seconds;
  readonly #signingAlgorithms: readonly string[];

  constructor(options: {
    records: Records;
    secrets: ClientSecrets;
    clock: Clock;
    random: Random;
    issuer: string;
    accessTokenLifetimeMax: Seconds;
    signingAlgorithms: readonly string[];
  }) {
    this.#records = options.records;
    this.#secrets = options.secrets;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#issuer = options.issuer;
    this.#accessTokenLifetimeMax = options.accessTokenLifetimeMax;
    this.#signingAlgorithms = options.signingAlgorithms;
  }

  /**
   * Registers a resource server and gives it credentials for introspection, shown this once.
   * @throws Refusal `invalid_resource_server`, `identifier_taken` or `audience_taken`.
   */
  async add(input: unknown): Promise<{ resourceServer: ResourceServer; secret: Secret }> {
    const { shown, kept } = this.#secrets.create({ keepText: false });
    const described = newResourceServer(input, {
      issuer: this.#issuer,
      accessTokenLifetimeMax: this.#accessTokenLifetimeMax,
      clientId: newIdentifier(this.#random),
      signingAlgorithms: this.#signingAlgorithms,
      now: this.#clock.now(),
    });
    const resourceServer = { ...described, secrets: [kept] };
    const written = await this.#put(resourceServer, 'absent');
    if (written.outcome === 'stored') return { resourceServer, secret: shown };
    if (written.outcome === 'alias-taken') {
      throw new Refusal('audience_taken', `another resource server has the audience ${resourceServer.audience}`);
    }
    throw new Refusal('identifier_taken', `a resource server ${resourceServer.identifier} exists already`);
  }

  find(identifier: string): Promise<StoredRecord<ResourceServer> | null> {
    return this.#records.find<ResourceServer>('resource-server', identifier);
  }

  /**
   * The resource server that a client names in `resource`: RFC 8707 section 2. A URI without a path and the same URI
   * with an empty one are equivalent (RFC 3986 section 6.2.3), and URL libraries turn the former into the latter.
   */
  async findByIndicator(indicator: string): Promise<ResourceServer | null> {
    for (const identifier of [indicator, withOtherEmptyPath(indicator)]) {
      const record = identifier === null ? null : await this.find(identifier);
      if (record !== null) return record.value;
    }
    return null;
  }

  /** The resource server that authenticates under this client identifier. */
  findByClientId(clientId: string): Promise<StoredRecord<ResourceServer> | null> {
    return this.#records.findByAlias<ResourceServer>('resource-server', clientAlias(clientId));
  }

  async *list(): AsyncGenerator<ResourceServer> {
    let after: string | null | undefined;
    do {
      const page = await this.#records.list<ResourceServer>('resource-server', {
        limit: LIST_PAGE,
        ...(after ? { after } : undefined),
      });
      for (const record of page.records) yield record.value;
      after = page.next;
    } while (after !== null);
  }

  /** True if there was such a resource server. Tokens for it are issued no more. */
  remove(identifier: string): Promise<boolean> {
    return this.#records.remove('resource-server', identifier);
  }

  /**
   * Gives the resource server a new secret for introspection and keeps the one before it alive until the next roll.
   * @throws Refusal `resource_server_not_found`.
   */
  async rollSecret(identifier: string): Promise<{ resourceServer: ResourceServer; secret: Secret }> {
    const { shown, kept } = this.#secrets.create({ keepText: false });
    const resourceServer = await this.#change(identifier, (current) => ({
      ...current,
      secrets: rolledSecrets(current.secrets, kept),
    }));
    return { resourceServer, secret: shown };
  }

  /**
   * Ends every secret but the newest.
   * @throws Refusal `resource_server_not_found`.
   */
  retireOldSecret(identifier: string): Promise<ResourceServer> {
    return this.#change(identifier, (current) => ({ ...current, secrets: newestSecret(current.secrets) }));
  }

  async #change(identifier: string, change: (current: ResourceServer) => ResourceServer): Promise<ResourceServer> {
    for (;;) {
      const record = await this.find(identifier);
      if (record === null) throw new Refusal('resource_server_not_found', `no resource server ${identifier}`);
      const changed = { ...change(record.value), updatedAt: this.#clock.now() };
      const { outcome } = await this.#put(changed, { version: record.version });
      if (outcome === 'stored') return changed;
    }
  }

  #put(resourceServer: ResourceServer, onlyIf: 'absent' | { version: number }) {
    return this.#records.put({
      kind: 'resource-server',
      id: resourceServer.identifier,
      value: resourceServer,
      expiresAt: null,
      aliases: [clientAlias(resourceServer.clientId), `audience:${resourceServer.audience}`],
      onlyIf,
    });
  }
}

const clientAlias = (clientId: string) => `client:${clientId}`;

function withOtherEmptyPath(identifier: string): string | null {
  const [, origin, slash] = /^(https?:\/\/[^/?#]+)(\/?)$/i.exec(identifier) ?? [];
  if (origin === undefined) return null;
  return slash === '' ? `${origin}/` : origin;
}
