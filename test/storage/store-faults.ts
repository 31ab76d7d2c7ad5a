import { setTimeout } from 'node:timers/promises';
import { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';

/** Waits until a store that is losing its database turns everything away at once. */
export async function whenRefused(records: Records): Promise<void> {
  while (!/no connection/.test((await faultOf(records))?.message ?? '')) await setTimeout(20);
}

/** Waits until a store has found its database again, by itself. */
export async function whenAnswered(records: Records): Promise<void> {
  while ((await faultOf(records)) !== null) await setTimeout(20);
}

async function faultOf(records: Records): Promise<StorageFault | null> {
  try {
    await records.ping();
    return null;
  } catch (error) {
    if (error instanceof StorageFault) return error;
    throw error;
  }
}
