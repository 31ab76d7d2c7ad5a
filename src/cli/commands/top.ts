import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { type Reading, readingOf } from '#src/cli/top/reading.ts';
import { readSamples, type Samples } from '#src/cli/top/samples.ts';
import { screen } from '#src/cli/top/screen.ts';
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
    cli.say({ document: reading, text: () => lines(cli, url, reading).join('\n') });
  } else await follow(cli, { url, every, scrape, before });
}

/** Draws anew until the command is asked to end, and leaves the terminal as it was. */
async function follow(
  cli: CommandLine,
  {
    url,
    every,
    scrape,
    before,
  }: { url: string; every: Seconds; scrape: () => Promise<Samples>; before: Samples },
): Promise<void> {
  const { stopSignal: signal, terminal } = cli;
  const { stdout } = terminal.streams;
  stdout.write(OTHER_SCREEN);
  try {
    for (let last = before; !signal.aborted; ) {
      await pause(every * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const now = await scrape();
        stdout.write(drawn(lines(cli, url, readingOf(last, now)), terminal.rows));
        last = now;
      } catch (problem) {
        // It may be about to start anew.
        if (!(problem instanceof SetupFault)) throw problem;
        stdout.write(drawn([problem.message], terminal.rows));
      }
    }
  } finally {
    stdout.write(BACK);
  }
}

/** Control sequences of ECMA-48, and those of xterm for the screen of programs that fill it, without a cursor. */
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l';
const BACK = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

/** Over what was there, so that nothing flickers. */
function drawn(lines: readonly string[], rows: number): string {
  return (
    HOME +
    lines
      .slice(0, rows)
      .map((line) => line + REST_OF_LINE)
      .join('\n') +
    REST_OF_SCREEN
  );
}

function lines({ terminal, surroundings }: CommandLine, url: string, reading: Reading): readonly string[] {
  const { columns, style } = terminal;
  return screen(reading, { source: url, columns, style, now: surroundings.clock.now() });
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
