import { type Client, newClient, newClientId, usesSecret } from '#src/clients/client.ts';
import { type ClientSecrets, newestSecret, rolledSecrets } from '#src/clients/client-secret.ts';
import type { ProfileName } from '#src/clients/profile.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import type { Records, RecordWrite, StoredRecord } from '#src/records.ts';
import type { Secret } from '#src/secret.ts';

/** The clients that an administrator has registered, in the store. */
export class ClientRegistry {
  readonly #records: Records;
  readonly #secrets: ClientSecrets;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #signingAlgorithms: readonly string[];
  readonly #profile: ProfileName | null;

  constructor(options: {
    records: Records;
    secrets: ClientSecrets;
    clock: Clock;
    random: Random;
    signingAlgorithms: readonly string[];
    profile: ProfileName | null;
  }) {
    this.#records = options.records;
    this.#secrets = options.secrets;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#signingAlgorithms = options.signingAlgorithms;
    this.#profile = options.profile;
  }

  /**
   * Registers a client. The secret is shown this once; only its digest is kept.
   * @throws Refusal `invalid_client_metadata`, or `client_id_taken`.
   */
  async add(input: unknown): Promise<{ client: Client; secret: Secret | null }> {
    const described = newClient(input, {
      clientId: newClientId(this.#random),
      signingAlgorithms: this.#signingAlgorithms,
      profile: this.#profile,
      now: this.#clock.now(),
    });
    const created = usesSecret(described.authenticationMethod) ? this.#newSecret(described) : null;
    const client = created === null ? described : { ...described, secrets: [created.kept] };
    const { outcome } = await this.#records.put({ ...clientRecord(client), onlyIf: 'absent' });
    if (outcome !== 'stored')
      throw new Refusal('client_id_taken', `a client ${client.clientId} exists already`);
    return { client, secret: created?.shown ?? null };
  }

  /** The client and the version of its record, which changes whenever anything about it does. */
  find(clientId: string): Promise<StoredRecord<Client> | null> {
    return this.#records.find<Client>('client', clientId);
  }

  list(): AsyncGenerator<Client> {
    return everyValue<Client>(this.#records, 'client');
  }

  /** True if there was such a client. Its tokens stop standing with it, at once. */
  remove(clientId: string): Promise<boolean> {
    return this.#records.remove('client', clientId);
  }

  /**
   * Gives the client a new secret and keeps the one before it alive, until the next roll or `retireOldSecret`.
   * @throws Refusal `client_not_found`, or `client_has_no_secret`.
   */
  async rollSecret(clientId: string): Promise<{ client: Client; secret: Secret }> {
    let shown: Secret | undefined;
    const client = await this.#change(clientId, (current) => {
      if (!usesSecret(current.authenticationMethod)) {
        throw new Refusal(
          'client_has_no_secret',
          `client ${clientId} authenticates by ${current.authenticationMethod}`,
        );
      }
      const created = this.#newSecret(current);
      shown = created.shown;
      return { ...current, secrets: rolledSecrets(current.secrets, created.kept) };
    });
    return { client, secret: shown as Secret };
  }

  /**
   * Ends every secret but the newest.
   * @throws Refusal `client_not_found`.
   */
  retireOldSecret(clientId: string): Promise<Client> {
    return this.#change(clientId, (current) => ({ ...current, secrets: newestSecret(current.secrets) }));
  }

  #newSecret(client: Client) {
    return this.#secrets.create({ keepText: client.authenticationMethod === 'client_secret_jwt' });
  }

  #change(clientId: string, change: (current: Client) => Client): Promise<Client> {
    return changeRecord<Client>(this.#records, { kind: 'client', id: clientId }, (current) => {
      if (current === null) throw new Refusal('client_not_found', `no client ${clientId}`);
      return clientRecord({ ...change(current), updatedAt: this.#clock.now() });
    });
  }
}

function clientRecord(client: Client): RecordWrite<Client> {
  return { kind: 'client', id: client.clientId, value: client, expiresAt: null };
}
