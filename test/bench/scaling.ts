import type { Case } from '#test/bench/cases/case.ts';
import { CASES } from '#test/bench/cases/every-case.ts';
import type { Cores } from '#test/bench/load/cores.ts';
import { medianRun, type Run, ratioOf, takeTurns } from '#test/bench/measure.ts';
import type { BenchOptions } from '#test/bench/options.ts';
import type { ScalingDocument, ScalingResult } from '#test/bench/report/document.ts';
import { enterKeyturn, type KeyturnContestant, storesAtHand } from '#test/bench/servers/installations.ts';
import { median } from '#test/bench/statistics.ts';

/** What has to scale: signing, reading and writing. */
const SCALED = ['client-credentials-es256', 'introspection-jwt', 'refresh-rotation'];

const WORKERS = [1, 2, 4];
const NODES = [1, 2, 3];

/** What two workers are to do of one. */
const TWO_WORKERS_TARGET = 1.8;

interface Shape {
  readonly kind: 'workers' | 'nodes';
  readonly store: 'sqlite' | 'redis';
  readonly count: number;
}

/** How much more several processes do than one, on the whole machine. */
export async function measureScaling(
  options: BenchOptions,
  cores: Cores,
  tell: (line: string) => void,
): Promise<ScalingDocument> {
  const results: ScalingResult[] = [];
  for (const { kind, store, counts } of shapesOn(storesAtHand(options.stores, tell))) {
    await using opened = new AsyncDisposableStack();
    const contestants = new Map<KeyturnContestant, Shape>();
    for (const count of counts) {
      tell(`${count} ${kind} on ${store}`);
      const shape = kind === 'workers' ? { workers: count } : { nodes: count };
      const contestant = await enterKeyturn(store, opened, { ...options, ...shape, cores: WHEREVER(cores) });
      contestants.set(contestant, { kind, store, count });
    }
    for (const each of CASES.filter(({ name }) => isScaled(name, options.only))) {
      tell(`${each.name}, ${kind} on ${store}`);
      const runs = await takeTurns({ ...each, bare: null }, [...contestants.keys()], options);
      results.push(...resultsOf(each, contestants, runs, cores.machine.cores));
    }
  }
  const { connections, rounds, runMs } = options;
  const measuredAt = new Date().toISOString();
  return { measuredAt, machine: WHEREVER(cores).machine, connections, rounds, runMs, scaling: results };
}

/** Several processes are to have all of the cores. */
const WHEREVER = ({ machine }: Cores): Cores => ({
  server: null,
  load: null,
  all: null,
  machine: { ...machine, pinned: 'nothing is pinned: servers, Redis and the load share all cores' },
});

const isScaled = (name: string, only: readonly string[]) =>
  only.length === 0 ? SCALED.includes(name) : only.some((wanted) => name.startsWith(wanted));

/** Nodes share a store by way of the network. */
const shapesOn = (stores: readonly Shape['store'][]) => [
  ...stores.map((store) => ({ kind: 'workers' as const, store, counts: WORKERS })),
  ...(stores.includes('redis') ? [{ kind: 'nodes' as const, store: 'redis' as const, counts: NODES }] : []),
];

function resultsOf(
  { name }: Case,
  contestants: ReadonlyMap<KeyturnContestant, Shape>,
  runs: ReadonlyMap<unknown, readonly Run[]>,
  coresOfMachine: number,
): readonly ScalingResult[] {
  const [one] = contestants.keys();
  const ofOne = runs.get(one) ?? [];
  return [...contestants].map(([contestant, { kind, store, count }]): ScalingResult => {
    const own = runs.get(contestant) ?? [];
    const { perSecond, perCpuSecond, storeShare, p99Ms, turnedAway } = medianRun(own);
    const target = kind === 'workers' && count === 2 ? TWO_WORKERS_TARGET : null;
    const ratio = median(own.map((run, round) => run.perSecond / (ofOne[round]?.perSecond ?? Number.NaN)));
    const withCores = count * ratioOf(own, ofOne);
    // The clock tells only where each process has a core, and the load one of its own.
    const told = coresOfMachine > count ? ratio : withCores;
    const met = target === null ? null : told >= target;
    return {
      case: name,
      kind,
      count,
      store,
      perSecond,
      perCpuSecond,
      ratio,
      withCores,
      target,
      met,
      storeShare,
      p99Ms,
      turnedAway,
    };
  });
}
