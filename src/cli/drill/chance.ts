import { createHash } from 'node:crypto';
import { type Seconds, seconds } from '#src/units.ts';

/** Chance that comes out the same for the same seed. Each name has its own, so that none depends on another's use. */
export class Chance {
  readonly #seed: string;
  #drawn = 0;

  constructor(seed: number, name: string) {
    this.#seed = `${seed} ${name}`;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    this.#drawn += 1;
    const digest = createHash('sha256').update(`${this.#seed} ${this.#drawn}`).digest();
    return least + Math.floor((digest.readUInt32BE() / 2 ** 32) * (most - least + 1));
  }

  length(least: Seconds, most: Seconds): Seconds {
    return seconds(this.between(least, most));
  }

  /** One of the items; `undefined` of none. */
  of<T>(items: readonly T[]): T | undefined {
    return items[this.between(0, items.length - 1)];
  }
}
