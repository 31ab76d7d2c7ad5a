import { type Logger, pino } from 'pino';
import type { CommandLine } from '#src/cli/command-line.ts';
import { LogLines } from '#src/cli/log-lines.ts';
import { columnsOf, type Style, visible } from '#src/cli/terminal.ts';

/**
 * The server's log on stdout: one JSON document a line, as log collectors want it, or lines that are pleasant to
 * watch, for somebody who sits in front of it.
 */
export function createLog(
  cli: Pick<CommandLine, 'terminal' | 'onExit'>,
  options: { level: string; forPeople: boolean },
): Logger {
  const { terminal } = cli;
  const { stdout } = terminal.streams;
  const { level, forPeople } = options;
  const settings = { level, base: null, timestamp: timeStamps() };
  if (forPeople)
    return pino(settings, { write: (line) => terminal.print(watchedLine(line, terminal.style)) });
  if (stdout.fd === undefined) return pino(settings, stdout);
  const lines = new LogLines({
    fd: stdout.fd,
    // Whoever looks after the stream knows what it means that nobody reads from it.
    onBroken: (error) => stdout.emit('error', error),
    onLost: (count) =>
      log.warn(
        { count },
        'lines of the log are lost: nobody has read them for too long, or the disk was full',
      ),
  });
  const log = pino(settings, lines);
  cli.onExit(() => lines.end());
  return log;
}

/** The time by RFC 3339. Several lines of a millisecond share it, since writing it takes longer than all else in a line. */
function timeStamps(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

const LEVELS: readonly (readonly [number, Parameters<Style>[0], string])[] = [
  [50, 'bad', 'ERROR'],
  [40, 'notable', 'WARN '],
  [0, 'faint', 'INFO '],
];

/** `10:15:30 INFO  GET /jwks 200 0.4 ms` for a request, `10:15:30 WARN  what happened  name=value` for the rest. */
function watchedLine(line: string, style: Style): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as { level: number; time: string; msg: string };
  const [, emphasis, label] = LEVELS.find(([least]) => level >= least) ?? ['', 'faint' as const, ''];
  const start = `${style('faint', clockTime(time))} ${style(emphasis, label)}`;
  return `${start} ${msg === 'request' ? requestText(rest, style) : eventText(msg, rest, style)}`;
}

function requestText(request: Record<string, unknown>, style: Style): string {
  const { method, path, status, ms, aborted } = request;
  const emphasis = Number(status) >= 500 ? 'bad' : Number(status) >= 400 ? 'notable' : 'good';
  const end = aborted === true ? style('notable', ' aborted') : '';
  return `${visible(`${method} ${path}`)} ${style(emphasis, String(status))} ${style('faint', `${ms} ms`)}${end}`;
}

/** By which lines are found among many, and nothing to watch. */
const FOR_SEARCHING: ReadonlySet<string> = new Set(['requestId', 'span_id', 'trace_id']);

function eventText(msg: string, { err, ...detail }: Record<string, unknown>, style: Style): string {
  const told = Object.entries(detail)
    .filter(([name, value]) => !FOR_SEARCHING.has(name) && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const { stack, message } = (err ?? {}) as { stack?: string; message?: string };
  const fault = stack ?? message;
  return [
    [visible(msg), style('faint', visible(told.join(' ')))].filter((part) => columnsOf(part) > 0).join('  '),
    ...(fault === undefined ? [] : [style('faint', visible(fault))]),
  ].join('\n');
}

function clockTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}
