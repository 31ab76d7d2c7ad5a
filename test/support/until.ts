import { setTimeout as after } from 'node:timers';
import { setTimeout } from 'node:timers/promises';

/** Longer than anything takes on a machine that has much else to do, in milliseconds. */
const LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 20;

/** What was awaited; asked for when it has not come. */
type What = string | (() => string);

/** Waits until something holds. Throws after `limitMs`, and says what was awaited. */
export async function until(
  what: What,
  holds: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  let late = false;
  const looking = (async () => {
    while (!late && !(await holds())) await setTimeout(LOOK_EVERY_MS);
  })();
  try {
    await within(what, looking, limitMs);
  } finally {
    late = true;
  }
}

/** What comes of `work`. Throws after `limitMs`, and says what was awaited. */
export async function within<T>(what: What, work: Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = after(() => {
    const awaited = typeof what === 'string' ? what : what();
    late.reject(new Error(`${awaited} was awaited for ${limitMs / 1000} s`));
  }, limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
