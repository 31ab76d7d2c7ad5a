import type { Case, Play, Stage } from '#test/bench/cases/case.ts';
import { drive, openConnections } from '#test/bench/load/drive.ts';
import { memoryOf, processorSeconds } from '#test/bench/load/processor-time.ts';
import { median, percentile } from '#test/bench/statistics.ts';

/** What came of asking a server the same for a while. */
export interface Run {
  readonly operations: number;
  /** For each second that a processor worked for the server. */
  readonly perCpuSecond: number;
  /** For each second on the clock. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The part of all processor time that a store in a process of its own took, from 0 to 1. */
  readonly storeShare: number;
  /** What the largest of the server's processes had in memory at the end, in bytes. */
  readonly resident: number;
  /** How often the server said that it was too busy; those requests were made again. */
  readonly turnedAway: number;
}

/** Who is asked: a server, and its store where that is a process of its own. */
export interface Contestant extends Stage {
  readonly storePids: readonly number[];
  /** How many processes share the work; each is to do as much as one alone, also to warm up. Default: 1. */
  readonly processes?: number;
}

/** What has to be known of a server to measure it. */
interface Measured extends Omit<Contestant, 'served'> {
  readonly served: Pick<Contestant['served'], 'ports' | 'pids'>;
}

export interface Plan {
  /** How many runs of each, by turns, the median of which counts. */
  readonly rounds: number;
  /** How long the processors work for the server in each run. */
  readonly runMs: number;
  readonly warmUpMs: number;
  /** No round is begun that is likely to end later than this. Default: never. */
  readonly atMostMs?: number;
}

/** A run takes no longer than this many times the work that it is to make, where others want the processor too. */
const PATIENCE = 3;

/** Asks until the processors have worked for so long on answers, in as many stretches as it takes. */
export async function run(
  { served, connections, storePids, processes = 1 }: Measured,
  play: Play,
  workMsOfEach: number,
): Promise<Run> {
  const workMs = workMsOfEach * processes;
  const pids = served.pids();
  using open = await openConnections(served.ports, connections);
  const latencies: number[] = [];
  let [own, ofStore, wallSeconds, turnedAway] = [0, 0, 0, 0];
  while (own * 1000 < workMs && wallSeconds * 1000 < workMs * PATIENCE) {
    const visitors = await play();
    const before = [processorSeconds(pids), processorSeconds(storePids)] as const;
    const [workUntil, until] = [before[0] + workMs / 1000 - own, performance.now() + workMs * PATIENCE];
    const enough = () => processorSeconds(pids) >= workUntil || performance.now() >= until;
    const driven = await drive(open, visitors, { enough });
    own += processorSeconds(pids) - before[0];
    ofStore += processorSeconds(storePids) - before[1];
    wallSeconds += driven.wallSeconds;
    turnedAway += driven.turnedAway;
    for (const latency of driven.latencies) latencies.push(latency);
  }
  return {
    operations: latencies.length,
    perCpuSecond: latencies.length / own,
    perSecond: latencies.length / wallSeconds,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    storeShare: ofStore / (own + ofStore),
    resident: Math.max(...pids.map((pid) => memoryOf(pid).resident)),
    turnedAway,
  };
}

/** The runs of each contestant in the order of the rounds. */
export async function takeTurns(
  { keyturn, bare }: Pick<Case, 'keyturn' | 'bare'>,
  contestants: readonly Contestant[],
  { rounds, runMs, warmUpMs, atMostMs = Number.POSITIVE_INFINITY }: Plan,
): Promise<ReadonlyMap<Contestant, readonly Run[]>> {
  const startedAt = performance.now();
  const ready: { contestant: Contestant; play: Play; runs: Run[] }[] = [];
  for (const contestant of contestants) {
    const scene = contestant.served.program === 'bare' ? bare : keyturn;
    if (scene === null) continue;
    const play = await scene(contestant);
    await run(contestant, play, warmUpMs);
    ready.push({ contestant, play, runs: [] });
  }
  for (let round = 0, roundMs = 0; round < rounds; round += 1) {
    const begunAt = performance.now();
    if (round > 0 && begunAt + roundMs > startedAt + atMostMs) break;
    for (const { contestant, play, runs } of startingWith(round, ready))
      runs.push(await run(contestant, play, runMs));
    roundMs = performance.now() - begunAt;
  }
  return new Map(ready.map(({ contestant, runs }) => [contestant, runs]));
}

/** All of them, each round with another one first: a processor serves better what it has just served. */
const startingWith = <T>(round: number, all: readonly T[]): readonly T[] => {
  const first = round % Math.max(1, all.length);
  return [...all.slice(first), ...all.slice(0, first)];
};

/** Each figure by itself, the middle of all runs. */
export function medianRun(runs: readonly Run[]): Run {
  const of = (figure: keyof Run) => median(runs.map((each) => each[figure]));
  return {
    operations: of('operations'),
    perCpuSecond: of('perCpuSecond'),
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    storeShare: of('storeShare'),
    resident: of('resident'),
    turnedAway: of('turnedAway'),
  };
}

/**
 * How many times as much was done per processor second as by the other, in the middle of all rounds. The runs of a round
 * follow one another at once, so what the machine does beside meets both.
 */
export function ratioOf(runs: readonly Run[], others: readonly Run[]): number {
  return median(
    runs.map(({ perCpuSecond }, round) => perCpuSecond / (others[round]?.perCpuSecond ?? Number.NaN)),
  );
}
