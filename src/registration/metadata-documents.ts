import type { Client } from '#src/clients/client.ts';
import type { ClientRegistry } from '#src/clients/client-registry.ts';
import { SCOPES_FOR_ANYONE } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { Recent } from '#src/recent.ts';
import type { Records } from '#src/records.ts';
import type { Bounds } from '#src/registration/bounds.ts';
import {
  admitsClientId,
  type MetadataDocumentPolicy,
  parseClientIdUrl,
} from '#src/registration/client-id-url.ts';
import { clientOfDocument } from '#src/registration/metadata-document.ts';
import { after, between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** A document as it was fetched. */
export interface FetchedDocument {
  readonly document: unknown;
  /** How long its server lets it be kept; `null` if it does not say. */
  readonly maxAge: Seconds | null;
}

export interface MetadataDocumentPorts {
  readonly clients: Pick<ClientRegistry, 'describe'>;
  readonly clock: Clock;
  readonly policy: MetadataDocumentPolicy;
  readonly sameOrigin: boolean;
  readonly bounds: Omit<Bounds, 'scope' | 'profile'>;
  readonly cache: {
    /** The bounds within which a document's server says how long it is kept. */
    readonly min: Seconds;
    readonly max: Seconds;
    /** How long after a failure the next try is made. */
    readonly retryAfter: Seconds;
    readonly documentsMax: number;
  };
  readonly records: Pick<Records, 'find' | 'put'>;
  /** How long after a client was given a token anything may rest on that. */
  readonly rememberedFor: Seconds;
  /**
   * Fetches a document within the limits of outgoing calls.
   * @throws Refusal where its server answers with something else. Anything else that is thrown means that it is away.
   */
  fetch(url: string): Promise<FetchedDocument>;
  /** The scopes of resource servers that any client may ask for. */
  openScopes(): Promise<readonly string[]>;
  /** Counts a fetch on behalf of an address. @throws Refusal `registration_throttled` */
  admit(address: string): Promise<void>;
}

/** What a document was found to say. */
interface Known {
  readonly client: Client;
  readonly version: number;
  readonly readAt: EpochSeconds;
  readonly keptFor: Seconds;
}

interface Held {
  /** What comes of reading the document, which may be under way. */
  readonly outcome: Promise<Known>;
  /** What it said last; `null` while nothing is known, and once it is not what it has to be any more. */
  known: Known | null;
  /** When it is to be read again. */
  until: EpochSeconds;
}

/** So many servers may be slow at the same time before others have to wait for them. */
const FETCHES_AT_ONCE_MAX = 32;

const KIND = 'metadata-document';

/**
 * The clients that are known by the document under their identifier. A document is fetched once for however many ask
 * for it, and kept for a while, as is that it could not be had. What the document of a client said that was given a
 * token is stored: whoever asks about that token later is answered without another server being asked.
 */
export class MetadataDocuments {
  readonly #ports: MetadataDocumentPorts;
  readonly #held: Recent<string, Held>;
  #version = 0;
  #fetching = 0;

  constructor(ports: MetadataDocumentPorts) {
    this.#ports = ports;
    this.#held = new Recent(ports.cache.documentsMax);
  }

  /**
   * The client under an identifier that is a URL, and a version that changes whenever its document is read anew; `null`
   * where no such client is admitted.
   * @throws Refusal `metadata_document_refused`, saying why, or `registration_throttled`.
   */
  async find(
    clientId: string,
    asked: {
      /** Whose request asks. */
      readonly address: string;
      /** True where it will do what the document said when it was last read. */
      readonly lastKnown: boolean;
    },
  ): Promise<{ readonly version: number; readonly client: Client } | null> {
    if (!admitsClientId(this.#ports.policy, clientId)) return null;
    const held = this.#held.get(clientId);
    if (asked.lastKnown) {
      const known = held?.known ?? (await this.#stored(clientId));
      if (known !== null) return known;
    }
    const current = held !== undefined && this.#ports.clock.now() < held.until;
    return current ? held.outcome : this.#readAgain(clientId, asked.address);
  }

  /** Stores what the document of a client says that was given a token. Other clients are none of its business. */
  async remember(client: Client): Promise<void> {
    if (client.registeredBy.by !== 'metadata-document') return;
    const { records, clock, rememberedFor } = this.#ports;
    const stored = await records.find<Client>(KIND, client.clientId);
    const fresh =
      stored !== null && between(clock.now(), stored.expiresAt as EpochSeconds) > rememberedFor / 2;
    if (fresh && stored.value.createdAt >= client.createdAt) return;
    const expiresAt = after(clock.now(), rememberedFor);
    await records.put<Client>({ kind: KIND, id: client.clientId, value: client, expiresAt });
  }

  async #stored(clientId: string): Promise<Known | null> {
    const client = (await this.#ports.records.find<Client>(KIND, clientId))?.value;
    if (client === undefined) return null;
    this.#version += 1;
    const known = { client, version: this.#version, readAt: client.createdAt, keptFor: seconds(0) };
    // To be read as soon as somebody asks what it says now.
    const held = { outcome: Promise.resolve(known), known, until: client.createdAt };
    if (this.#held.get(clientId) === undefined) this.#held.set(clientId, held);
    return known;
  }

  async #readAgain(clientId: string, address: string): Promise<Known> {
    await this.#ports.admit(address);
    // Someone else may have begun while this was counted.
    const held = this.#held.get(clientId);
    const now = this.#ports.clock.now();
    if (held !== undefined && now < held.until) return held.outcome;
    if (this.#fetching >= FETCHES_AT_ONCE_MAX)
      throw new Refusal(
        'metadata_document_refused',
        'too many documents are being fetched; try again shortly',
      );
    const before = held?.known ?? null;
    const { cache } = this.#ports;
    const outcome = this.#read(clientId).catch((problem) => {
      if (problem instanceof Refusal) throw problem;
      // Its server is away. What it said shortly before will do until it is back.
      if (before !== null && now < after(before.readAt, cache.max))
        return { ...before, keptFor: cache.retryAfter };
      throw refused('the metadata document cannot be fetched', { clientId, cause: String(problem) });
    });
    const next: Held = { outcome, known: before, until: after(now, cache.min) };
    this.#held.set(clientId, next);
    outcome.then(
      (known) => Object.assign(next, { known, until: after(now, known.keptFor) }),
      () => Object.assign(next, { known: null, until: after(now, cache.retryAfter) }),
    );
    return outcome;
  }

  /** @throws Refusal `metadata_document_refused` where there is no such document, or it is not what it has to be. */
  async #read(clientId: string): Promise<Known> {
    this.#version += 1;
    const version = this.#version;
    this.#fetching += 1;
    try {
      const { document, maxAge } = await this.#ports.fetch(clientId);
      const { min, max } = this.#ports.cache;
      const keptFor = seconds(Math.min(max, Math.max(min, maxAge ?? min)));
      return {
        client: await this.#described(clientId, document),
        version,
        readAt: this.#ports.clock.now(),
        keptFor,
      };
    } catch (problem) {
      throw problem instanceof Refusal ? refused(problem.message, { clientId }) : problem;
    } finally {
      this.#fetching -= 1;
    }
  }

  async #described(clientId: string, document: unknown): Promise<Client> {
    const { bounds, sameOrigin, clients, openScopes } = this.#ports;
    const scope = [...SCOPES_FOR_ANYONE, ...(await openScopes())];
    return clientOfDocument(
      parseClientIdUrl(clientId) as URL,
      document,
      { bounds: { ...bounds, scope, profile: null }, sameOrigin },
      (described) => clients.describe(described).client,
    );
  }
}

const refused = (why: string, detail: object) => new Refusal('metadata_document_refused', why, { ...detail });
