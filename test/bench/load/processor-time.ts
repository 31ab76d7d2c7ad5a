import { readdirSync, readFileSync } from 'node:fs';

/**
 * How much time of processors the processes have taken so far, all of their threads together, in seconds. Linux keeps
 * it in nanoseconds, where `ps` shows hundredths of a second.
 */
export function processorSeconds(pids: readonly number[]): number {
  const nanoseconds = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((thread) => nanosecondsOf(`/proc/${pid}/task/${thread}/schedstat`)),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9;
}

/** A thread may have ended since it was listed; those that work for requests stay. */
function nanosecondsOf(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return 0;
  }
}

/** How much memory a process has, in bytes. */
export interface Memory {
  /** What it has in memory (RSS), with what it shares with others. */
  readonly resident: number;
  /** The most that it ever had. */
  readonly peak: number;
  /** What it shares counted in parts (PSS): what the process costs where there are several. */
  readonly proportional: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return {
    resident: kibibytesIn(status, 'VmRSS'),
    peak: kibibytesIn(status, 'VmHWM'),
    proportional: kibibytesIn(rollup, 'Pss'),
  };
}

function kibibytesIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN) * 1024;
}
