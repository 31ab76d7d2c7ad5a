import type { Machine } from '#test/bench/load/cores.ts';

/** All that was measured: what `--json` prints. */
export interface BenchDocument {
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly connections: number;
  readonly rounds: number;
  readonly runMs: number;
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
  readonly against: 'bare' | 'sqlite';
  /** What the ratio is to be at least; `null` where nobody has set a target. */
  readonly target: number | null;
  readonly met: boolean | null;
  /** Operations for each second that a processor worked for Keyturn. */
  readonly perCpuSecond: number;
  /** Operations for each second on the clock. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The part of all processor time that Redis took; 0 for SQLite, which is in Keyturn's own. */
  readonly storeShare: number;
  /** The same of the bare library, which keeps everything in memory; `null` where it has no such thing. */
  readonly bare: { readonly perCpuSecond: number; readonly p50Ms: number; readonly p99Ms: number } | null;
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

/** How sign-ins with passwords go, which are to cost little more than hashing the password. */
export interface PasswordResult {
  readonly store: 'sqlite' | 'redis';
  readonly signInsPerCpuSecond: number;
  /** How many hashes the core can make. */
  readonly hashesPerCpuSecond: number;
  /** The one through the other. */
  readonly ofLimit: number;
  readonly target: number;
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
