import type { Clock } from '#src/clock.ts';
import {
  isFresh,
  type KnownReader,
  knownTogether,
  type OtherReader,
  othersTogether,
  type Readers,
  stillKnown,
} from '#src/jwks-readers/reader.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

type OtherKind = 'named' | 'anonymous';

export type StoredReaders =
  | ({ readonly who: 'resource-server'; readonly clientId: string } & KnownReader)
  | { readonly who: OtherKind; readonly readers: readonly OtherReader[] };

const KIND = 'jwks-reader';
const NOT_SEEN: KnownReader = { proven: null, said: null };

/**
 * Who has fetched the JWK Set, in the store. Each resource server has a record of its own; of everybody else a bounded
 * number is in one record, so that strangers can neither fill the store nor push out a resource server.
 */
export class JwksReaders {
  /** How many others are remembered, of each sort. */
  readonly othersMax: number;
  readonly #records: Pick<Records, 'find' | 'put' | 'list'>;
  readonly #clock: Clock;
  readonly #kept: Seconds;

  constructor(options: {
    readonly records: Pick<Records, 'find' | 'put' | 'list'>;
    readonly clock: Clock;
    /** For how long a reader is remembered after its last fetch. */
    readonly kept: Seconds;
    readonly othersMax: number;
  }) {
    this.othersMax = options.othersMax;
    this.#records = options.records;
    this.#clock = options.clock;
    this.#kept = options.kept;
  }

  /** Adds what was seen, which may be done again: nothing counts twice, and nothing goes back. @throws StorageFault */
  async add({ known, named, anonymous }: Readers): Promise<void> {
    for (const [clientId, reader] of known) await this.#addKnown(clientId, reader);
    if (named.length > 0) await this.#addOthers('named', named);
    if (anonymous.length > 0) await this.#addOthers('anonymous', anonymous);
  }

  /** Everybody who is remembered; of the others those come first that were seen last. @throws StorageFault */
  async all(): Promise<Readers> {
    const now = this.#clock.now();
    const known = new Map<string, KnownReader>();
    const others: Record<OtherKind, readonly OtherReader[]> = { named: [], anonymous: [] };
    for await (const stored of everyValue<StoredReaders>(this.#records, KIND)) {
      if (stored.who !== 'resource-server') others[stored.who] = stored.readers.filter(this.#isFresh);
      else known.set(stored.clientId, stillKnown(stored, this.#kept, now));
    }
    return { known, ...others };
  }

  async #addKnown(clientId: string, seen: KnownReader): Promise<void> {
    const id = `resource-server:${clientId}`;
    await changeRecord<StoredReaders>(this.#records, { kind: KIND, id }, (stored) => {
      const before = stored?.who === 'resource-server' ? stored : NOT_SEEN;
      const reader = stillKnown(knownTogether(before, seen), this.#kept, this.#clock.now());
      const value = { who: 'resource-server' as const, clientId, ...reader };
      return { value, expiresAt: this.#until([reader.proven, reader.said]) };
    });
  }

  async #addOthers(who: OtherKind, seen: readonly OtherReader[]): Promise<void> {
    await changeRecord<StoredReaders>(this.#records, { kind: KIND, id: who }, (stored) => {
      const before = stored?.who === who ? stored.readers : [];
      const readers = othersTogether(before, seen, this.othersMax).filter(this.#isFresh);
      return {
        value: { who, readers },
        expiresAt: this.#until(readers.map(({ sighting }) => sighting)),
      };
    });
  }

  readonly #isFresh = ({ sighting }: OtherReader) => isFresh(sighting, this.#kept, this.#clock.now());

  /** When the last of them is forgotten. */
  #until(sightings: readonly ({ readonly lastAt: EpochSeconds } | null)[]): EpochSeconds {
    const last = Math.max(this.#clock.now(), ...sightings.map((each) => each?.lastAt ?? 0));
    return after(epochSeconds(last), this.#kept);
  }
}
