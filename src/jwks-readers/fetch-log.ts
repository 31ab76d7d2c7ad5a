import type { ClientSecrets } from '#src/clients/client-secret.ts';
import type { Clock } from '#src/clock.ts';
import { type Credentials, Directory } from '#src/jwks-readers/directory.ts';
import type { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { allTogether, NO_READERS, type Readers } from '#src/jwks-readers/reader.ts';
import { type Known, Seen } from '#src/jwks-readers/seen.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { IDENTIFIER_LENGTH_MAX } from '#src/resources/resource-server.ts';
import type { Seconds } from '#src/units.ts';

/** A request for the JWK Set, as far as it shows whose it is. */
export interface JwksFetch {
  readonly credentials: Credentials | null;
  /** Who the caller says it is. */
  readonly hint: string | null;
  readonly program: string | null;
  readonly network: string | null;
}

export interface FetchLogPorts {
  readonly readers: Pick<JwksReaders, 'add' | 'othersMax'>;
  readonly resources: Pick<ResourceRegistry, 'list'>;
  readonly secrets: Pick<ClientSecrets, 'matching'>;
  readonly clock: Clock;
  /** How often what was seen is written down. */
  readonly writeEvery: Seconds;
  /** Told of what went wrong in the background; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

const NOT_READ = new Directory([]);

/**
 * Notes who fetches the JWK Set. Noting is work in memory alone, for a bounded number of readers; it is written down in
 * the background, once it is settled by the resource servers as they are registered then who they were.
 */
export class JwksFetchLog implements AsyncDisposable {
  readonly #ports: FetchLogPorts;
  /** Of the last time that anything was written. Who is not in there may have been registered since. */
  #directory = NOT_READ;
  #seen: Seen;
  #unwritten: Readers = NO_READERS;
  readonly #keys = new WeakMap<object, readonly string[]>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(ports: FetchLogPorts) {
    this.#ports = ports;
    this.#seen = new Seen(ports.readers.othersMax);
  }

  /** Notes that somebody was given this document, or had it already. */
  note({ credentials, hint, program, network }: JwksFetch, document: { readonly body: Buffer }): void {
    const fetched = { keys: this.#keysOf(document), at: this.#ports.clock.now(), program, network };
    const name = hint !== null && hint !== '' && hint.length <= IDENTIFIER_LENGTH_MAX ? hint : null;
    const known = this.#known(credentials, name);
    if (known !== null) this.#seen.noteKnown(known, fetched);
    else if (credentials !== null || name !== null) this.#seen.noteClaiming({ credentials, name }, fetched);
    else this.#seen.noteAnonymous(fetched);
  }

  /** Begins to write down in the background what was seen, until disposed. Keeps no process alive. */
  start(): void {
    const write = () => {
      this.#writing = this.write().catch(this.#ports.onFault).then(plan);
    };
    const plan = () => {
      if (!this.#disposed) this.#timer = setTimeout(write, this.#ports.writeEvery * 1000).unref();
    };
    write();
  }

  /** Writes down what was seen. What could not be written is kept for the next time. @throws StorageFault */
  async write(): Promise<void> {
    const { readers, resources, secrets } = this.#ports;
    if (this.#directory !== NOT_READ && this.#seen.isEmpty && this.#unwritten === NO_READERS) return;
    this.#directory = new Directory(await Array.fromAsync(resources.list()));
    const seen = this.#seen;
    this.#seen = new Seen(readers.othersMax);
    this.#unwritten = allTogether(this.#unwritten, seen.settle(this.#directory, secrets), readers.othersMax);
    await readers.add(this.#unwritten);
    this.#unwritten = NO_READERS;
  }

  /** Writes down the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.write().catch(this.#ports.onFault);
  }

  /** Whoever is in the directory. Credentials that are none of those in it may be newer than it is. */
  #known(credentials: Credentials | null, name: string | null): Known | null {
    if (credentials !== null) return this.#directory.provenBy(credentials, this.#ports.secrets);
    const clientId = name === null ? null : this.#directory.named(name);
    return clientId === null ? null : { clientId, secretId: null };
  }

  #keysOf(document: { readonly body: Buffer }): readonly string[] {
    const known = this.#keys.get(document);
    if (known !== undefined) return known;
    const { keys } = JSON.parse(document.body.toString()) as {
      keys: readonly { kid: string; use?: string }[];
    };
    const signing = keys.filter(({ use }) => use !== 'enc').map(({ kid }) => kid);
    this.#keys.set(document, signing);
    return signing;
  }
}
