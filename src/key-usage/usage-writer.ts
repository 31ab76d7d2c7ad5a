import type { Clock } from '#src/clock.ts';
import { type AlgorithmUse, type KeyCount, USE_STEP } from '#src/key-usage/usage.ts';
import type { Unwritten, UsageCounter } from '#src/key-usage/usage-counter.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds, seconds } from '#src/units.ts';

export interface UsageWriterPorts {
  readonly counter: UsageCounter;
  readonly records: Pick<Records, 'put'>;
  readonly clock: Clock;
  readonly random: Random;
  /** How often what was counted is written down. */
  readonly writeEvery: Seconds;
  /** For how long it is remembered who was last given something by which algorithm. */
  readonly usesKept: Seconds;
  /** Told of what went wrong in the background; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** Enough to keep up, and so few that no request waits for them. */
const USES_PER_WRITE_MAX = 500;

/**
 * Writes down in the background what a server has counted: a record for each key and each lifetime of a server, so that
 * no two write the same, and that ends with the last token which it counts. After `kill -9` one interval is missing.
 */
export class UsageWriter implements AsyncDisposable {
  readonly #ports: UsageWriterPorts;
  /** This lifetime of this server. */
  readonly #counting: string;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(ports: UsageWriterPorts) {
    this.#ports = ports;
    this.#counting = newIdentifier(ports.random);
  }

  /** Writes from now on until disposed. Keeps no process alive. */
  start(): void {
    const { writeEvery, onFault } = this.#ports;
    const plan = () => {
      if (this.#disposed) return;
      this.#timer = setTimeout(() => {
        this.#writing = this.write().catch(onFault).then(plan);
      }, writeEvery * 1000).unref();
    };
    plan();
  }

  /** Writes down what has changed. What could not be written is kept for the next time. @throws StorageFault */
  write(): Promise<void> {
    return this.#write(this.#ports.counter.unwrittenUses(USE_STEP).slice(0, USES_PER_WRITE_MAX));
  }

  /** Writes down the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    const { counter, onFault } = this.#ports;
    await this.#write(counter.unwrittenUses(seconds(0))).catch(onFault);
  }

  async #write(uses: readonly Unwritten<AlgorithmUse>[]): Promise<void> {
    const keys = this.#ports.counter.unwrittenKeys();
    await Promise.all([...keys.map((key) => this.#writeKey(key)), ...uses.map((use) => this.#writeUse(use))]);
  }

  async #writeKey({ value, written }: Unwritten<KeyCount>): Promise<void> {
    const { records, clock } = this.#ports;
    const id = `${this.#counting} ${value.kid}`;
    const expiresAt = lastExpiryOf(value);
    if (expiresAt > clock.now()) await records.put<KeyCount>({ kind: 'key-usage', id, value, expiresAt });
    written();
  }

  async #writeUse({ value, written }: Unwritten<AlgorithmUse>): Promise<void> {
    const { records, usesKept } = this.#ports;
    const id = `${value.alg} ${value.role} ${value.name}`;
    const expiresAt = after(value.lastAt, usesKept);
    await records.put<AlgorithmUse>({ kind: 'algorithm-use', id, value, expiresAt });
    written();
  }
}

const lastExpiryOf = ({ tokens: { access, id } }: KeyCount): EpochSeconds =>
  epochSeconds(Math.max(access.lastExpiresAt, id.lastExpiresAt));
