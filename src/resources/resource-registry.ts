import { type ClientSecrets, newestSecret, rolledSecrets } from '#src/clients/client-secret.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import type { Records, RecordWrite, StoredRecord } from '#src/records.ts';
import {
  changedResourceServer,
  newResourceServer,
  type ResourceServer,
  type ServerLimits,
  withEmptyPath,
} from '#src/resources/resource-server.ts';
import type { Secret } from '#src/secret.ts';

type Patch = Readonly<Record<string, unknown>>;

/** The resource servers that an administrator has registered, in the store. */
export class ResourceRegistry {
  readonly #records: Records;
  readonly #secrets: ClientSecrets;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: ServerLimits;

  constructor(
    options: ServerLimits & { records: Records; secrets: ClientSecrets; clock: Clock; random: Random },
  ) {
    const { records, secrets, clock, random, ...limits } = options;
    this.#records = records;
    this.#secrets = secrets;
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  /**
   * Registers a resource server and gives it credentials for introspection, shown this once.
   * @throws Refusal `invalid_resource_server`, `identifier_taken` or `audience_taken`.
   */
  async add(input: unknown): Promise<{ resourceServer: ResourceServer; secret: Secret }> {
    const { shown, kept } = this.#secrets.create({ keepText: false });
    const described = newResourceServer(input, {
      ...this.#limits,
      clientId: newIdentifier(this.#random),
      now: this.#clock.now(),
    });
    const resourceServer = { ...described, secrets: [kept] };
    const written = await this.#records.put({ ...resourceServerRecord(resourceServer), onlyIf: 'absent' });
    if (written.outcome === 'stored') return { resourceServer, secret: shown };
    if (written.outcome === 'alias-taken' && written.alias === audienceAlias(resourceServer.audience)) {
      throw new Refusal(
        'audience_taken',
        `another resource server has the audience ${resourceServer.audience}`,
      );
    }
    throw new Refusal('identifier_taken', `a resource server ${resourceServer.identifier} exists already`);
  }

  find(identifier: string): Promise<StoredRecord<ResourceServer> | null> {
    return this.#records.find<ResourceServer>('resource-server', identifier);
  }

  /**
   * The resource server that a client names in `resource`: RFC 8707 section 2. With or without a slash after the
   * authority it is the same one.
   */
  async findByIndicator(indicator: string): Promise<ResourceServer | null> {
    const record = await this.#records.findByAlias<ResourceServer>(
      'resource-server',
      indicatorAlias(indicator),
    );
    return record?.value ?? null;
  }

  /** The resource server that this is the audience of. */
  async findByAudience(audience: string): Promise<ResourceServer | null> {
    const record = await this.#records.findByAlias<ResourceServer>(
      'resource-server',
      audienceAlias(audience),
    );
    return record?.value ?? null;
  }

  /** The resource server that authenticates under this client identifier. */
  findByClientId(clientId: string): Promise<StoredRecord<ResourceServer> | null> {
    return this.#records.findByAlias<ResourceServer>('resource-server', clientAlias(clientId));
  }

  list(): AsyncGenerator<ResourceServer> {
    return everyValue<ResourceServer>(this.#records, 'resource-server');
  }

  /** The scopes that clients which register themselves may ask people for. */
  async openScopes(): Promise<readonly string[]> {
    const open = await Array.fromAsync(this.list(), (each) => (each.openToRegistration ? each.scope : []));
    return [...new Set(open.flat())];
  }

  /**
   * Changes what is registered of a resource server, but for its identifier and audience, which are in tokens. What
   * changes may depend on what is registered.
   * @throws Refusal `resource_server_not_found`, or `invalid_resource_server`.
   */
  async update(
    identifier: string,
    change: Patch | ((current: ResourceServer) => Patch),
  ): Promise<ResourceServer> {
    return this.#change(identifier, (current) => {
      const patch = typeof change === 'function' ? change(current) : change;
      const kept = ['identifier', 'audience'].filter((name) => name in patch);
      if (kept.length > 0)
        throw new Refusal('invalid_resource_server', `${kept.join(' and ')}: cannot be changed`);
      return changedResourceServer(current, patch, { ...this.#limits, now: this.#clock.now() });
    });
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

  #change(identifier: string, change: (current: ResourceServer) => ResourceServer): Promise<ResourceServer> {
    return changeRecord<ResourceServer>(
      this.#records,
      { kind: 'resource-server', id: identifier },
      (current) => {
        if (current === null)
          throw new Refusal('resource_server_not_found', `no resource server ${identifier}`);
        return resourceServerRecord({ ...change(current), updatedAt: this.#clock.now() });
      },
    );
  }
}

/** Everything that no two resource servers may share is an alias, so the store keeps them apart. */
function resourceServerRecord(resourceServer: ResourceServer): RecordWrite<ResourceServer> {
  const { identifier, audience, clientId } = resourceServer;
  return {
    kind: 'resource-server',
    id: identifier,
    value: resourceServer,
    expiresAt: null,
    aliases: [clientAlias(clientId), audienceAlias(audience), indicatorAlias(identifier)],
  };
}

const clientAlias = (clientId: string) => `client:${clientId}`;
const audienceAlias = (audience: string) => `audience:${audience}`;
const indicatorAlias = (indicator: string) => `indicator:${withEmptyPath(indicator)}`;
