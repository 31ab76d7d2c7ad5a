import { mock } from 'node:test';

/**
 * From now on the time of the whole process, the library's included, stands still, so many seconds from where it was.
 * `mock.timers.reset()` lets it go on.
 */
export function later(seconds: number): void {
  const now = Date.now() + seconds * 1000;
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date'], now });
}
