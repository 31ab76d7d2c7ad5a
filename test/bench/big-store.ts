import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { CASES } from '#test/bench/cases/every-case.ts';
import { refreshing, tokensIn } from '#test/bench/cases/requests.ts';
import { fillStore, SAMPLE } from '#test/bench/fill-store.ts';
import type { Cores } from '#test/bench/load/cores.ts';
import type { Visitor } from '#test/bench/load/drive.ts';
import { memoryOf } from '#test/bench/load/processor-time.ts';
import { medianRun, type Run, ratioOf, takeTurns } from '#test/bench/measure.ts';
import type { BenchOptions, StoreName } from '#test/bench/options.ts';
import type { BigStoreCase, BigStoreDocument, BigStoreResult } from '#test/bench/report/document.ts';
import {
  enterKeyturn,
  type KeyturnContestant,
  sizeOf,
  storesAtHand,
} from '#test/bench/servers/installations.ts';
import type { KeyturnInstallation } from '#test/bench/servers/keyturn.ts';
import { median } from '#test/bench/statistics.ts';

/** Those that look into the store. */
const CONCERNED = [
  'client-credentials-es256',
  'introspection-jwt',
  'introspection-opaque',
  'refresh-rotation',
  'code-redemption',
  'sign-in-session',
  'userinfo',
  'refused-refresh-token',
  'refused-expired-refresh-token',
];

/** With a full store a case may be slower by a quarter of the time. */
const TARGET = 1 / 1.25;

/** How many accounts there are for each refresh token. */
const ACCOUNTS_PER_TOKEN = 0.1;

interface BigStoreTask {
  readonly cores: Cores;
  readonly tokens: number;
  readonly tell: (line: string) => void;
}

/** What stores with many refresh tokens and accounts in them cost, next to empty ones. */
export async function measureBigStores(options: BenchOptions, task: BigStoreTask): Promise<BigStoreDocument> {
  const stores: BigStoreResult[] = [];
  for (const store of storesAtHand(options.stores, task.tell))
    stores.push(await measureBigStore(store, options, task));
  return {
    measuredAt: new Date().toISOString(),
    machine: task.cores.machine,
    connections: options.connections,
    rounds: options.rounds,
    runMs: options.runMs,
    stores,
  };
}

async function measureBigStore(
  store: StoreName,
  options: BenchOptions,
  { cores, tokens, tell }: BigStoreTask,
): Promise<BigStoreResult> {
  await using opened = new AsyncDisposableStack();
  const arena = { ...options, cores, staying: true };
  const given = new Map<string, readonly string[]>();
  const enter = async (filled: number): Promise<{ contestant: KeyturnContestant; seconds: number }> => {
    let seconds = 0;
    const fill = async (installation: KeyturnInstallation) => {
      const startedAt = performance.now();
      const filling = { tokens: filled, accounts: accountsFor(filled), tell };
      given.set(installation.known.web.id, await fillStore(installation, filling));
      seconds = (performance.now() - startedAt) / 1000;
    };
    const contestant = await enterKeyturn(store, opened, {
      ...arena,
      ...(filled > 0 ? { fill } : undefined),
    });
    return { contestant, seconds };
  };
  const { contestant: empty } = await enter(0);
  const { contestant: full, seconds: fillSeconds } = await enter(tokens);
  const cases: BigStoreCase[] = [];
  const compare = async (each: Case, other: KeyturnContestant) => {
    tell(each.name);
    const runs = await takeTurns({ ...each, bare: null }, [full, other], options);
    const result = comparedWith(each, runs.get(full) ?? [], runs.get(other) ?? []);
    tell(`  ${store}: ${result.ratio.toFixed(2)} of a store without`);
    cases.push(result);
  };
  for (const each of CASES.filter(({ name }) => isConcerned(name, options.only))) await compare(each, empty);
  const { contestant: small } = await enter(Math.min(tokens, SAMPLE));
  await compare(refreshAllOver(given), small);
  return {
    store,
    tokens,
    accounts: accountsFor(tokens),
    fillSeconds,
    startMs: median(full.startsMs),
    diskBytes: await sizeOf(full),
    memoryBytes: memoryOf(full.served.pids()[0] as number).resident,
    storeMemoryBytes: full.storePids.map((pid) => memoryOf(pid).resident)[0] ?? 0,
    cases,
  };
}

const isConcerned = (name: string, only: readonly string[]) =>
  CONCERNED.includes(name) && (only.length === 0 || only.some((wanted) => name.startsWith(wanted)));

const accountsFor = (tokens: number) => Math.max(1, Math.round(tokens * ACCOUNTS_PER_TOKEN));

function comparedWith({ name }: Case, own: readonly Run[], others: readonly Run[]): BigStoreCase {
  const [of, ofOthers] = [medianRun(own), medianRun(others)];
  const ratio = ratioOf(own, others);
  return {
    name,
    ratio,
    target: TARGET,
    met: ratio >= TARGET,
    perCpuSecond: of.perCpuSecond,
    perCpuSecondEmpty: ofOthers.perCpuSecond,
    p99Ms: of.p99Ms,
    p99MsEmpty: ofOthers.p99Ms,
  };
}

/**
 * Refreshes with tokens from all over the store in turn, none of which is in anybody's memory. It is next to a store that has
 * as many such tokens and no others, so that what is seen is the size of the store.
 */
function refreshAllOver(given: ReadonlyMap<string, readonly string[]>): Case {
  const rotation = CASES.find(({ name }) => name === 'refresh-rotation');
  if (rotation === undefined) throw new Error('there is no such case');
  const allOver: Scene = async (stage) => {
    const { served } = stage;
    const tokens = [...(given.get(served.web.id) ?? [])];
    let last = 0;
    const visitors = visitorsAt(stage, (): Visitor => {
      let at = 0;
      return {
        next: () => {
          last = (last + 1) % tokens.length;
          at = last;
          return refreshing(served, served.web, tokens[at] ?? '');
        },
        read: (answer) => {
          tokens[at] = tokensIn(answer).refresh_token ?? '';
          return true;
        },
      };
    });
    return always(visitors);
  };
  return { ...rotation, name: 'refresh-all-over', keyturn: allOver };
}
