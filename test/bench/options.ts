import { parseArgs } from 'node:util';
import { parseDuration } from '#src/config/duration.ts';
import { CASES } from '#test/bench/cases/every-case.ts';

export const STORES = ['sqlite', 'redis'] as const;

export type StoreName = (typeof STORES)[number];

export interface BenchOptions {
  readonly quick: boolean;
  readonly json: boolean;
  /** Names of cases, or how they begin; empty for all. */
  readonly only: readonly string[];
  readonly stores: readonly StoreName[];
  readonly connections: number;
  readonly rounds: number;
  readonly runMs: number;
  readonly warmUpMs: number;
  /** What all cases together may take: towards its end there are fewer rounds. */
  readonly casesMaxMs: number;
  /** What is measured. */
  readonly mode: Mode;
  /** Where a chart is drawn. */
  readonly chart: string | null;
}

export type Mode =
  | { readonly is: 'cases' | 'scaling' }
  | { readonly is: 'big'; readonly tokens: number }
  | { readonly is: 'soak'; readonly forMs: number };

export const USAGE = `npm run bench -- [options]

  --quick             fewer and shorter runs: all within four minutes; otherwise about half an hour
  --only NAME         a case, or all whose names begin so; may be given several times
  --store NAME        ${STORES.join(' or ')}; default: both, Redis where there is a redis-server
  --connections N     how many requests are under way at the same time; default: 32
  --rounds N          how many runs of each, by turns; default: 7, quick 3
  --run DURATION      how long the server works in each run; default: 2s, quick 400ms
  --warm-up DURATION  the same for what does not count, before the first run; default: 4s, quick 600ms
  --at-most DURATION  what all cases may take; towards its end there are fewer runs; default: 40m, quick 3m
  --chart FILE        where a chart of the cases is drawn, as SVG
  --scaling           several workers and several nodes, next to one
  --big N             a store with N refresh tokens and a tenth as many accounts, next to an empty one
  --soak DURATION     mixed traffic, to see whether anything grows
  --json              one JSON document instead of the table

Cases: ${CASES.map(({ name }) => name).join(', ')}
`;

/** Something on the command line that is not understood. */
export class UsageError extends Error {}

export function readOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parsed(args);
  if (values.help) return 'help';
  const quick = values.quick ?? false;
  const only = values.only ?? [];
  for (const name of only)
    if (!CASES.some((each) => each.name.startsWith(name))) throw new UsageError(`there is no case "${name}"`);
  return {
    quick,
    json: values.json ?? false,
    only,
    stores: storesIn(values.store ?? []),
    connections: count('--connections', values.connections, 32),
    rounds: count('--rounds', values.rounds, quick ? 3 : 7),
    runMs: milliseconds('--run', values.run, quick ? 400 : 2000),
    mode: modeOf(values),
    chart: values.chart ?? null,
    warmUpMs: milliseconds('--warm-up', values['warm-up'], quick ? 600 : 4000),
    casesMaxMs: milliseconds('--at-most', values['at-most'], quick ? 180_000 : 40 * 60_000),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        store: { type: 'string', multiple: true },
        connections: { type: 'string' },
        rounds: { type: 'string' },
        run: { type: 'string' },
        'warm-up': { type: 'string' },
        'at-most': { type: 'string' },
        chart: { type: 'string' },
        scaling: { type: 'boolean' },
        big: { type: 'string' },
        soak: { type: 'string' },
      },
    });
  } catch (problem) {
    throw new UsageError((problem as Error).message);
  }
}

function modeOf({ scaling, big, soak }: { scaling?: boolean; big?: string; soak?: string }): Mode {
  if ([scaling, big, soak].filter((each) => each !== undefined).length > 1)
    throw new UsageError('--scaling, --big and --soak are measured one at a time');
  if (scaling) return { is: 'scaling' };
  if (big !== undefined) return { is: 'big', tokens: count('--big', big, 0) };
  if (soak !== undefined) return { is: 'soak', forMs: milliseconds('--soak', soak, 0) };
  return { is: 'cases' };
}

function storesIn(names: readonly string[]): readonly StoreName[] {
  const unknown = names.find((name) => !STORES.includes(name as StoreName));
  if (unknown !== undefined) throw new UsageError(`there is no store "${unknown}"`);
  return names.length === 0 ? STORES : STORES.filter((name) => names.includes(name));
}

function count(option: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${option}: "${text}" is no number above zero`);
  return Number(text);
}

function milliseconds(option: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  const [, ms] = /^(\d+)ms$/.exec(text) ?? [];
  const length = ms === undefined ? parseDuration(text) : Number(ms) / 1000;
  if (length === null || length <= 0) throw new UsageError(`${option}: "${text}" is no length of time`);
  return length * 1000;
}
