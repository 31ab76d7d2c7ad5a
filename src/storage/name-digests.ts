import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Recent } from '#src/recent.ts';
import type { Digest } from '#src/storage/backend.ts';

/** Some two hundred bytes each. */
const REMEMBERED_MAX = 8192;

/** What names are stored as, so that nobody can read them there. */
export class NameDigests {
  readonly #key: KeyObject;
  readonly #remembered = new Recent<string, Digest>(REMEMBERED_MAX);

  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  /** Of a name that is asked about now. */
  once(label: string, ...parts: readonly string[]): Digest {
    return this.#of(written(label, parts));
  }

  /** Of a name that is asked about again and again, as those of clients are. */
  recurring(label: string, ...parts: readonly string[]): Digest {
    const name = written(label, parts);
    const before = this.#remembered.get(name);
    if (before !== undefined) return before;
    const digest = this.#of(name);
    this.#remembered.set(name, digest);
    return digest;
  }

  #of(name: string): Digest {
    return createHmac('sha256', this.#key).update(name).digest();
  }
}

/** JSON keeps apart what joining the parts would run together, and writes unpaired surrogates as they are. */
const written = (label: string, parts: readonly string[]) => JSON.stringify([label, ...parts]);
