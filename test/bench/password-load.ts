import { CLIENT_CREDENTIALS } from '#test/bench/cases/client-credentials.ts';
import { PEOPLE_MAX, signingIn } from '#test/bench/cases/password.ts';
import { drive, openConnections } from '#test/bench/load/drive.ts';
import { type Contestant, run } from '#test/bench/measure.ts';
import type { LimitResult, PasswordResult } from '#test/bench/report/document.ts';
import { percentile } from '#test/bench/statistics.ts';

/** How many services ask for tokens meanwhile, and how long each waits between two of them. */
const [SERVICES, PAUSE_MS] = [4, 20];

/** How close to the hashes that a core can make the sign-ins are to come. */
const SHARE_TARGET = 0.95;
const P99_TARGET_MS = 50;

/** How many sign-ins there are to all the hashes that a core can make, and how long tokens take meanwhile. */
export async function measurePasswords(
  contestant: Contestant,
  limits: readonly LimitResult[],
  workMs: number,
): Promise<PasswordResult> {
  const people = { ...contestant, connections: PEOPLE_MAX };
  const play = await signingIn(people);
  await run(people, play, workMs / 2);
  const { perCpuSecond, p99Ms } = await run(people, play, workMs);
  const tokenP99Ms = await tokenP99(people, play, workMs);
  const hashes = limits.find(({ name }) => name === 'argon2-hashes')?.perCpuSecond ?? Number.NaN;
  const ofLimit = perCpuSecond / hashes;
  return {
    store: contestant.served.store as PasswordResult['store'],
    signInsPerCpuSecond: perCpuSecond,
    hashesPerCpuSecond: hashes,
    ofLimit,
    target: SHARE_TARGET,
    p99Ms,
    tokenP99Ms,
    tokenTargetMs: P99_TARGET_MS,
    met: ofLimit >= SHARE_TARGET && tokenP99Ms <= P99_TARGET_MS,
  };
}

/** People sign in as fast as they can, and services ask for tokens at their leisure. */
async function tokenP99(
  people: Contestant,
  play: Awaited<ReturnType<typeof signingIn>>,
  forMs: number,
): Promise<number> {
  const service = CLIENT_CREDENTIALS.find(({ name }) => name === 'client-credentials-es256');
  if (service === undefined) throw new Error('there is no such case');
  const services = { ...people, connections: SERVICES };
  const tokens = await service.keyturn(services);
  using signIns = await openConnections(people.served.ports, PEOPLE_MAX);
  using requests = await openConnections(people.served.ports, SERVICES);
  const until = performance.now() + 2 * forMs;
  const enough = () => performance.now() >= until;
  const [, { latencies }] = await Promise.all([
    drive(signIns, await play(), { enough }),
    drive(requests, await tokens(), { enough, pauseMs: PAUSE_MS }),
  ]);
  return percentile(latencies, 99);
}
