import { type Sighting, together } from '#src/jwks-readers/sighting.ts';
import type { EpochSeconds } from '#src/units.ts';

/** That somebody was given a document, or had it already. */
export interface Fetched {
  /** The keys of the document: the same list for everyone who gets it. */
  readonly keys: readonly string[];
  readonly at: EpochSeconds;
  readonly program: string | null;
  readonly network: string | null;
}

/** What one reader has left behind in memory. To add to it costs next to nothing. */
export class Trace {
  #last: Fetched;
  /** Of documents with other keys. */
  #earlier: Sighting | null = null;

  constructor(fetched: Fetched) {
    this.#last = fetched;
  }

  add(fetched: Fetched): void {
    if (fetched.keys !== this.#last.keys) this.#earlier = this.sighting();
    this.#last = fetched;
  }

  sighting(): Sighting {
    const { keys, at, program, network } = this.#last;
    const last = { lastAt: at, keys: Object.fromEntries(keys.map((kid) => [kid, at])), program, network };
    return this.#earlier === null ? last : together(this.#earlier, last);
  }
}
