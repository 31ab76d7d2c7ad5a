import type { Client } from '#src/clients/client.ts';
import { type ClientDocument, describedIn } from '#src/clients/client-document.ts';
import type { ClientRegistry, RegisteredClient } from '#src/clients/client-registry.ts';
import type { ClientSecrets } from '#src/clients/client-secret.ts';
import type { SelfRegistration } from '#src/clients/registered-by.ts';
import { SCOPES_FOR_ANYONE } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import type { Bounds } from '#src/registration/bounds.ts';
import { fitted, inWordsOfTheRfc } from '#src/registration/described-client.ts';
import type { InitialAccessToken, InitialAccessTokens } from '#src/registration/initial-access-token.ts';
import type { Places } from '#src/registration/places.ts';
import {
  type SoftwareStatement,
  type SoftwareStatements,
  withStatement,
} from '#src/registration/software-statement.ts';
import type { Secret } from '#src/secret.ts';

export interface SelfRegistrationPorts {
  readonly clients: ClientRegistry;
  readonly initialAccessTokens: Pick<InitialAccessTokens, 'find' | 'use'>;
  readonly secrets: Pick<ClientSecrets, 'createRegistrationAccessToken' | 'matches'>;
  readonly places: Pick<Places, 'take'>;
  readonly softwareStatements: Pick<SoftwareStatements, 'in'>;
  /** True if a client may come without an initial access token. */
  readonly open: boolean;
  readonly bounds: Omit<Bounds, 'scope' | 'profile'>;
  /** The scopes of resource servers that any client may ask for. */
  openScopes(): Promise<readonly string[]>;
  /** Counts a client that comes uninvited. @throws Refusal `registration_throttled` */
  admit(address: string): Promise<void>;
  /** @throws Refusal `invalid_client_metadata` for a client that the protocol could not serve. */
  assertServable(client: Client): Promise<void>;
}

/** What a client says, and by which token. */
export interface RegistrationRequest {
  readonly document: ClientDocument;
  /** The bearer token that came with it; `null` if none did. */
  readonly bearer: string | null;
}

/** A client that is named by its identifier and has the token to manage its registration. */
export interface ManagementRequest {
  readonly clientId: string;
  readonly bearer: string | null;
}

/**
 * Clients that register themselves: RFC 7591, OpenID Connect Dynamic Client Registration; and manage what they
 * registered: RFC 7592. They are clients like others, within narrower bounds.
 */
export class SelfRegistrations {
  readonly #ports: SelfRegistrationPorts;

  constructor(ports: SelfRegistrationPorts) {
    this.#ports = ports;
  }

  /**
   * Registers a client. Its secret, if it has one, and its registration access token are shown this once.
   * @throws Refusal `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`, `invalid_software_statement`,
   * `unapproved_software_statement`, `issuer_unreachable`, `registration_throttled` or `registrations_full`.
   */
  async register({
    document,
    bearer,
    address,
  }: RegistrationRequest & { readonly address: string }): Promise<
    RegisteredClient & { readonly accessToken: Secret }
  > {
    const { clients, secrets, initialAccessTokens, places } = this.#ports;
    const invitation = await this.#invitation(bearer);
    if (invitation === null) await this.#ports.admit(address);
    const bounds = await this.#boundsFor(invitation);
    const softwareStatement = await this.#ports.softwareStatements.in(document);
    const { shown: accessToken, kept } = secrets.createRegistrationAccessToken();
    const registeredBy: SelfRegistration = {
      by: 'registration',
      accessToken: kept,
      initialAccessToken: invitation?.id ?? null,
      softwareStatement,
      place: null,
    };
    const described = describedIn(withStatement(document, softwareStatement));
    const made = inWordsOfTheRfc(() => clients.describe(fitted(described, bounds), registeredBy));
    await this.#ports.assertServable(made.client);
    if (invitation === null) return { ...made, client: await places.take(made.client), accessToken };
    await initialAccessTokens.use(invitation.id);
    if ((await clients.put(made.client)) !== 'stored') throw new Error('an identifier was made twice');
    return { ...made, accessToken };
  }

  /** What is registered of a client. @throws Refusal `invalid_token` */
  async read({ clientId, bearer }: ManagementRequest): Promise<Client> {
    const record = await this.#ports.clients.find(clientId);
    return this.#managed(record?.value ?? null, bearer);
  }

  /**
   * Replaces what is registered of a client by what it says now; what it leaves out is gone: RFC 7592 section 2.2.
   * What it has it may keep, and gains nothing that a new client could not have; what its software statement says of it
   * goes on to take precedence.
   * @throws Refusal `invalid_token`, `invalid_request`, `invalid_client_metadata`, `invalid_redirect_uri` or
   * `registration_throttled`.
   */
  async update({
    clientId,
    bearer,
    document,
    address,
  }: RegistrationRequest & ManagementRequest & { readonly address: string }): Promise<RegisteredClient> {
    const { clients } = this.#ports;
    const before = await this.read({ clientId, bearer });
    if (before.registeredBy.by === 'registration' && before.registeredBy.initialAccessToken === null)
      await this.#ports.admit(address);
    this.#assertOwn(before, document);
    const bounds = await this.#boundsFor(null);
    const change = (current: Client) => {
      this.#managed(current, bearer);
      return fitted(describedIn(withStatement(document, statementOf(current))), widened(bounds, current));
    };
    const preview = inWordsOfTheRfc(() => clients.redescribe(before, change(before)));
    await this.#ports.assertServable(preview.client);
    const { client, secret } = await clients.replace(clientId, change);
    return { client, secret };
  }

  /** Removes a client with all that rests on it. @throws Refusal `invalid_token` */
  async remove(request: ManagementRequest): Promise<void> {
    await this.read(request);
    if (!(await this.#ports.clients.remove(request.clientId))) throw notManaged();
  }

  /** The initial access token that a request brought. @throws Refusal `invalid_token` */
  async #invitation(bearer: string | null): Promise<InitialAccessToken | null> {
    if (bearer === null) {
      if (this.#ports.open) return null;
      throw new Refusal('no_token', 'registration needs an initial access token');
    }
    const token = await this.#ports.initialAccessTokens.find(bearer);
    if (token === null) throw new Refusal('invalid_token', 'this is no initial access token, or no longer');
    return token;
  }

  async #boundsFor(invitation: InitialAccessToken | null): Promise<Bounds> {
    const { bounds, openScopes } = this.#ports;
    const { scope = [], grantTypes = [], profile = null } = invitation?.allowance ?? {};
    return {
      ...bounds,
      grantTypes: [...new Set([...bounds.grantTypes, ...grantTypes])],
      scope: [...new Set([...SCOPES_FOR_ANYONE, ...(await openScopes()), ...scope])],
      profile,
    };
  }

  /**
   * A client that registered itself and proves to be it. Whether it is not there, was registered by an administrator,
   * or has another token: the answer is the same (RFC 7592 section 2.1).
   */
  #managed(client: Client | null, bearer: string | null): Client {
    if (bearer === null)
      throw new Refusal('no_token', 'this needs the registration access token of the client');
    const tokens = client?.registeredBy.by === 'registration' ? [client.registeredBy.accessToken] : [];
    if (this.#ports.secrets.matches(tokens, bearer) && client !== null) return client;
    throw notManaged();
  }

  /** RFC 7592 section 2.2: the request speaks of this client, and cannot choose a secret. */
  #assertOwn(client: Client, document: ClientDocument): void {
    const { clientId, secrets } = client;
    const reserved = NOT_IN_AN_UPDATE.find((name) => Object.hasOwn(document, name));
    if (reserved !== undefined)
      throw new Refusal('invalid_request', `${reserved} is not for the client to say (RFC 7592 section 2.2)`);
    if (document.client_id !== clientId)
      throw new Refusal('invalid_request', 'client_id does not name this client (RFC 7592 section 2.2)');
    const { software_statement: statement } = document;
    if (statement !== undefined && statement !== null && statement !== statementOf(client)?.text)
      throw new Refusal('invalid_software_statement', 'another software statement makes another client');
    if (document.client_secret === undefined || document.client_secret === null) return;
    const secret = document.client_secret;
    if (typeof secret !== 'string' || !this.#ports.secrets.matches(secrets, secret))
      throw new Refusal('invalid_request', 'client_secret is not that of this client (RFC 7592 section 2.2)');
  }
}

/** The statement that a client registered with. */
export function statementOf({ registeredBy }: Client): SoftwareStatement | null {
  return registeredBy.by === 'registration' ? registeredBy.softwareStatement : null;
}

const notManaged = () =>
  new Refusal('invalid_token', 'this is not the registration access token of such a client');

const NOT_IN_AN_UPDATE = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

/** What a registered client may become: what a new one may be, and what it is already. */
function widened(bounds: Bounds, current: Client): Bounds {
  return {
    ...bounds,
    grantTypes: [...new Set([...bounds.grantTypes, ...current.grantTypes])],
    scope: [...new Set([...bounds.scope, ...current.scope])],
    requirePkce: current.requirePkce && bounds.requirePkce,
    profile: current.profile,
  };
}
