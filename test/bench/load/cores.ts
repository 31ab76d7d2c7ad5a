import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';

/** The number of a core, or a list such as `0-2,5`; `null`: nothing is pinned. */
export type Place = number | string | null;

/** Which core the server runs on, and which one the load. */
export interface Cores {
  readonly server: Place;
  readonly load: Place;
  /** All that there are. */
  readonly all: Place;
  readonly machine: Machine;
}

/** What the figures were measured on. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  /** What runs on which core, in words. */
  readonly pinned: string;
}

/** One core for the server and another for the load, where there are two and `taskset` can tell them apart. */
export function chooseCores(): Cores {
  const affinity = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  if (affinity.status !== 0)
    return { ...NOWHERE, machine: machine('nothing is pinned, since there is no `taskset`') };
  const all = affinity.stdout.slice(affinity.stdout.lastIndexOf(':') + 1).trim();
  const allowed = coresIn(all);
  const [load, server] = [allowed.at(0), allowed.at(-1)];
  if (load === undefined || server === undefined || load === server)
    return { ...NOWHERE, machine: machine('nothing is pinned, since there is one core') };
  return { server, load, all, machine: machine(`the server on core ${server}, the load on core ${load}`) };
}

const NOWHERE = { server: null, load: null, all: null };

/** The numbers in a list such as `0-2,5`. */
export function coresIn(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

/** Moves a process with all its threads to a core. */
export function pin(pid: number, core: Place): void {
  if (core !== null) spawnSync('taskset', ['-acp', String(core), String(pid)]);
}

/** Starts this Node on a core, so that the program sees one core from its beginning. */
export function spawnNode(args: readonly string[], core: Place, options: SpawnOptions): ChildProcess {
  const child =
    core === null
      ? spawn(process.execPath, args, options)
      : spawn('taskset', ['-c', String(core), process.execPath, ...args], options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Whatever still runs when the benchmark ends for whatever reason ends with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const machine = (pinned: string): Machine => ({
  processor: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  pinned,
});
