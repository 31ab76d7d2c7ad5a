import {
  type AllClientMetadata,
  type ClientAuthMethod,
  errors,
  type Client as LibraryClient,
  type Provider,
  type ResponseType,
} from 'oidc-provider';

import { ACCOUNT_CLIENT_ID, accountClient } from '#src/clients/account-client.ts';

import { authorizationAnswersOf } from '#src/clients/authorization-answers.ts';

import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import {
  type Client,
  DEVICE_CODE_GRANT,
  GRANT_TYPES,
  type GrantType,
  namesResourceServer,
} from '#src/clients/client.ts';
import { authenticationProblemsIn, usesSecret } from '#src/clients/client-authentication.ts';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import type { ClientRegistry } from '#src/clients/client-registry.ts';
import type { ClientSecret, ClientSecrets } from '#src/clients/client-secret.ts';
import { brokenProfileRules, impliedMetadata, type ProfileName, profilesOf } from '#src/clients/profile.ts';
import { hasAdmittedScheme, redirectUriAllowed } from '#src/clients/redirect-uri.ts';
import { IMPLICIT_GRANT, isAmongResponseTypes, responseTypesOf } from '#src/clients/response-type.ts';
import { formatScope, isOpenIdScope } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { registeredDefault } from '#src/oidc/algorithms.ts';
import type { BackchannelPolicy } from '#src/oidc/backchannel-authentication.ts';
import { boundKeyFetches, type KeyFetching } from '#src/oidc/client-keys.ts';
import { currentAsker } from '#src/oidc/library.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';
import { SectorIdentifiers } from '#src/oidc/sector-identifiers.ts';
import { Recent } from '#src/recent.ts';
import type { Records } from '#src/records.ts';
import { parseClientIdUrl } from '#src/registration/client-id-url.ts';
import type { MetadataDocuments } from '#src/registration/metadata-documents.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';

/** Who authenticates: an application, or a resource server that asks about tokens. */
export type Registered =
  | { readonly kind: 'client'; readonly client: Client; readonly secrets: readonly ClientSecret[] }
  | {
      readonly kind: 'resource-server';
      readonly resourceServer: ResourceServer;
      readonly secrets: readonly ClientSecret[];
    };

export interface ClientDependencies {
  readonly issuer: string;
  /** What signed when the server started. The first is for tokens of its own. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  readonly keys: Pick<KeyHolder, 'signs'>;
  readonly clients: ClientRegistry;
  readonly resources: ResourceRegistry;
  readonly secrets: ClientSecrets;
  readonly metadataDocuments: Pick<MetadataDocuments, 'find'>;
  readonly deviceAuthorization: { readonly enabled: boolean };
  readonly backchannel: BackchannelPolicy;
  readonly requests: RequestPolicy;
  /** The rules that hold for every client. */
  readonly profile: ProfileName | null;
  readonly clock: Clock;
  readonly records: Records;
  readonly keyFetching: Omit<KeyFetching, 'clock'>;
}

/** How many parsed clients are held. Each is checked against the store's version at every use. */
const HELD_CLIENTS_MAX = 10_000;

/** Teaches the library to find clients in the registries, and leaves it their parsed form as long as it is current. */
export class RegisteredClients {
  readonly #deps: ClientDependencies;
  readonly #offered: Offered;
  readonly #account: { readonly version: number; readonly registered: Registered };
  readonly #registered = new WeakMap<object, Registered>();
  readonly #held = new Recent<string, { version: number; signed: string; client: LibraryClient }>(
    HELD_CLIENTS_MAX,
  );

  constructor(deps: ClientDependencies) {
    this.#deps = deps;
    this.#offered = {
      grantTypes: grantTypesOn(deps),
      responseTypes: authorizationAnswersOf(deps.requests).responseTypes,
    };
    const client = accountClient(deps.issuer, deps.signingAlgorithms[0] as SigningAlgorithm);
    this.#account = { version: 0, registered: { kind: 'client', client, secrets: [] } };
  }

  /** What the registries know of one of the library's clients. */
  of(client: object): Registered {
    const registered = this.#registered.get(client);
    if (registered === undefined) throw new Error('this client was not found in a registry');
    return registered;
  }

  /** The application behind one of the library's clients; `null` for a resource server. */
  application(client: object): Client | null {
    const registered = this.of(client);
    return registered.kind === 'client' ? registered.client : null;
  }

  /** The profiles that one of the library's clients is held to. */
  profilesOf(client: object): ReadonlySet<ProfileName> {
    const application = this.application(client);
    if (application?.clientId === ACCOUNT_CLIENT_ID) return new Set();
    return profilesOf(this.#deps.profile, application?.profile ?? null);
  }

  /**
   * What the library is told of somebody registered.
   * @throws errors.InvalidClient for a client that does not keep the rules of its profiles.
   */
  libraryMetadata(registered: Registered): AllClientMetadata {
    const signed = this.#signedByDefault() as 'ES256';
    const defaults = { introspection_signed_response_alg: signed, authorization_signed_response_alg: signed };
    return { ...defaults, ...metadataOf(registered, this.#profileMetadata(registered), this.#offered) };
  }

  /** How answers are signed for whoever leaves that to the server. An algorithm may be given up while the server runs. */
  #signedByDefault(): string {
    const { keys, signingAlgorithms } = this.#deps;
    return registeredDefault(signingAlgorithms.filter((alg) => keys.signs(alg)));
  }

  teach(provider: Provider): void {
    const Clients = provider.Client as unknown as {
      new (metadata: AllClientMetadata): LibraryClient;
      find(id: unknown): Promise<LibraryClient | undefined>;
      validate(metadata: AllClientMetadata): Promise<void>;
      prototype: LibraryClient & {
        compareClientSecret(presented: string): boolean;
        redirectUriAllowed(uri: string): boolean;
        postLogoutRedirectUriAllowed(uri: string): boolean;
      };
    };
    const { clients, secrets, clock, keyFetching, records } = this.#deps;
    const sectors = new SectorIdentifiers({ records, clock, retryAfter: keyFetching.retryAfter });
    Clients.find = async (id) => {
      const found = typeof id === 'string' && id !== '' ? await this.#find(id) : null;
      if (found === null) return undefined;
      const held = this.#held.get(id as string);
      const signed = this.#signedByDefault();
      if (held?.version === found.version && held.signed === signed) return held.client;
      const metadata = this.libraryMetadata(found.registered);
      const client = new Clients(metadata);
      await sectors.assertConfirmed(client, () => Clients.validate(metadata));
      addOlderSecret(client, found.registered);
      boundKeyFetches(client, { clock, ...keyFetching });
      this.#registered.set(client, found.registered);
      this.#held.set(id as string, { version: found.version, signed, client });
      return client;
    };
    const registeredAs = (client: object) => this.of(client);
    Clients.prototype.compareClientSecret = function compareClientSecret(presented) {
      return secrets.matches(registeredAs(this).secrets, presented);
    };
    // A scheme may have been admitted once, and be no more.
    const allowed = (registeredUris: readonly string[] | undefined, uri: string) =>
      hasAdmittedScheme(uri, clients.redirectSchemes) && redirectUriAllowed(registeredUris ?? [], uri);
    Clients.prototype.redirectUriAllowed = function redirectAllowed(this: LibraryClient, uri) {
      return allowed(this.redirectUris, uri);
    };
    Clients.prototype.postLogoutRedirectUriAllowed = function redirectAllowed(this: LibraryClient, uri) {
      return allowed(this.postLogoutRedirectUris, uri);
    };
  }

  /**
   * The metadata of an application as its profiles complete it. They are looked at again, and so is how it authenticates,
   * for the server may have been given another since the registration, or no longer see certificates.
   * @throws errors.InvalidClient
   */
  #profileMetadata(registered: Registered): ClientMetadata {
    if (registered.kind === 'resource-server') return {};
    const { client } = registered;
    // The rules are for others.
    if (client.clientId === ACCOUNT_CLIENT_ID) return {};
    for (const problem of authenticationProblemsIn(client, this.#deps.clients.authenticationMethods))
      throw new errors.InvalidClient('the server no longer has what the client is registered for', problem);
    const profiles = profilesOf(this.#deps.profile, client.profile);
    const [broken] = brokenProfileRules(client, profiles);
    if (broken !== undefined) {
      const detail = `a client of ${[...profiles].at(-1)} ${broken.rule} (${broken.clause})`;
      throw new errors.InvalidClient('the client does not keep the rules of its profile', detail);
    }
    return impliedMetadata(client, profiles);
  }

  async #find(clientId: string): Promise<{ version: number; registered: Registered } | null> {
    if (namesResourceServer(clientId)) {
      const record = await this.#deps.resources.findByClientId(clientId);
      if (record === null) return null;
      const { value: resourceServer, version } = record;
      return {
        version,
        registered: { kind: 'resource-server', resourceServer, secrets: resourceServer.secrets },
      };
    }
    if (parseClientIdUrl(clientId) !== null) return this.#findDocument(clientId);
    if (clientId === ACCOUNT_CLIENT_ID) return this.#account;
    const record = await this.#deps.clients.find(clientId);
    if (record === null) return null;
    const { value: client, version } = record;
    return { version, registered: { kind: 'client', client, secrets: client.secrets } };
  }

  /** The client whose document lies under its identifier. @throws errors.InvalidClient */
  async #findDocument(clientId: string): Promise<{ version: number; registered: Registered } | null> {
    try {
      const found = await this.#deps.metadataDocuments.find(clientId, currentAsker());
      if (found === null) return null;
      const { version, client } = found;
      return { version, registered: { kind: 'client', client, secrets: [] } };
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      const { cause } = problem.detail;
      throw new errors.InvalidClient(problem.message, cause === undefined ? problem.message : String(cause));
    }
  }
}

/** What the settings leave on. */
interface Offered {
  readonly grantTypes: ReadonlySet<GrantType>;
  readonly responseTypes: readonly string[];
}

/** The library refuses a client with a grant or a response type that it has not been told of, so what is off is left out. */
function metadataOf(registered: Registered, further: ClientMetadata, offered: Offered): AllClientMetadata {
  if (registered.kind === 'resource-server') {
    const { clientId, name, introspection, jwks, jwksUri } = registered.resourceServer;
    return {
      ...(introspection as Partial<AllClientMetadata>),
      ...keysOf({ jwks, jwksUri }),
      client_id: clientId,
      client_name: name,
      client_secret: placeholderSecret(registered),
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_basic',
    };
  }
  const { client } = registered;
  const openidScope = formatScope(client.scope.filter(isOpenIdScope));
  const responseTypes = responseTypesOf({ ...client, metadata: further });
  return {
    ...(client.grantTypes.includes(CIBA_GRANT) ? { backchannel_token_delivery_mode: 'poll' } : undefined),
    ...(further as Partial<AllClientMetadata>),
    response_types: responseTypes.filter((type) =>
      isAmongResponseTypes(offered.responseTypes, type),
    ) as ResponseType[],
    // Without a sid a client could not tell which of a person's sessions is over, and would have to end them all.
    ...('backchannel_logout_uri' in further ? { backchannel_logout_session_required: true } : undefined),
    client_id: client.clientId,
    client_name: client.name,
    application_type: client.applicationType,
    grant_types: client.grantTypes.filter((grantType) => offered.grantTypes.has(grantType)),
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    token_endpoint_auth_method: client.authenticationMethod as ClientAuthMethod,
    id_token_signed_response_alg: client.idTokenSignedResponseAlg as 'ES256',
    ...(openidScope === '' ? undefined : { scope: openidScope }),
    // Wherever a client is named its page is linked, which may be anybody's unless somebody here has looked at it.
    ...(client.clientUri !== null && client.registeredBy.by === 'administrator'
      ? { client_uri: client.clientUri }
      : undefined),
    ...keysOf(client),
    ...(usesSecret(client.authenticationMethod)
      ? { client_secret: placeholderSecret(registered) }
      : undefined),
  };
}

function keysOf({ jwks, jwksUri }: Pick<Client, 'jwks' | 'jwksUri'>): Partial<AllClientMetadata> {
  if (jwksUri !== null) return { jwks_uri: jwksUri };
  // The library writes thumbprints of certificates onto the keys.
  return jwks === null ? {} : { jwks: structuredClone(jwks) as { keys: [] } };
}

/** The grants that the settings leave on. */
function grantTypesOn({
  deviceAuthorization,
  backchannel,
  requests,
}: Pick<ClientDependencies, 'deviceAuthorization' | 'backchannel' | 'requests'>): ReadonlySet<GrantType> {
  const on = new Set<GrantType>(GRANT_TYPES);
  if (!deviceAuthorization.enabled) on.delete(DEVICE_CODE_GRANT);
  if (!backchannel.enabled) on.delete(CIBA_GRANT);
  if (requests.otherResponseTypes.length === 0) on.delete(IMPLICIT_GRANT);
  return on;
}

/**
 * The library wants a secret to be there. It is given the text where signatures are checked by it, and elsewhere a
 * digest, which it never compares: `compareClientSecret` is ours.
 */
function placeholderSecret({ secrets }: Registered): string {
  const newest = secrets.at(-1);
  if (newest === undefined) throw new Error('a client that authenticates by secret has one');
  return newest.text ?? newest.digest;
}

/** While a secret is being rolled, what was signed with the one before it is accepted as well. */
function addOlderSecret(client: LibraryClient, { secrets }: Registered): void {
  const { symmetricKeyStore } = client as unknown as {
    symmetricKeyStore: { add(key: object): void } & Iterable<{ alg: string; use: string }>;
  };
  for (const { text } of secrets.slice(0, -1)) {
    if (text === undefined) continue;
    for (const { alg, use } of [...symmetricKeyStore].filter((key) => key.use === 'sig')) {
      symmetricKeyStore.add({ alg, use, kty: 'oct', k: Buffer.from(text).toString('base64url') });
    }
  }
}
