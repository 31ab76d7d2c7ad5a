import { join } from 'node:path';
import { systemRandom } from '#src/random.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A store on SQLite that lives by its own clock, gone with everything in it at the end of `await using`. */
export interface TemporaryStore extends Store {
  readonly clock: MovingClock;
}

export async function openTemporaryStore(): Promise<TemporaryStore> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTemporaryDirectory());
  const clock = new MovingClock();
  const store = opened.use(
    await openStore({
      location: `sqlite:${join(directory.path, 'keyturn.db')}`,
      keysDirectory: join(directory.path, 'keys'),
      clock,
      random: systemRandom,
    }),
  );
  const closing = opened.move();
  return { ...store, clock, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}
