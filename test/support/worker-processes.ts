import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** The processes that this one has begun and that still live. */
export async function workersOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim().split(' ').filter(Boolean).map(Number);
}

/** Those of them that live. */
export function aliveOf(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

/** Settles once the process is gone. */
export async function ended(pid: number): Promise<void> {
  while (aliveOf([pid]).length > 0) await setTimeout(20);
}
