import { stripVTControlCharacters } from 'node:util';
import { beside, distance, table } from '#src/cli/layout.ts';
import { columnsOf, type Style } from '#src/cli/terminal.ts';
import type { Reading } from '#src/cli/top/reading.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** How many lines of a list are shown at most, on a high screen and on one of 24 lines. */
const LIST_MAX = 8;
const SHORT_LIST_MAX = 3;

/** So high is what is shown of a busy server. */
const HIGH_ROWS = 45;

export interface ScreenOptions {
  readonly source: string;
  readonly columns: number;
  /** `null`: as many as it takes. */
  readonly rows: number | null;
  readonly now: EpochSeconds;
  readonly style: Style;
}

/**
 * What goes on, in lines none of which is wider than the terminal. What an operator wants to know first stands first, and
 * fits on a terminal of 80 columns and 24 lines.
 */
export function screen(
  reading: Reading,
  { source, columns, rows, now, style }: ScreenOptions,
): readonly string[] {
  const max = (rows ?? HIGH_ROWS) < HIGH_ROWS ? SHORT_LIST_MAX : LIST_MAX;
  const of = { max, style };
  const refusals = reading.refusals.map(({ endpoint, error, per_second }) => ({
    name: `${endpoint} ${error}`,
    per_second,
  }));
  const head = style('strong', `keyturn ${reading.version ?? ''}`.trim());
  const blocks = [
    `${head}  ${source}, the last ${rounded(reading.seconds)} s\n${requestsHead(reading, style)}`,
    side([timings(reading.requests, 'ENDPOINT', of), named('REFUSED', refusals, of)], columns),
    side([named('TOKENS', reading.tokens, of), named('CLIENTS', reading.clients, of)], columns),
    people(reading, now, style),
    side([store(reading, of), processes(reading, style)], columns),
    keys(reading, now, style),
    servers(reading, now, style),
  ];
  return blocks
    .filter((block) => block !== null)
    .join('\n\n')
    .split('\n')
    .map((line) => cut(line, columns));
}

interface ListOptions {
  readonly max: number;
  readonly style: Style;
}

/** Those that there are, next to each other where they fit. */
function side([left = null, right = null]: readonly (string | null)[], columns: number): string | null {
  return left === null || right === null ? (left ?? right) : beside(left, right, columns);
}

function requestsHead(
  { requests: all, in_flight, shed_per_second, failing_per_second }: Reading,
  style: Style,
): string {
  const sum = all.reduce((total, { per_second }) => total + per_second, 0);
  const head = [
    `${rounded(sum)}/s`,
    `worked on ${in_flight}`,
    alarming(`turned away ${rounded(shed_per_second)}/s`, shed_per_second > 0, style),
    alarming(`failing ${rounded(failing_per_second)}/s`, failing_per_second > 0, style),
  ];
  return `${style('strong', 'REQUESTS')}  ${head.join(', ')}`;
}

function timings(all: Reading['requests'], title: string, { max, style }: ListOptions): string | null {
  if (all.length === 0) return null;
  const rows = all
    .slice(0, max)
    .map(({ name, per_second, p50, p99 }) => [name, rounded(per_second), length(p50), length(p99)]);
  return table([title, '/S', 'P50', 'P99'], rows, style);
}

function named(
  title: string,
  all: readonly { name: string; per_second: number }[],
  { max, style }: ListOptions,
): string | null {
  if (all.length === 0) return null;
  const rows = all.slice(0, max).map(({ name, per_second }) => [name, rounded(per_second)]);
  return table([title, '/S'], rows, style);
}

function people(reading: Reading, now: EpochSeconds, style: Style): string {
  const { sign_ins, refresh_replays, introspections, hashing, rotations } = reading;
  const list = (all: readonly { name: string; per_second: number }[]) =>
    all.map(({ name, per_second }) => `${name} ${rounded(per_second)}/s`).join(', ') || 'none';
  const { allowed_per_second: allowed, refused_per_second: refused } = refresh_replays;
  const { running, waiting, wait_p99, rejected_per_second: rejected } = hashing;
  const next = rotations.map(({ alg, at }) => `${alg} ${distance(epochSeconds(at), now)}`).join(', ');
  return [
    `introspections   ${list(introspections)}`,
    `refresh replays  allowed ${rounded(allowed)}/s, ${alarming(`refused ${rounded(refused)}/s`, refused > 0, style)}`,
    `sign-ins         ${list(sign_ins)}`,
    `hashing          ${running} running, ${waiting} waiting (p99 ${length(wait_p99)}), ${alarming(`rejected ${rounded(rejected)}/s`, rejected > 0, style)}`,
    `next rotation    ${next || 'none'}`,
  ].join('\n');
}

function store({ store: all, store_faults_per_second: faults }: Reading, of: ListOptions): string {
  const { style } = of;
  const head = `${style('strong', 'STORE')}  ${alarming(`faults ${rounded(faults)}/s`, faults > 0, style)}`;
  return [head, timings(all, 'OPERATION', of)].filter((part) => part !== null).join('\n');
}

function processes({ processes: all }: Reading, style: Style): string {
  const rows = all.map(({ worker, cpu, event_loop_p99, memory_bytes }) => [
    worker ?? 'the only one',
    `${rounded(cpu * 100)}%`,
    length(event_loop_p99),
    mebibytes(memory_bytes),
  ]);
  return `\n${table(['WORKER', 'CPU', 'LOOP P99', 'MEMORY'], rows, style)}`;
}

function keys({ keys: all, rotations }: Reading, now: EpochSeconds, style: Style): string | null {
  const rows = all.map(({ alg = '', state = '', age, kid = '' }) => {
    const next = state === 'next' ? rotations.find((rotation) => rotation.alg === alg) : undefined;
    const signs = next === undefined ? '' : distance(epochSeconds(next.at), now);
    return [alg, state, `${distance(epochSeconds(now - Math.round(age)), now)}`, signs, kid];
  });
  return rows.length === 0 ? null : table(['KEY', 'STATE', 'PUBLISHED', 'SIGNS', 'KID'], rows, style);
}

function servers({ servers: all }: Reading, now: EpochSeconds, style: Style): string | null {
  const rows = all.map(({ node = '', version = '', heard_at }) => [
    node,
    version,
    distance(epochSeconds(heard_at), now),
  ]);
  return rows.length === 0 ? null : table(['SERVER', 'VERSION', 'HEARD OF'], rows, style);
}

const alarming = (text: string, alarms: boolean, style: Style) => (alarms ? style('bad', text) : text);

/** Three digits tell enough: `0.04`, `1.2`, `35`, `1240`. */
function rounded(value: number): string {
  if (value >= 10 || value === 0) return String(Math.round(value));
  return value.toFixed(value >= 1 ? 1 : 2);
}

/** `0.35 ms`, `12 ms`, `1.2 s`; `-` for what nothing was counted of. */
function length(inSeconds: number | null): string {
  if (inSeconds === null || Number.isNaN(inSeconds)) return '-';
  return inSeconds < 1 ? `${rounded(inSeconds * 1000)} ms` : `${rounded(inSeconds)} s`;
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? '-' : `${Math.round(bytes / 1024 / 1024)} MiB`;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** No more of a line than the terminal has columns. Its colours go as well then, which cannot be cut. */
export function cut(line: string, columns: number): string {
  if (columnsOf(line) <= columns) return line;
  let kept = '';
  let width = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(line))) {
    width += columnsOf(segment);
    if (width >= columns) break;
    kept += segment;
  }
  return `${kept}…`;
}
