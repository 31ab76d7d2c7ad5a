import { readdir, readFile } from 'node:fs/promises';

/** The processes below `parent` that have a PKCS#11 module loaded, or are about to. */
export async function tokenProcesses(parent: number = process.pid): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8');
      // The name of the program, in brackets, may hold anything; what follows it is the state and the parent.
      const stat = (await readFile(`/proc/${name}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
      const isChild = Number(stat[1]) === parent;
      if (isChild && stat[0] !== 'Z' && commandLine.includes('token-process-main')) found.push(Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
