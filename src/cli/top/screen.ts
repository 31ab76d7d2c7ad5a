import { stripVTControlCharacters } from 'node:util';
import { distance, table } from '#src/cli/layout.ts';
import { columnsOf, type Style } from '#src/cli/terminal.ts';
import type { Reading } from '#src/cli/top/reading.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** How many lines of a list are shown at most. */
const LIST_MAX = 8;

/** What goes on, in lines none of which is wider than the terminal. */
export function screen(
  reading: Reading,
  { source, columns, now, style }: { source: string; columns: number; now: EpochSeconds; style: Style },
): readonly string[] {
  const blocks = [
    [
      style('strong', `keyturn ${reading.version ?? ''}`.trim()),
      ` ${source}, the last ${rounded(reading.seconds)} s`,
    ].join(''),
    requests(reading, style),
    named('TOKENS', reading.tokens, style),
    named('CLIENTS', reading.clients, style),
    named(
      'REFUSED',
      reading.refusals.map(({ endpoint, error, per_second }) => ({
        name: `${endpoint} ${error}`,
        per_second,
      })),
      style,
    ),
    people(reading, style),
    store(reading, style),
    processes(reading, style),
    keys(reading, now, style),
    servers(reading, now, style),
  ];
  return blocks
    .filter((block) => block !== null)
    .join('\n\n')
    .split('\n')
    .map((line) => cut(line, columns));
}

function requests(
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
  const first = `${style('strong', 'REQUESTS')}  ${head.join(', ')}`;
  return all.length === 0 ? first : `${first}\n${timings(all, 'ENDPOINT', style)}`;
}

function timings(all: Reading['requests'], title: string, style: Style): string {
  const rows = all
    .slice(0, LIST_MAX)
    .map(({ name, per_second, p50, p99 }) => [name, rounded(per_second), length(p50), length(p99)]);
  return table([title, '/S', 'P50', 'P99'], rows, style);
}

function named(
  title: string,
  all: readonly { name: string; per_second: number }[],
  style: Style,
): string | null {
  if (all.length === 0) return null;
  const rows = all.slice(0, LIST_MAX).map(({ name, per_second }) => [name, rounded(per_second)]);
  return table([title, '/S'], rows, style);
}

function people({ sign_ins, refresh_replays, introspections, hashing }: Reading, style: Style): string {
  const list = (all: readonly { name: string; per_second: number }[]) =>
    all.map(({ name, per_second }) => `${name} ${rounded(per_second)}/s`).join(', ') || 'none';
  const { allowed_per_second: allowed, refused_per_second: refused } = refresh_replays;
  return [
    `introspections   ${list(introspections)}`,
    `refresh replays  allowed ${rounded(allowed)}/s, ${alarming(`refused ${rounded(refused)}/s`, refused > 0, style)}`,
    `sign-ins         ${list(sign_ins)}`,
    `hashing          ${hashing.running} running, ${hashing.waiting} waiting, p99 of the wait ${length(hashing.wait_p99)}, ${alarming(`rejected ${rounded(hashing.rejected_per_second)}/s`, hashing.rejected_per_second > 0, style)}`,
  ].join('\n');
}

function store({ store: all, store_faults_per_second: faults }: Reading, style: Style): string {
  const head = `${style('strong', 'STORE')}  ${alarming(`faults ${rounded(faults)}/s`, faults > 0, style)}`;
  return all.length === 0 ? head : `${head}\n${timings(all, 'OPERATION', style)}`;
}

function processes({ processes: all }: Reading, style: Style): string {
  const rows = all.map(({ worker, cpu, event_loop_p99, memory_bytes, heap_bytes }) => [
    worker ?? 'the only one',
    `${rounded(cpu * 100)}%`,
    length(event_loop_p99),
    mebibytes(memory_bytes),
    mebibytes(heap_bytes),
  ]);
  return table(['WORKER', 'CPU', 'LOOP P99', 'MEMORY', 'HEAP'], rows, style);
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
function cut(line: string, columns: number): string {
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
