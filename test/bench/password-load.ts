import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CLIENT_CREDENTIALS } from '#test/bench/cases/client-credentials.ts';
import { PEOPLE_MAX, signingIn } from '#test/bench/cases/password.ts';
import { type Cores, type Place, spawnNode } from '#test/bench/load/cores.ts';
import { type Drive, drive, openConnections } from '#test/bench/load/drive.ts';
import { processorSeconds, secondsKeptWaiting } from '#test/bench/load/processor-time.ts';
import type { Contestant } from '#test/bench/measure.ts';
import type { BenchOptions, StoreName } from '#test/bench/options.ts';
import type { PasswordResult } from '#test/bench/report/document.ts';
import { enterKeyturn } from '#test/bench/servers/installations.ts';
import { median, percentile } from '#test/bench/statistics.ts';

/** How many services ask for tokens meanwhile, and how long each waits between two of them. */
const [SERVICES, PAUSE_MS] = [4, 20];

/** How close to the hashes that argon2 alone can make with as many threads the sign-ins are to come. */
const SHARE_TARGET = 0.95;
const P99_TARGET_MS = 50;

const HASHING = fileURLToPath(new URL('./limits/hashing-main.ts', import.meta.url));

/** What argon2 alone does with as many threads as the server has for it. */
interface Hashing {
  readonly threads: number;
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

interface Round {
  readonly alone: Hashing;
  readonly signIns: Drive;
  readonly tokens: Drive;
  readonly cpuSeconds: number;
  /** Of the time in which the threads would have worked, the part in which others had the processors. */
  readonly keptWaiting: number;
}

/**
 * How many people sign in with passwords in a second, next to the hashes that argon2 alone makes in one by turns with
 * that, and how long tokens take meanwhile. Server and argon2 have all cores, since hashing is to leave one of them free.
 */
export async function measurePasswords(
  store: StoreName,
  cores: Cores,
  { rounds, runMs, warmUpMs }: Pick<BenchOptions, 'rounds' | 'runMs' | 'warmUpMs'>,
): Promise<PasswordResult> {
  await using opened = new AsyncDisposableStack();
  const everywhere = { ...cores, server: cores.all };
  const contestant = await enterKeyturn(store, opened, { cores: everywhere, connections: PEOPLE_MAX });
  const measured: Round[] = [];
  const ask = await crowd(contestant);
  await ask(warmUpMs);
  for (let round = 0; round < rounds; round += 1) {
    const alone = await hashAlone(runMs, cores.all);
    const before = costs(contestant);
    const { signIns, tokens } = await ask(2 * runMs);
    const after = costs(contestant);
    const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
    const keptWaiting = (after.waited - before.waited) / (signIns.wallSeconds * alone.threads);
    measured.push({ alone, signIns, tokens, cpuSeconds, keptWaiting });
  }
  return resultOf(store, measured);
}

async function hashAlone(forMs: number, place: Place): Promise<Hashing> {
  const child = spawnNode([HASHING, String(forMs)], place, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('there is nothing to read from');
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return JSON.parse(printed);
}

const costs = ({ served }: Contestant) => ({
  cpuSeconds: processorSeconds(served.pids()),
  waited: secondsKeptWaiting(served.pids(), 'libuv-worker'),
});

/** People who sign in as fast as they can, and services that ask for tokens at their leisure. */
async function crowd(people: Contestant) {
  const service = CLIENT_CREDENTIALS.find(({ name }) => name === 'client-credentials-es256');
  if (service === undefined) throw new Error('there is no such case');
  const [play, ofServices] = [
    await signingIn(people),
    await service.keyturn({ ...people, connections: SERVICES }),
  ];
  return async (forMs: number) => {
    using doors = await openConnections(people.served.ports, PEOPLE_MAX);
    using lines = await openConnections(people.served.ports, SERVICES);
    const until = performance.now() + forMs;
    const enough = () => performance.now() >= until;
    const [signIns, tokens] = await Promise.all([
      drive(doors, await play(), { enough }),
      drive(lines, await ofServices(), { enough, pauseMs: PAUSE_MS }),
    ]);
    return { signIns, tokens };
  };
}

function resultOf(store: StoreName, rounds: readonly Round[]): PasswordResult {
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  const perSecond = ({ signIns: { operations, wallSeconds } }: Round) => operations / wallSeconds;
  const perCpuSecond = ({ signIns: { operations }, cpuSeconds }: Round) => operations / cpuSeconds;
  const ofLimit = middle((round) => perSecond(round) / round.alone.perSecond);
  const tokenP99Ms = middle(({ tokens }) => percentile(tokens.latencies, 99));
  return {
    store,
    threads: rounds[0]?.alone.threads ?? Number.NaN,
    signInsPerSecond: middle(perSecond),
    hashesPerSecond: middle(({ alone }) => alone.perSecond),
    ofLimit,
    target: SHARE_TARGET,
    keptWaiting: middle(({ keptWaiting }) => keptWaiting),
    oneCore: {
      signInsPerCpuSecond: middle(perCpuSecond),
      hashesPerCpuSecond: middle(({ alone }) => alone.perCpuSecond),
      ofLimit: middle((round) => perCpuSecond(round) / round.alone.perCpuSecond),
    },
    p50Ms: middle(({ signIns }) => percentile(signIns.latencies, 50)),
    p99Ms: middle(({ signIns }) => percentile(signIns.latencies, 99)),
    tokenP99Ms,
    tokenTargetMs: P99_TARGET_MS,
    met: ofLimit >= SHARE_TARGET && tokenP99Ms <= P99_TARGET_MS,
  };
}
