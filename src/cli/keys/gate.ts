import { setTimeout as pause } from 'node:timers/promises';
import type { CommandLine } from '#src/cli/command-line.ts';
import { Interrupted, UsageFault } from '#src/cli/failure.ts';
import { behindIn, type KeyStanding, seenLast, standingsOf } from '#src/cli/keys/standing.ts';
import { moment } from '#src/cli/layout.ts';
import { formatDuration, parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import { hasTurnedSince, standbyKey } from '#src/signing/key-ring.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

export interface GateOptions {
  readonly alg?: string;
  /** Waits for those that have not fetched the key: so long, or as long as the schedule would. */
  readonly wait?: string | true;
  /** Does not look who has fetched it. */
  readonly anyway?: boolean;
  readonly breakGlass?: boolean;
}

const LOOK_EVERY_MS = 1000;

/**
 * Returns once no resource server that shows who it is lacks the keys that are to sign; waits for that if it is asked to.
 * @throws Refusal `readers_behind`, naming who lacks them, Interrupted, UsageFault.
 */
export async function passGate(
  cli: CommandLine,
  services: Services,
  { waiting, ...options }: GateOptions & { readonly waiting: Seconds | null },
): Promise<void> {
  const { clock } = cli.surroundings;
  if (options.anyway === true || options.breakGlass === true) return;
  const until = waiting === null ? null : after(clock.now(), waiting);
  let told = '';
  for (;;) {
    const now = clock.now();
    const lacked = await lackedKeys(services, options.alg, { now, since: cli.givenAt });
    if (lacked.length === 0) return;
    if (until === null || now >= until) throw refusal(lacked, now);
    const news = lacked.flatMap(behindIn).map(({ resourceServer }) => resourceServer.identifier);
    if (!cli.json && news.join() !== told)
      cli.note(`Waiting until ${moment(until)} at most for ${[...new Set(news)].join(', ')}`);
    told = news.join();
    await pause(LOOK_EVERY_MS, undefined, { signal: cli.stopSignal }).catch(() => {
      throw new Interrupted();
    });
  }
}

/** The keys that would sign next, as far as somebody lacks them. Where another signs `since`, nothing is left to do. */
async function lackedKeys(
  services: Services,
  only: string | undefined,
  { now, since }: { readonly now: EpochSeconds; readonly since: EpochSeconds },
): Promise<readonly KeyStanding[]> {
  const { rotation } = services;
  const { ring } = await rotation.refresh();
  const next = rotation.policy.algorithms
    .filter((alg) => only === undefined || alg === only)
    .filter((alg) => !hasTurnedSince(ring, alg, { since, now }))
    .map((alg) => standbyKey(ring, alg, now))
    .filter((key) => key !== null);
  return (await standingsOf(services, next)).filter((standing) => behindIn(standing).length > 0);
}

function refusal(lacked: readonly KeyStanding[], now: EpochSeconds): Refusal {
  const problems = lacked.flatMap((standing) =>
    behindIn(standing).map(
      (each) => `${standing.alg} ${standing.kid}: not fetched by ${seenLast(each, now)}`,
    ),
  );
  const told = [
    'not rotated, since resource servers have not fetched the next key and could refuse what it signs',
    ...problems.map((problem) => `  ${problem}`),
    'Wait for them with --wait, or rotate all the same with --anyway.',
  ];
  return new Refusal('readers_behind', told.join('\n'), { problems });
}

/** How long to wait, or `null` for not at all. @throws UsageFault */
export function waitingTime({ wait, anyway, breakGlass }: GateOptions, { config }: Services): Seconds | null {
  if (wait === undefined) return null;
  if (anyway === true || breakGlass === true) {
    const other = anyway === true ? '--anyway' : '--break-glass';
    throw new UsageFault(`--wait and ${other} contradict each other`, 'give one of them');
  }
  const { readinessWaitMax } = config.keys;
  const length = wait === true ? readinessWaitMax : parseDuration(wait);
  if (length === null)
    throw new UsageFault(`--wait: "${wait}" is no length of time`, 'write it like 90s, 5m or 1h');
  if (length > readinessWaitMax)
    throw new UsageFault(
      `--wait: longer than keys.readinessWaitMax, which is ${formatDuration(readinessWaitMax)}`,
    );
  return length;
}
