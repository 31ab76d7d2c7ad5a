import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import type { Terminal } from '#src/cli/terminal.ts';
import { readingOf } from '#src/cli/top/reading.ts';
import { readSamples, type Samples } from '#src/cli/top/samples.ts';
import { cut, screen } from '#src/cli/top/screen.ts';
import { parseDuration } from '#src/config/duration.ts';
import type { Config } from '#src/config/schema.ts';
import { SetupFault } from '#src/fault.ts';
import { type Seconds, seconds } from '#src/units.ts';

interface TopOptions {
  readonly address?: string;
  readonly every: Seconds;
  readonly once?: boolean;
}

const EVERY = seconds(2);

/** A server that is too busy to answer for so long is one that does not answer. */
const ANSWER_WITHIN_MS = 5000;

/** `keyturn top`: what goes on at a server that runs, read from its metrics. */
export function topCommand(cli: CommandLine): Command {
  return new Command('top')
    .description('show what goes on at a server that runs, from its metrics')
    .option('--address <url>', 'where the metrics are (default: what the settings say)')
    .option('--every <time>', 'how often to look', everyOf, EVERY)
    .option('--once', 'print once what has gone on in that time, and end')
    .action((options: TopOptions) => top(cli, options));
}

function everyOf(text: string): Seconds {
  const length = parseDuration(text);
  if (length === null || length < 1 || length > 3600) throw new InvalidArgumentError('give 1s to 1h');
  return length;
}

async function top(cli: CommandLine, { address, every, once = false }: TopOptions): Promise<void> {
  const { config } = cli.settings();
  const url = address ?? addressOf(config);
  const scrape = () => read(url, config);
  const before = await scrape();
  if (once || cli.json || !cli.terminal.watched) {
    await pause(every * 1000);
    const reading = readingOf(before, await scrape());
    const text = () => screen(reading, { ...surfaceOf(cli), source: url, rows: null }).join('\n');
    cli.say({ document: reading, text });
  } else await follow(cli, { url, every, scrape, before });
}

/** For who has just begun to look, in milliseconds. */
const FIRST_LOOK_MS = 500;

/** Draws anew until somebody types `q` or the command is asked to end, and leaves the terminal as it was. */
async function follow(
  cli: CommandLine,
  {
    url,
    every,
    scrape,
    before,
  }: { url: string; every: Seconds; scrape: () => Promise<Samples>; before: Samples },
): Promise<void> {
  const { stdout } = cli.terminal.streams;
  using quit = whenTyped(cli.terminal, ENDS);
  const signal = AbortSignal.any([cli.stopSignal, quit.signal]);
  let shown = (): readonly string[] => [`looking at ${url}`];
  const draw = () => void stdout.write(drawn(shown(), cli.terminal));
  stdout.write(OTHER_SCREEN);
  stdout.on('resize', draw);
  draw();
  try {
    for (let last = before, pauseMs = FIRST_LOOK_MS; ; pauseMs = every * 1000) {
      await pause(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const now = await scrape();
        const reading = readingOf(last, now);
        shown = () => screen(reading, { ...surfaceOf(cli), source: url, rows: cli.terminal.rows });
        last = now;
      } catch (problem) {
        // It may be about to start anew.
        if (!(problem instanceof SetupFault)) throw problem;
        shown = () => [problem.message, '', `Looking again every ${every} s; q ends.`];
      }
      if (!signal.aborted) draw();
    }
  } finally {
    stdout.off('resize', draw);
    stdout.write(BACK);
  }
}

/** `q`, and what Control-C and Control-D are where the terminal passes on each key. */
const ENDS: ReadonlySet<string> = new Set(['q', 'Q', '\x03', '\x04']);

/** Aborted once one of the keys is typed. Until it is disposed of, keys are neither held back nor shown. */
function whenTyped(
  { streams: { stdin } }: Terminal,
  keys: ReadonlySet<string>,
): Disposable & { signal: AbortSignal } {
  const typed = new AbortController();
  const { signal } = typed;
  if (stdin.isTTY !== true) return { signal, [Symbol.dispose]: () => {} };
  const onData = (data: unknown) => {
    if ([...String(data)].some((key) => keys.has(key))) typed.abort();
  };
  stdin.setRawMode?.(true);
  stdin.on('data', onData);
  return {
    signal,
    [Symbol.dispose]: () => {
      stdin.off('data', onData).pause();
      stdin.setRawMode?.(false);
    },
  };
}

/** Control sequences of ECMA-48, and those of xterm for the screen of programs that fill it, without a cursor. */
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l';
const BACK = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

/** Over what was there, so that nothing flickers. */
function drawn(lines: readonly string[], { rows, columns }: Terminal): string {
  return (
    HOME +
    lines
      .slice(0, rows)
      .map((line) => cut(line, columns) + REST_OF_LINE)
      .join('\n') +
    REST_OF_SCREEN
  );
}

function surfaceOf({ terminal, surroundings }: CommandLine) {
  const { columns, style } = terminal;
  return { columns, style, now: surroundings.clock.now() };
}

/** @throws SetupFault where the settings name no port. */
function addressOf({ metrics: { host, port } }: Config): string {
  if (port === null) {
    throw new SetupFault(
      'the settings name no port for metrics',
      'set KEYTURN_METRICS_PORT for the server and here, or name another server with --address',
    );
  }
  const [first = 'localhost'] = host;
  const reached = EVERYWHERE.get(first) ?? first;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}/metrics`;
}

/** What a server listens on, and how that is reached from here. */
const EVERYWHERE: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** @throws SetupFault when nobody answers there, or not with metrics. */
async function read(url: string, { metrics: { token } }: Config): Promise<Samples> {
  const headers = token === null ? undefined : { authorization: `Bearer ${token.reveal()}` };
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, { ...(headers && { headers }), signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    text = await answer.text();
  } catch (cause) {
    throw new SetupFault(
      `nobody answers at ${url}`,
      'see that the server runs, and that KEYTURN_METRICS_PORT is set for it',
      {
        cause,
      },
    );
  }
  if (answer.status === 401)
    throw new SetupFault(`${url} wants another token`, 'set KEYTURN_METRICS_TOKEN to that of the server');
  const samples = readSamples(text, performance.now());
  if (answer.status !== 200 || samples.of('keyturn_build_info').length === 0)
    throw new SetupFault(`what answers at ${url} is no Keyturn`, 'name the address of its metrics');
  return samples;
}
