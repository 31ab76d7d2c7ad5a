import type { Records } from '#src/records.ts';
import type { Seconds } from '#src/units.ts';

/** Keeps the store from growing: drops what has expired, a bounded step at a time, until stopped. */
export function startSweeping(options: {
  readonly records: Pick<Records, 'sweep'>;
  readonly every: Seconds;
  readonly batch: number;
  readonly onFault: (error: unknown) => void;
}): AsyncDisposable {
  const { records, every, batch, onFault } = options;
  let stopped = false;
  let timer: NodeJS.Timeout;
  let step = Promise.resolve();
  const sweep = async () => {
    let pause = every * 1000;
    try {
      const { done } = await records.sweep(batch);
      // A round is gone through without delay, but for room for requests: much that lives on may stand before what has
      // expired. A step that removes nothing writes nothing.
      if (!done) pause = PAUSE_BETWEEN_STEPS_MS;
    } catch (error) {
      onFault(error);
    }
    if (!stopped) plan(pause);
  };
  const plan = (pause: number) => {
    timer = setTimeout(() => {
      step = sweep();
    }, pause).unref();
  };
  plan(every * 1000);
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await step;
    },
  };
}

const PAUSE_BETWEEN_STEPS_MS = 100;
