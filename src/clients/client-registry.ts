import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';

import type { AuthorizationAnswers } from '#src/clients/authorization-answers.ts';

import { type Client, newClient, newClientId, registrationOf } from '#src/clients/client.ts';
import { type ClientAuthenticationMethod, usesSecret } from '#src/clients/client-authentication.ts';
import {
  type ClientSecret,
  type ClientSecrets,
  newestSecret,
  rolledSecrets,
} from '#src/clients/client-secret.ts';
import type { ProfileName } from '#src/clients/profile.ts';
import { BY_ADMINISTRATOR, type RegisteredBy } from '#src/clients/registered-by.ts';
import { needsSecretText, type ResponseAlgorithms } from '#src/clients/response-protection.ts';
import { signingAlgorithmsNamedIn } from '#src/clients/response-signing.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import type { Records, RecordWrite, StoredRecord } from '#src/records.ts';
import { clientRegistered, removalNoted } from '#src/revocations/note.ts';
import type { Secret } from '#src/secret.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** A client, and its secret if it has just got one: there is no other time to show it. */
export interface RegisteredClient {
  readonly client: Client;
  readonly secret: Secret | null;
}

type Patch = Readonly<Record<string, unknown>>;

/** The clients that are registered, by an administrator or by themselves, in the store. */
export class ClientRegistry {
  /** How clients of this server may authenticate. */
  readonly authenticationMethods: readonly ClientAuthenticationMethod[];
  /** The private-use schemes that redirect URIs may have beside those that are named after a domain. */
  readonly redirectSchemes: readonly string[];
  readonly #records: Records;
  readonly #secrets: ClientSecrets;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #algorithms: ResponseAlgorithms;
  readonly #leaving: () => readonly string[];
  readonly #answers: AuthorizationAnswers;
  readonly #profile: ProfileName | null;
  readonly #longestToken: Seconds;

  constructor(options: {
    records: Records;
    secrets: ClientSecrets;
    clock: Clock;
    random: Random;
    algorithms: ResponseAlgorithms;
    /** What is signed with for those alone who are registered for it, or say so in their document. */
    leaving?: () => readonly string[];
    answers: AuthorizationAnswers;
    authenticationMethods: readonly ClientAuthenticationMethod[];
    redirectSchemes?: readonly string[];
    profile: ProfileName | null;
    /** The longest that a token can live, and so be concerned by what happens to its client. */
    longestToken: Seconds;
  }) {
    this.#records = options.records;
    this.#secrets = options.secrets;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#algorithms = options.algorithms;
    this.#leaving = options.leaving ?? (() => []);
    this.#answers = options.answers;
    this.authenticationMethods = options.authenticationMethods;
    this.redirectSchemes = options.redirectSchemes ?? [];
    this.#profile = options.profile;
    this.#longestToken = options.longestToken;
  }

  /**
   * Registers a client that an administrator describes. The secret is shown this once; only its digest is kept.
   * @throws Refusal `invalid_client_metadata`, or `client_id_taken`.
   */
  async add(input: unknown): Promise<RegisteredClient> {
    const made = this.describe(input);
    const { clientId, createdAt } = made.client;
    if (clientId === ACCOUNT_CLIENT_ID)
      throw new Refusal('client_id_taken', `the client ${clientId} is this server itself`);
    // An identifier that was chosen may have been another client's, whose tokens are not to pass for this one's.
    const chosen = (input as { clientId?: unknown }).clientId !== undefined;
    const note = clientRegistered(clientId, createdAt, this.#allGoneBy());
    const record = { ...clientRecord(made.client), onlyIf: 'absent' as const };
    const { outcome } = await this.#records.put(chosen ? { ...record, note } : record);
    if (outcome !== 'stored') throw new Refusal('client_id_taken', `a client ${clientId} exists already`);
    return made;
  }

  /**
   * The client that a registration describes, with a secret where it needs one, not yet in the store.
   * @throws Refusal `invalid_client_metadata`.
   */
  describe(input: unknown, registeredBy: RegisteredBy = BY_ADMINISTRATOR): RegisteredClient {
    // Nobody knows whether a document said so before the algorithm was leaving.
    const allowed = registeredBy.by === 'metadata-document' ? this.#leaving() : [];
    return this.#withSecrets({ ...this.#described(input, allowed), registeredBy }, []);
  }

  /** Writes a client that is new; `taken` if its identifier, or its place, is somebody else's. */
  async put(client: Client): Promise<'stored' | 'taken'> {
    const { outcome } = await this.#records.put({ ...clientRecord(client), onlyIf: 'absent' });
    return outcome === 'stored' ? 'stored' : 'taken';
  }

  /**
   * Describes a registered client anew: what `change` answers replaces all that was registered of it, but its
   * identifier, its secrets and how it came here. Where its new method needs a secret that it does not have, the answer
   * holds one. Of changes at once none is lost: `change` is asked again about what another one wrote.
   * @throws Refusal `client_not_found`, `invalid_client_metadata`, or whatever `change` throws.
   */
  async replace(clientId: string, change: (current: Client) => unknown): Promise<RegisteredClient> {
    let secret: Secret | null = null;
    const client = await this.#change(clientId, (current) => {
      const made = this.redescribe(current, change(current));
      secret = made.secret;
      return made.client;
    });
    return { client, secret };
  }

  /**
   * Changes what an administrator names of a client; the rest stays as it is. Metadata is changed name by name, and
   * `null` takes a name away. What is named may depend on what is registered.
   * @throws Refusal `client_not_found`, or `invalid_client_metadata`.
   */
  update(clientId: string, patch: Patch | ((current: Client) => Patch)): Promise<RegisteredClient> {
    return this.replace(clientId, (current) =>
      patched(current, typeof patch === 'function' ? patch(current) : patch),
    );
  }

  /**
   * What becomes of a client that is described anew, not yet in the store.
   * @throws Refusal `invalid_client_metadata`.
   */
  redescribe(current: Client, input: unknown): RegisteredClient {
    const { clientId, createdAt, registeredBy } = current;
    const named = signingAlgorithmsNamedIn(current);
    const kept = this.#leaving().filter((alg) => named.has(alg));
    const described = this.#described({ ...(input as object), clientId }, kept);
    return this.#withSecrets({ ...described, createdAt, registeredBy }, current.secrets);
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
    return this.#records.remove('client', clientId, removalNoted('client', this.#allGoneBy()));
  }

  /** Has a client hold its place until then. One that is gone, or that holds none, stays as it is. */
  async hold(clientId: string, until: EpochSeconds): Promise<void> {
    const record = await this.find(clientId);
    if (record === null) return;
    const { registeredBy } = record.value;
    if (registeredBy.by !== 'registration' || registeredBy.place === null) return;
    const place = { ...registeredBy.place, heldUntil: until };
    const client = { ...record.value, registeredBy: { ...registeredBy, place } };
    // Whoever has changed the client in between has used it too, and the next use comes here again.
    await this.#records.put({ ...clientRecord(client), onlyIf: { version: record.version } });
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

  /** `more` are algorithms that it may have its answers signed with beside those that anybody may. */
  #described(input: unknown, more: readonly string[]): Client {
    const signing = [...this.#algorithms.signing, ...more];
    return newClient(input, {
      clientId: newClientId(this.#random),
      algorithms: { ...this.#algorithms, signing },
      answers: this.#answers,
      authenticationMethods: this.authenticationMethods,
      redirectSchemes: this.redirectSchemes,
      profile: this.#profile,
      now: this.#clock.now(),
    });
  }

  /** The client with the secrets that it has and can go on using, or with a new one. */
  #withSecrets(client: Client, held: readonly ClientSecret[]): RegisteredClient {
    if (!usesSecret(client.authenticationMethod)) return { client: { ...client, secrets: [] }, secret: null };
    const usable = needsSecretText(client)
      ? held.filter(({ text }) => text !== undefined)
      : held.map(({ text, ...digested }) => digested);
    if (usable.length > 0) return { client: { ...client, secrets: usable }, secret: null };
    const { kept, shown } = this.#newSecret(client);
    return { client: { ...client, secrets: [kept] }, secret: shown };
  }

  /** By when every token that was issued until now has expired. */
  #allGoneBy(): EpochSeconds {
    return after(this.#clock.now(), this.#longestToken);
  }

  #newSecret(client: Client) {
    return this.#secrets.create({ keepText: needsSecretText(client) });
  }

  #change(clientId: string, change: (current: Client) => Client): Promise<Client> {
    return changeRecord<Client>(this.#records, { kind: 'client', id: clientId }, (current) => {
      if (current === null) throw new Refusal('client_not_found', `no client ${clientId}`);
      return clientRecord({ ...change(current), updatedAt: this.#clock.now() });
    });
  }
}

/** What describes a client after a change. What followed from something that changes follows from it again. */
function patched(current: Client, patch: Readonly<Record<string, unknown>>): object {
  const { defaultScope, ...described } = registrationOf(current);
  const metadata = Object.entries({ ...current.metadata, ...(patch.metadata as object | undefined) });
  return {
    ...described,
    ...(defaultScope === described.scope && 'scope' in patch ? undefined : { defaultScope }),
    ...('jwks' in patch ? { jwksUri: null } : undefined),
    ...('jwksUri' in patch ? { jwks: null } : undefined),
    ...patch,
    metadata: Object.fromEntries(metadata.filter(([, value]) => value !== null)),
  };
}

function clientRecord(client: Client): RecordWrite<Client> {
  const { clientId: id, registeredBy } = client;
  const record = { kind: 'client', id, value: client, expiresAt: null } as const;
  if (registeredBy.by !== 'registration' || registeredBy.place === null) return record;
  const { number, heldUntil } = registeredBy.place;
  // An alias belongs to one record, so no place is held twice.
  return { ...record, expiresAt: heldUntil, aliases: [`place:${number}`] };
}
