import { setTimeout as delay } from 'node:timers/promises';
import type { Stage } from '#test/bench/cases/case.ts';
import { CASES } from '#test/bench/cases/every-case.ts';
import type { Cores } from '#test/bench/load/cores.ts';
import { drive, openConnections, type Visitor } from '#test/bench/load/drive.ts';
import { memoryOf } from '#test/bench/load/processor-time.ts';
import type { BenchOptions } from '#test/bench/options.ts';
import {
  SOAK_FIGURES,
  type SoakDocument,
  type SoakFigure,
  type SoakSample,
} from '#test/bench/report/document.ts';
import { enterKeyturn, sizeOf, storesAtHand } from '#test/bench/servers/installations.ts';
import { median, percentile, slope } from '#test/bench/statistics.ts';
import { freePort } from '#test/support/free-port.ts';

/** What people and programs do all day, and how many of them do it. */
const MIX: Readonly<Record<string, number>> = {
  'client-credentials-es256': 4,
  'introspection-jwt': 6,
  'introspection-opaque': 2,
  'refresh-rotation': 6,
  'sign-in-session': 4,
  userinfo: 2,
  'jwks-304': 2,
  'refused-client-secret': 2,
  'refused-refresh-token': 2,
};

/** How long each of them waits between one thing and the next. */
const PAUSE_MS = 20;

/** What has been written must have expired and been cleared out before the end, so that the size can be seen to stay. */
const SHORT_LIVES = {
  KEYTURN_LIFETIMES_ACCESS_TOKEN: '1m',
  KEYTURN_LIFETIMES_ACCESS_TOKEN_MAX: '1m',
  KEYTURN_LIFETIMES_ID_TOKEN: '1m',
  KEYTURN_LIFETIMES_DEVICE_CODE: '30s',
  KEYTURN_LIFETIMES_BACKCHANNEL_REQUEST: '30s',
  KEYTURN_LIFETIMES_INTERACTION: '1m',
  KEYTURN_LIFETIMES_SESSION: '1m',
  KEYTURN_LIFETIMES_REFRESH_IDLE: '70s',
  KEYTURN_SWEEP_EVERY: '5s',
};

/** How long the same people are there. Then others sign in, with their passwords, before what they were given has expired. */
const SHIFT_MS = 20_000;

/** How many times it is looked at. */
const SAMPLES = 40;
const SAMPLE_EVERY_MS_MIN = 2000;

/** What grows by less than this, in percent, is flat. */
const FLAT_PERCENT = 10;

/** Mixed traffic for a long time, to see whether anything grows. */
export async function soak(
  options: BenchOptions,
  {
    cores,
    forMs,
    tell,
  }: { readonly cores: Cores; readonly forMs: number; readonly tell: (line: string) => void },
): Promise<SoakDocument> {
  await using opened = new AsyncDisposableStack();
  const [store = 'sqlite'] = storesAtHand(options.stores, tell);
  const metricsPort = await freePort();
  const env = { ...SHORT_LIVES, KEYTURN_METRICS_PORT: String(metricsPort) };
  const contestant = await enterKeyturn(store, opened, { ...options, cores, env });
  const { served } = contestant;
  const latencies: number[] = [];
  const samples: SoakSample[] = [];
  const startedAt = performance.now();
  const enough = () => performance.now() - startedAt >= forMs;
  const all = Promise.all(
    Object.entries(MIX).map(async ([name, connections]) => {
      while (!enough()) await shift(name, { served, connections }, latencies, enough);
    }),
  );
  const every = Math.max(SAMPLE_EVERY_MS_MIN, forMs / SAMPLES);
  while (!enough()) {
    await Promise.race([delay(every), all]);
    if (latencies.length === 0) continue;
    const taken = latencies.splice(0);
    const sample: SoakSample = {
      atSeconds: (performance.now() - startedAt) / 1000,
      perSecond: taken.length / (every / 1000),
      resident: Math.max(...served.pids().map((pid) => memoryOf(pid).resident)),
      eventLoopP99Ms: await eventLoopP99(metricsPort),
      storeBytes: await sizeOf(contestant),
      p99Ms: percentile(taken, 99),
    };
    samples.push(sample);
    tell(lineOf(sample));
  }
  await all;
  const growth = Object.fromEntries(
    SOAK_FIGURES.map((figure) => [figure, growthOf(samples, figure)]),
  ) as Record<SoakFigure, number>;
  const { connections, rounds, runMs } = options;
  return {
    measuredAt: new Date().toISOString(),
    machine: cores.machine,
    connections,
    rounds,
    runMs,
    store,
    samples,
    growth,
    flat: Object.values(growth).every((percent) => percent < FLAT_PERCENT),
  };
}

/** Makes a case ready, and lets as many visitors do it as there are connections. */
async function shift(name: string, stage: Stage, latencies: number[], enough: () => boolean): Promise<void> {
  const scene = CASES.find((each) => each.name === name)?.keyturn;
  if (scene === undefined) throw new Error(`there is no case ${name}`);
  const visitors = await (await scene(stage))();
  const until = performance.now() + SHIFT_MS;
  using open = await openConnections(stage.served.ports, stage.connections);
  const isOver = () => enough() || performance.now() >= until;
  const noted = visitors.map((each) => noting(each, latencies));
  await drive(open, noted, { enough: isOver, pauseMs: PAUSE_MS });
}

/** The visitor, whose operations are timed here as well, without the pauses. */
function noting(visitor: Visitor, latencies: number[]): Visitor {
  let begunAt: number | null = null;
  return {
    next: () => {
      begunAt ??= performance.now();
      return visitor.next();
    },
    read: (answer) => {
      const complete = visitor.read(answer);
      if (complete) {
        latencies.push(performance.now() - (begunAt ?? 0));
        begunAt = null;
      }
      return complete;
    },
  };
}

/** From the server's own metrics. */
async function eventLoopP99(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const [, seconds] =
    /^nodejs_eventloop_lag_p99_seconds(?:\{[^}]*\})? (\S+)$/m.exec(await response.text()) ?? [];
  return Number(seconds) * 1000;
}

/** By how many percent of the middle a figure grew over the second half, along the line that fits it best. */
function growthOf(samples: readonly SoakSample[], figure: SoakFigure): number {
  const half = samples.slice(samples.length >> 1);
  const [first, last] = [half[0], half.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const perSecond = slope(half.map((each) => [each.atSeconds, each[figure]] as const));
  const middle = median(half.map((each) => each[figure]));
  return middle === 0 ? 0 : ((perSecond * (last.atSeconds - first.atSeconds)) / middle) * 100;
}

const lineOf = ({ atSeconds, perSecond, resident, eventLoopP99Ms, storeBytes, p99Ms }: SoakSample) =>
  `${atSeconds.toFixed(0).padStart(6)} s  ${perSecond.toFixed(0)}/s  ${(resident / 1e6).toFixed(0)} MB  ` +
  `event loop p99 ${eventLoopP99Ms.toFixed(1)} ms  store ${(storeBytes / 1e6).toFixed(1)} MB  p99 ${p99Ms.toFixed(1)} ms`;
