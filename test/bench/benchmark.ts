import type { Case } from '#test/bench/cases/case.ts';
import { CASES } from '#test/bench/cases/every-case.ts';
import { PASSWORD_SIGN_IN } from '#test/bench/cases/password.ts';
import { measureLimits } from '#test/bench/limits/limits.ts';
import type { Cores } from '#test/bench/load/cores.ts';
import { type Memory, memoryOf } from '#test/bench/load/processor-time.ts';
import { type Contestant, medianRun, type Run, ratioOf, takeTurns } from '#test/bench/measure.ts';
import type { BenchOptions, StoreName } from '#test/bench/options.ts';
import { measurePasswords } from '#test/bench/password-load.ts';
import type {
  BenchDocument,
  CaseResult,
  MemoryResult,
  PasswordResult,
  StartResult,
} from '#test/bench/report/document.ts';
import {
  enterBare,
  enterKeyturn,
  type KeyturnContestant,
  storesAtHand,
} from '#test/bench/servers/installations.ts';
import { median } from '#test/bench/statistics.ts';

/** What a case on Redis is to reach of the same on SQLite. */
const REDIS_TARGET = 0.7;

/** What the p99 of a case is to be at most of the bare library's: 8 ms where that has 20. */
const P99_TARGET = 8 / 20;

const START_TARGET_MS = 400;
const MEGABYTE = 1e6;
const IDLE_TARGET = 110 * MEGABYTE;
const UNDER_LOAD_TARGET = 140 * MEGABYTE;

/** How long a server is left alone before its memory is looked at. */
const IDLE_MS = 2000;

/** Measures every case that is asked for, on every store, with the bare library beside it. */
export async function benchmark(
  options: BenchOptions,
  cores: Cores,
  tell: (line: string) => void,
): Promise<BenchDocument> {
  await using opened = new AsyncDisposableStack();
  const bare = await enterBare(opened, { ...options, cores });
  const keyturns: KeyturnContestant[] = [];
  for (const store of storesAtHand(options.stores, tell)) {
    tell(`a new store on ${store}`);
    const starts = options.quick ? 3 : 5;
    keyturns.push(await enterKeyturn(store, opened, { ...options, cores, starts, staying: true }));
  }
  const all: readonly Contestant[] = [...keyturns, bare];
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const idle = new Map(all.map((each) => [each, memoryOf(each.served.pids()[0] as number)]));
  const cases: CaseResult[] = [];
  const wanted = casesIn(options);
  const endsAt = performance.now() + options.casesMaxMs;
  for (const [index, each] of wanted.entries()) {
    tell(each.name);
    const atMostMs = (endsAt - performance.now()) / (wanted.length - index);
    const runs = await takeTurns(each, all, { ...options, atMostMs });
    const results = resultsOf(each, keyturns, runs, runs.get(bare) ?? null);
    for (const { store, ratio, against } of results)
      if (ratio !== null) tell(`  ${store}: ${ratio.toFixed(2)} of ${against}`);
    cases.push(...results);
  }
  const limits = await limitsFor(options, cores, tell);
  const passwords: PasswordResult[] = [];
  if (wanted.includes(PASSWORD_SIGN_IN))
    for (const { served } of keyturns) {
      const store = served.store as StoreName;
      tell(`passwords on ${store}`);
      passwords.push(await measurePasswords(store, cores, options));
    }
  return {
    measuredAt: new Date().toISOString(),
    machine: cores.machine,
    connections: options.connections,
    rounds: options.rounds,
    runMs: options.runMs,
    cases: cases.map((each) => nextToArgon2(each, passwords)),
    start: keyturns.map(startOf),
    passwords,
    limits,
    memory: all.map((each) => memoryResultOf(each, idle.get(each) as Memory)),
  };
}

/** What sign-ins with passwords are to be compared with is how many passwords argon2 can hash. */
function nextToArgon2(result: CaseResult, passwords: readonly PasswordResult[]): CaseResult {
  const load = passwords.find(({ store }) => store === result.store);
  if (load === undefined || result.name !== PASSWORD_SIGN_IN.name) return result;
  return { ...result, ratio: load.ofLimit, against: 'argon2', target: load.target, met: load.met };
}

const casesIn = ({ only }: BenchOptions): readonly Case[] =>
  CASES.filter(({ name }) => only.length === 0 || only.some((wanted) => name.startsWith(wanted)));

/** Where only some cases are asked for, the limits of the machine are not. */
async function limitsFor(
  { only, connections, runMs }: BenchOptions,
  { server }: Cores,
  tell: (line: string) => void,
) {
  if (only.length > 0) return [];
  tell('limits');
  return measureLimits({ core: server, connections, workMs: runMs });
}

function resultsOf(
  { name, about, target }: Case,
  keyturns: readonly KeyturnContestant[],
  runs: ReadonlyMap<Contestant, readonly Run[]>,
  ofBare: readonly Run[] | null,
): readonly CaseResult[] {
  const runsOn = (store: StoreName) => {
    const contestant = keyturns.find(({ served }) => served.store === store);
    return contestant === undefined ? null : (runs.get(contestant) ?? null);
  };
  return keyturns.map(({ served }): CaseResult => {
    const store = served.store as StoreName;
    const own = runsOn(store) as readonly Run[];
    // On Redis it is compared with SQLite, if that was measured.
    const onSqlite = store === 'redis' ? runsOn('sqlite') : null;
    const others = onSqlite ?? ofBare;
    const ratio = others === null ? null : ratioOf(own, others);
    const wanted = onSqlite === null ? target : REDIS_TARGET;
    const { operations: _, resident: __, ...figures } = medianRun(own);
    return {
      name,
      store,
      about,
      ratio,
      against: onSqlite === null ? 'bare' : 'sqlite',
      target: wanted,
      met: ratio === null || wanted === null ? null : ratio >= wanted,
      ...figures,
      rounds: own.length,
      bare: bareOf(own, ofBare),
    };
  });
}

function bareOf(own: readonly Run[], ofBare: readonly Run[] | null): CaseResult['bare'] {
  if (ofBare === null) return null;
  const { perCpuSecond, p50Ms, p99Ms } = medianRun(ofBare);
  const p99Ratio = median(own.map((run, round) => run.p99Ms / (ofBare[round]?.p99Ms ?? Number.NaN)));
  return {
    ratio: ratioOf(own, ofBare),
    perCpuSecond,
    p50Ms,
    p99Ms,
    p99Ratio,
    p99Target: P99_TARGET,
    p99Met: p99Ratio <= P99_TARGET,
  };
}

function startOf({ served, startsMs }: KeyturnContestant): StartResult {
  const medianMs = median(startsMs);
  return {
    store: served.store as StoreName,
    medianMs,
    targetMs: START_TARGET_MS,
    met: medianMs <= START_TARGET_MS,
  };
}

function memoryResultOf({ served }: Contestant, idle: Memory): MemoryResult {
  const { peak } = memoryOf(served.pids()[0] as number);
  const isOurs = served.program === 'keyturn';
  return {
    program: served.program,
    store: served.store,
    idle: idle.resident,
    underLoad: peak,
    idleProportional: idle.proportional,
    targetIdle: isOurs ? IDLE_TARGET : null,
    targetUnderLoad: isOurs ? UNDER_LOAD_TARGET : null,
    met: isOurs ? idle.resident <= IDLE_TARGET && peak <= UNDER_LOAD_TARGET : null,
  };
}
