import { setTimeout } from 'node:timers/promises';
import type { Resealer, ResealStepDone } from '#src/sealing/resealing.ts';

export interface ResealLoopParts {
  readonly resealer: Pick<Resealer, 'step'>;
  readonly pauseMs: number;
  /** Told of each step that this process has done. */
  readonly onStep: (step: ResealStepDone) => void;
  readonly onFault: (error: unknown) => void;
}

/** Seals a store anew in the background, with a pause after each step, whenever there is something to be sealed. */
export class ResealLoop implements AsyncDisposable {
  readonly #parts: ResealLoopParts;
  readonly #stopping = new AbortController();
  #working: Promise<void> | null = null;

  constructor(parts: ResealLoopParts) {
    this.#parts = parts;
  }

  /** Has it look whether there is anything to do, unless it is at it. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    this.#working ??= this.#work()
      .catch(this.#parts.onFault)
      .finally(() => {
        this.#working = null;
      });
  }

  /** Lets the step that is under way end; whoever is next goes on after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { resealer, pauseMs, onStep } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const step = await resealer.step();
      if (step.outcome !== 'stepped') return;
      onStep(step);
      if (step.progress.finishedAt !== null) return;
      await setTimeout(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
