/**
 * A memory of what was used recently: of the half of `max` that was used last at least, and of no more than `max`. For
 * what can be had again.
 */
export class Recent<K, V> {
  readonly #max: number;
  readonly #half: number;
  /** What was used since `#earlier` was put aside. Most of what is asked for is here, and costs a single look. */
  #lately = new Map<K, V>();
  #earlier = new Map<K, V>();

  constructor(max: number) {
    this.#max = max;
    this.#half = Math.max(1, Math.floor(max / 2));
  }

  get size(): number {
    return this.#lately.size + this.#earlier.size;
  }

  get(key: K): V | undefined {
    const lately = this.#lately.get(key);
    if (lately !== undefined) return lately;
    const value = this.#earlier.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#earlier.delete(key);
    if (this.#lately.size >= this.#half && !this.#lately.has(key)) {
      this.#earlier = this.#max > 1 ? this.#lately : new Map();
      this.#lately = new Map();
    }
    this.#lately.set(key, value);
  }

  delete(key: K): void {
    this.#lately.delete(key);
    this.#earlier.delete(key);
  }

  clear(): void {
    this.#lately = new Map();
    this.#earlier = new Map();
  }
}
