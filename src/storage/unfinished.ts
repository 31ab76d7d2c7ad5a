import { createHash } from 'node:crypto';
import { Refusal, SetupFault, StorageFault } from '#src/fault.ts';
import type { Backend } from '#src/storage/backend.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * A store that is being filled from another one, or from a backup, says so by a record of its own, in clear and at a
 * public place. Until it is finished nobody serves from it, and nothing but `fill` writes to it, for whoever has written
 * that record last. So two who fill it at the same time do not get into each other's way, nor does one who was suspended
 * write into a store that is in use by then.
 */
export const UNFINISHED_KIND = 'unfinished';
export const UNFINISHED_KEY = createHash('sha256').update('keyturn unfinished store').digest();

/**
 * Claims a store that is empty, or was claimed before for the same `origin`, which is public and says what it is filled
 * from. Answers the claim. Throws `Refusal` with `store_not_empty` or `store_unfinished`.
 */
export async function claimStore(backend: Backend, origin: string, now: EpochSeconds): Promise<number> {
  const before = await backend.find(UNFINISHED_KIND, UNFINISHED_KEY, now);
  if (before !== null && before.body.toString() !== origin) {
    throw new Refusal(
      'store_unfinished',
      'The target is being filled from something else, and that was never finished. Empty it, or name another one.',
    );
  }
  const put = await backend.put(
    {
      kind: UNFINISHED_KIND,
      key: UNFINISHED_KEY,
      body: Buffer.from(origin),
      expiresAt: null,
      group: null,
      owner: null,
      aliases: [],
      note: null,
      onlyIf: before === null ? 'absent' : { version: before.version },
    },
    now,
  );
  if (put.outcome === 'seal-outdated') throw notEmpty();
  if (put.outcome !== 'stored') {
    throw new Refusal('store_unfinished', 'Somebody else has just begun to fill the target.');
  }
  // Only now, when no server can begin to use it any more. What another claim has put here is ours to change.
  if (before === null && !(await isEmpty(backend))) {
    await backend.remove(UNFINISHED_KIND, UNFINISHED_KEY, null, now);
    throw notEmpty();
  }
  return put.version;
}

/** Throws `SetupFault` for a store that is being filled. */
export async function assertFinished(backend: Backend, now: EpochSeconds): Promise<void> {
  if ((await backend.find(UNFINISHED_KIND, UNFINISHED_KEY, now)) === null) return;
  throw new SetupFault(
    'the store is unfinished: it is being filled from another one, or from a backup',
    'run the same `keyturn store copy` or `keyturn restore` to its end, or empty the store and begin anew',
  );
}

/** What is thrown once somebody else has claimed the store, or it was finished. */
export const claimLost = (): StorageFault =>
  new StorageFault('somebody else has begun to fill the target, or has finished it');

async function isEmpty(backend: Backend): Promise<boolean> {
  for await (const page of backend.entries()) if (page.length > 0) return false;
  return true;
}

const notEmpty = (): Refusal =>
  new Refusal(
    'store_not_empty',
    'The target holds records already. Only an empty store is filled, so that nothing is lost.',
  );
