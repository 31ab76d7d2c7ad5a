import type { Machine } from '#test/bench/load/cores.ts';

/** How it was measured. */
interface Measured {
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly connections: number;
  readonly rounds: number;
  /** How long the server worked in each run. */
  readonly runMs: number;
}

/** All that was measured: what `--json` prints. */
export interface BenchDocument extends Measured {
  readonly cases: readonly CaseResult[];
  readonly start: readonly StartResult[];
  readonly memory: readonly MemoryResult[];
  readonly passwords: readonly PasswordResult[];
  readonly limits: readonly LimitResult[];
}

/** What a case gave on a store. */
export interface CaseResult {
  readonly name: string;
  readonly about: string;
  readonly store: 'sqlite' | 'redis';
  /** How many times as many operations per processor second as `against` in the same run; `null` without that. */
  readonly ratio: number | null;
  readonly against: 'bare' | 'sqlite' | 'argon2';
  /** What the ratio is to be at least; `null` where nobody has set a target. */
  readonly target: number | null;
  readonly met: boolean | null;
  /** Operations for each second that a processor worked for Keyturn. */
  readonly perCpuSecond: number;
  /** Operations for each second on the clock. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How many runs were made. */
  readonly rounds: number;
  /** The part of all processor time that Redis took; 0 for SQLite, which is in Keyturn's own. */
  readonly storeShare: number;
  /** How often Keyturn said in a run that it was too busy. Those requests were made again, and are no operations. */
  readonly turnedAway: number;
  /** The same of the bare library, which keeps everything in memory; `null` where it has no such thing. */
  readonly bare: {
    /** How many times as many operations per processor second as it. */
    readonly ratio: number;
    readonly perCpuSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** Keyturn's p99 through its. */
    readonly p99Ratio: number;
    readonly p99Target: number;
    readonly p99Met: boolean;
  } | null;
}

/** How long it takes from the beginning of the process to the first good answer, on a store that there is already. */
export interface StartResult {
  readonly store: 'sqlite' | 'redis';
  readonly medianMs: number;
  readonly targetMs: number;
  readonly met: boolean;
}

/** How much memory a process had, in bytes (RSS). */
export interface MemoryResult {
  readonly program: 'keyturn' | 'bare';
  readonly store: 'memory' | 'sqlite' | 'redis';
  readonly idle: number;
  readonly underLoad: number;
  /** The same of Keyturn alone, with what is shared counted in parts (PSS). */
  readonly idleProportional: number;
  readonly targetIdle: number | null;
  readonly targetUnderLoad: number | null;
  readonly met: boolean | null;
}

/** How sign-ins with passwords go, which are to be as many as argon2 has time for on the cores that it is given. */
export interface PasswordResult {
  readonly store: 'sqlite' | 'redis';
  /** How many passwords are hashed at once: one less than the cores. */
  readonly threads: number;
  /** On the clock. */
  readonly signInsPerSecond: number;
  /** What argon2 alone makes with as many threads, by turns with the sign-ins. */
  readonly hashesPerSecond: number;
  /** The one through the other. */
  readonly ofLimit: number;
  readonly target: number;
  /** Of all time, the part in which the hashing threads wanted a processor, and others had it: from 0 to 1. */
  readonly keptWaiting: number;
  /** The same where everything has to share one core. */
  readonly oneCore: {
    readonly signInsPerCpuSecond: number;
    readonly hashesPerCpuSecond: number;
    readonly ofLimit: number;
  };
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How long services waited for tokens meanwhile. */
  readonly tokenP99Ms: number;
  readonly tokenTargetMs: number;
  readonly met: boolean;
}

/** What the server's core does of one thing when it does nothing else. */
export interface LimitResult {
  readonly name: string;
  readonly about: string;
  readonly perCpuSecond: number;
}

/** What `--scaling --json` prints. */
export interface ScalingDocument extends Measured {
  readonly scaling: readonly ScalingResult[];
}

/** What several processes do of a case. */
export interface ScalingResult {
  readonly case: string;
  readonly kind: 'workers' | 'nodes';
  readonly count: number;
  readonly store: 'sqlite' | 'redis';
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** How many times as much as one does on this machine, in time on the clock. The load has its share of the cores. */
  readonly ratio: number;
  /** The same if each process had a core: how often one's figure per processor second, with what they cost each other. */
  readonly withCores: number;
  readonly target: number | null;
  readonly met: boolean | null;
  /** The part of the processor time of servers and store that Redis took. */
  readonly storeShare: number;
  readonly p99Ms: number;
  readonly turnedAway: number;
}

/** What `--big N --json` prints. */
export interface BigStoreDocument extends Measured {
  readonly stores: readonly BigStoreResult[];
}

/** What a full store costs. */
export interface BigStoreResult {
  readonly store: 'sqlite' | 'redis';
  readonly tokens: number;
  readonly accounts: number;
  readonly fillSeconds: number;
  /** How long a server takes to start on it. */
  readonly startMs: number;
  /** What the full store takes on disk. */
  readonly diskBytes: number;
  /** What a server on it has in memory (RSS) at the end, and the store if it is a process of its own. */
  readonly memoryBytes: number;
  readonly storeMemoryBytes: number;
  readonly cases: readonly BigStoreCase[];
}

/** What a case costs with a full store and with an empty one. */
export interface BigStoreCase {
  readonly name: string;
  /** Operations per processor second with the full store, through those with the empty one. */
  readonly ratio: number;
  readonly target: number;
  readonly met: boolean;
  readonly perCpuSecond: number;
  readonly perCpuSecondEmpty: number;
  readonly p99Ms: number;
  readonly p99MsEmpty: number;
}

/** What `--soak DURATION --json` prints. */
export interface SoakDocument extends Measured {
  readonly store: 'sqlite' | 'redis';
  readonly samples: readonly SoakSample[];
  /** How much each figure grew in the second half, in percent of its middle; what is below a tenth counts as flat. */
  readonly growth: Readonly<Record<SoakFigure, number>>;
  readonly flat: boolean;
}

export const SOAK_FIGURES = ['resident', 'eventLoopP99Ms', 'storeBytes', 'p99Ms'] as const;

export type SoakFigure = (typeof SOAK_FIGURES)[number];

/** How the server was after so many seconds. */
export interface SoakSample extends Readonly<Record<SoakFigure, number>> {
  readonly atSeconds: number;
  readonly perSecond: number;
}
