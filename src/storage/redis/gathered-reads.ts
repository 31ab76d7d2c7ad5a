/** The longest that one question is, so that nobody waits long for the answer to somebody else's. */
const GATHERED_MAX = 128;

/**
 * What is asked for one by one in a turn of the event loop, asked as one question: for Redis it is little more than one
 * read, and for this process a third of the work.
 */
export class GatheredReads<T> {
  readonly #read: (names: readonly Buffer[]) => Promise<readonly T[]>;
  #wanted: Wanted<T>[] = [];

  /** `read` answers in the order of the names. */
  constructor(read: (names: readonly Buffer[]) => Promise<readonly T[]>) {
    this.#read = read;
  }

  /** Fails, with all that are asked for at the same time, as reading does. */
  one(name: Buffer): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#wanted.length === 0) setImmediate(() => this.#ask());
      this.#wanted.push({ name, resolve, reject });
    });
  }

  #ask(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    for (let at = 0; at < wanted.length; at += GATHERED_MAX)
      void this.#answer(wanted.slice(at, at + GATHERED_MAX));
  }

  /** Never rejects. */
  async #answer(wanted: readonly Wanted<T>[]): Promise<void> {
    try {
      const found = await this.#read(wanted.map(({ name }) => name));
      for (const [index, { resolve }] of wanted.entries()) resolve(found[index] as T);
    } catch (fault) {
      for (const { reject } of wanted) reject(fault);
    }
  }
}

interface Wanted<T> {
  readonly name: Buffer;
  resolve(found: T): void;
  reject(fault: unknown): void;
}
