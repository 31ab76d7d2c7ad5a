import { type Case, type Scene, type Stage, visitorsAt } from '#test/bench/cases/case.ts';
import { CASES } from '#test/bench/cases/every-case.ts';
import { refreshing, tokensIn } from '#test/bench/cases/requests.ts';
import { fillStore } from '#test/bench/fill-store.ts';
import type { Cores } from '#test/bench/load/cores.ts';
import type { Visitor } from '#test/bench/load/drive.ts';
import { memoryOf } from '#test/bench/load/processor-time.ts';
import { medianRun, ratioOf, takeTurns } from '#test/bench/measure.ts';
import type { BenchOptions, StoreName } from '#test/bench/options.ts';
import type { BigStoreDocument, BigStoreResult } from '#test/bench/report/document.ts';
import { enterKeyturn, sizeOf, storesAtHand } from '#test/bench/servers/installations.ts';
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
  const empty = await enterKeyturn(store, opened, arena);
  const accounts = Math.max(1, Math.round(tokens * ACCOUNTS_PER_TOKEN));
  const given: string[] = [];
  const startedAt = performance.now();
  let fillSeconds = Number.NaN;
  const full = await enterKeyturn(store, opened, {
    ...arena,
    fill: async (installation) => {
      given.push(...(await fillStore(installation, { tokens, accounts, tell })));
      fillSeconds = (performance.now() - startedAt) / 1000;
    },
  });
  const cases: BigStoreResult['cases'][number][] = [];
  for (const each of [
    ...CASES.filter(({ name }) => isConcerned(name, options.only)),
    anyRefresh(full, given),
  ]) {
    tell(each.name);
    const runs = await takeTurns({ ...each, bare: null }, [full, empty], options);
    const [own = [], others = []] = [runs.get(full), runs.get(empty)];
    const [of, ofEmpty] = [medianRun(own), medianRun(others)];
    const ratio = ratioOf(own, others);
    tell(`  ${store}: ${ratio.toFixed(2)} of an empty store`);
    cases.push({
      name: each.name,
      ratio,
      target: TARGET,
      met: ratio >= TARGET,
      perCpuSecond: of.perCpuSecond,
      perCpuSecondEmpty: ofEmpty.perCpuSecond,
      p99Ms: of.p99Ms,
      p99MsEmpty: ofEmpty.p99Ms,
    });
  }
  return {
    store,
    tokens,
    accounts,
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

/** Refreshes all over the store, and not with the tokens that were given last; an empty store has only those. */
function anyRefresh(full: Stage, given: readonly string[]): Case {
  const rotation = CASES.find(({ name }) => name === 'refresh-rotation');
  if (rotation === undefined) throw new Error('there is no such case');
  const allOver: Scene = async (stage) => {
    const { served } = stage;
    const tokens = [...given];
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
    return async () => visitors;
  };
  return {
    ...rotation,
    name: 'refresh-all-over',
    keyturn: (stage) => (stage.served === full.served ? allOver(stage) : rotation.keyturn(stage)),
  };
}
