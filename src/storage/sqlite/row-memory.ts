import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Recent } from '#src/recent.ts';
import type { Digest, UnchangedRecord } from '#src/storage/backend.ts';

/** Some three hundred bytes each. */
const ROWS_MAX = 4096;
const UNREVOKED_MAX = 8192;

/**
 * What reads of the database have found, for as long as it would be found again: what is read at nearly every request is
 * hardly ever written. What this connection writes has to be told; that another one has written, of this process
 * or of any other, SQLite tells when it is asked, which costs a third of a read.
 *
 * It is asked once for all that is worked off before the event loop looks for something new to do. Every request that is
 * answered by then had come in before, so what was acknowledged before a request was sent is never missed.
 */
export class RowMemory {
  readonly #dataVersion: StatementSync;
  readonly #rows = new Recent<string, UnchangedRecord>(ROWS_MAX);
  /** Whose alias something is, and at which version of that: the alias of a record changes with its version. */
  readonly #aliases = new Recent<string, { readonly row: string; readonly version: number }>(ROWS_MAX);
  readonly #unrevoked = new Recent<string, true>(UNREVOKED_MAX);
  #seenVersion: unknown = null;
  #hasLooked = false;

  constructor(database: DatabaseSync) {
    // Of WAL, it changes where the log does, and looking at it begins a read of its own: sqlite.org/pragma.html.
    this.#dataVersion = database.prepare('PRAGMA data_version');
    this.#dataVersion.setReturnArrays(true);
  }

  /** The row of a record, but for its body, if it is known to be unchanged since it was kept. */
  row(kind: string, key: Digest): UnchangedRecord | undefined {
    this.#look();
    return this.#rows.get(rowName(kind, key));
  }

  rowByAlias(alias: Digest): UnchangedRecord | undefined {
    this.#look();
    const known = this.#aliases.get(entryName(alias));
    const row = known === undefined ? undefined : this.#rows.get(known.row);
    return row?.version === known?.version ? row : undefined;
  }

  /** Keeps what a read has just found. */
  keepRow(
    kind: string,
    key: Digest,
    { version, expiresAt, consumedAt }: Omit<UnchangedRecord, 'body'>,
  ): void {
    this.#rows.set(rowName(kind, key), { body: null, version, expiresAt, consumedAt });
  }

  keepAlias(alias: Digest, kind: string, key: Digest, version: number): void {
    this.#aliases.set(entryName(alias), { row: rowName(kind, key), version });
  }

  /** True if an entry is known not to be revoked. */
  isUnrevoked(entry: Digest): boolean {
    this.#look();
    return this.#unrevoked.get(entryName(entry)) === true;
  }

  keepUnrevoked(entry: Digest): void {
    this.#unrevoked.set(entryName(entry), true);
  }

  /** To be called in the transaction that writes the record, or removes it. */
  forgetRow(kind: string, key: Digest): void {
    this.#rows.delete(rowName(kind, key));
  }

  /** To be called in the transaction that revokes the entry. */
  forgetUnrevoked(entry: Digest): void {
    this.#unrevoked.delete(entryName(entry));
  }

  forgetAll(): void {
    this.#rows.clear();
    this.#aliases.clear();
    this.#unrevoked.clear();
  }

  #look(): void {
    if (this.#hasLooked) return;
    const [version] = this.#dataVersion.get() as unknown as [number];
    if (version !== this.#seenVersion) {
      this.forgetAll();
      this.#seenVersion = version;
    }
    this.#hasLooked = true;
    process.nextTick(this.#turnIsOver);
  }

  readonly #turnIsOver = () => {
    this.#hasLooked = false;
  };
}

const entryName = (digest: Digest) => digest.toString('latin1');

const rowName = (kind: string, key: Digest) => kind + entryName(key);
