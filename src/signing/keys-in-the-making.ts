import type { DiscardedKey, GeneratedKey, JwsAlgorithm, KeySource } from '#src/signing/algorithm.ts';
import type { KeyRing } from '#src/signing/key-ring.ts';

/** The keys that are made for one change of the ring, and what becomes of those that it does not need. */
export class KeysInTheMaking {
  readonly #source: KeySource;
  readonly #keys: GeneratedKey[] = [];
  readonly #lacking = new Set<JwsAlgorithm>();
  #fault: unknown = null;

  constructor(source: KeySource) {
    this.#source = source;
  }

  get keys(): readonly GeneratedKey[] {
    return this.#keys;
  }

  /** The algorithms that no key could be made for. */
  get lacking(): readonly JwsAlgorithm[] {
    return [...this.#lacking];
  }

  /** Why; `null` if everything went well. */
  get fault(): unknown {
    return this.#fault;
  }

  async make(wanting: readonly JwsAlgorithm[]): Promise<void> {
    const made = await Promise.allSettled(wanting.map((alg) => this.#source.generate(alg)));
    for (const [index, outcome] of made.entries()) {
      if (outcome.status === 'fulfilled') this.#keys.push(outcome.value);
      else {
        this.#lacking.add(wanting[index] as JwsAlgorithm);
        this.#fault = outcome.reason;
      }
    }
  }

  /**
   * Gives back what was made and is not in the ring, and what was in use before and is not any more. Only for a ring
   * that is known to be in the store: if that is in doubt, a key too many does no harm, and one too few does.
   */
  async discard(before: KeyRing, after: KeyRing): Promise<void> {
    if (this.#source.discard === undefined) return;
    const inUse = new Set(handlesOf(after).map(({ outside }) => outside));
    const candidates = [...this.#keys.filter(({ outside }) => outside !== null), ...handlesOf(before)];
    for (const key of candidates) {
      if (inUse.has(key.outside)) continue;
      try {
        await this.#source.discard(key);
      } catch (error) {
        this.#fault ??= error;
      }
    }
  }
}

/** The keys outside that something still rests on. */
const handlesOf = (ring: KeyRing): readonly DiscardedKey[] =>
  ring.keys.filter(({ outside, revoked }) => outside !== null && revoked === null);
