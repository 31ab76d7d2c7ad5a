import { createHmac } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { StorageFault } from '#src/fault.ts';
import { REFUSED_BEFORE, TokenProblem } from '#src/pkcs11/token-problem.ts';
import type { Records } from '#src/records.ts';
import { hours, seconds } from '#src/units.ts';

/** For so long nobody tries a PIN again that was refused, unless its file is written anew. */
const REFUSED_FOR = hours(1);

/** Longer than opening a token may take. A process that was killed while it tried holds the others up for as long. */
const TURN = seconds(20);

const LOOK_EVERY_MS = 50;

/**
 * What the processes on a store, workers and commands among them, tell one another of PINs: a token locks after a few
 * wrong ones, and each would try for itself. So one at a time tries, and once a PIN is refused nobody else does.
 */
export class PinTrials {
  readonly #records: Pick<Records, 'hit' | 'counted' | 'resetCounter'>;
  readonly #key: Buffer;

  constructor(options: {
    readonly records: Pick<Records, 'hit' | 'counted' | 'resetCounter'>;
    /** By which a PIN is told from others without being kept. */
    readonly key: Buffer;
  }) {
    this.#records = options.records;
    this.#key = options.key;
  }

  /**
   * Opens a token in turn. `what` names everything that a trial depends on, PIN and all.
   * @throws TokenProblem of kind `pin` if it was refused before, and whatever `open` throws
   */
  async inTurn<T>(what: readonly string[], open: () => Promise<T>): Promise<T> {
    const trial = createHmac('sha256', this.#key).update(JSON.stringify(what)).digest('base64url');
    const [refused, turn] = [`PIN refused: ${trial}`, `PIN tried: ${trial}`];
    await this.#untilTurn(refused, turn);
    try {
      return await open();
    } catch (error) {
      if (error instanceof TokenProblem && error.kind === 'pin')
        await withoutStore(this.#records.hit(refused, REFUSED_FOR));
      throw error;
    } finally {
      await withoutStore(this.#records.resetCounter(turn));
    }
  }

  async #untilTurn(refused: string, turn: string): Promise<void> {
    for (;;) {
      if (await withoutStore(this.#records.counted(refused))) throw new TokenProblem('pin', REFUSED_BEFORE);
      const taken = await withoutStore(this.#records.hit(turn, TURN));
      if (taken === null || taken.count === 1) return;
      await setTimeout(LOOK_EVERY_MS);
    }
  }
}

/** Signing does not wait for the store: while that is away nobody is asked. */
async function withoutStore<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StorageFault) return null;
    throw error;
  }
}
