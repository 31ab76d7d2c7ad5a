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
function nanosecondsOf(path: string, column = 0): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[column]);
  } catch {
    return 0;
  }
}

/**
 * How long threads of that name could have worked and had no processor, in seconds: what others on the machine, and the
 * process's own other threads, took from them.
 */
export function secondsKeptWaiting(pids: readonly number[], name: string): number {
  const nanoseconds = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`)
      .map((thread) => `/proc/${pid}/task/${thread}`)
      .filter((thread) => nameOf(thread) === name)
      .map((thread) => nanosecondsOf(`${thread}/schedstat`, 1)),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9;
}

function nameOf(thread: string): string | null {
  try {
    return readFileSync(`${thread}/comm`, 'utf8').trim();
  } catch {
    return null;
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
