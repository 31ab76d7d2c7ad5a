import {
  type BenchDocument,
  type BigStoreDocument,
  type BigStoreResult,
  type CaseResult,
  type ScalingDocument,
  SOAK_FIGURES,
  type SoakDocument,
} from '#test/bench/report/document.ts';

/** The figures for people, as a table. */
export function inText(document: BenchDocument): string {
  const { machine, connections, rounds, runMs } = document;
  const lines = [
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}; ${machine.pinned}`,
    `${connections} requests at the same time; the median of ${rounds} runs of ${runMs} ms of work, by turns`,
    '',
    ...columns([
      [
        'case',
        'store',
        'per CPU s',
        'bare',
        'ratio',
        'target',
        '',
        'p50 ms',
        'p99 ms',
        'bare p99',
        'p99 ratio',
        'store CPU',
        'turned away',
      ],
      ...document.cases.map(rowOf),
    ]),
    '',
    ...document.start.map(
      ({ store, medianMs, targetMs, met }) =>
        `start on ${store}: ${medianMs.toFixed(0)} ms to the first good answer (target ${targetMs}, ${word(met)})`,
    ),
    ...document.passwords.map(
      ({ store, threads, ofLimit, target, signInsPerSecond, keptWaiting, oneCore, ...rest }) =>
        `passwords on ${store}: ${signInsPerSecond.toFixed(1)} sign-ins per second with ${threads} hashed at once, ` +
        `${percent(ofLimit)} of argon2 alone (target ${percent(target)}); tokens meanwhile p99 ${rest.tokenP99Ms.toFixed(0)} ms ` +
        `(target ${rest.tokenTargetMs}; ${word(rest.met)}); hashing was kept waiting for a processor for ${percent(keptWaiting)} ` +
        `of the time; a core for everything would do ${percent(oneCore.ofLimit)}`,
    ),
    ...document.limits.map(
      ({ name, about, perCpuSecond }) => `limit: ${count(perCpuSecond)} ${name} per CPU second (${about})`,
    ),
    ...document.memory.map(
      ({ program, store, idle, underLoad, idleProportional, met }) =>
        `memory of ${program} on ${store}: ${megabytes(idle)} idle (${megabytes(idleProportional)} PSS), ` +
        `${megabytes(underLoad)} at most${met === null ? '' : ` (${word(met)})`}`,
    ),
  ];
  return lined(lines);
}

/** What several processes do, as a table. */
export function scalingInText({ machine, connections, scaling }: ScalingDocument): string {
  const rows = scaling.map((each) => [
    each.case,
    `${each.count} ${each.kind} on ${each.store}`,
    count(each.perSecond),
    each.ratio.toFixed(2),
    each.withCores.toFixed(2),
    each.target === null ? '-' : each.target.toFixed(1),
    each.met === null ? '' : word(each.met),
    each.storeShare === 0 ? '-' : percent(each.storeShare),
    each.p99Ms.toFixed(1),
    each.turnedAway === 0 ? '' : count(each.turnedAway),
  ]);
  const heads = [
    'case',
    'processes',
    'per second',
    'ratio',
    'with cores',
    'target',
    '',
    'store CPU',
    'p99 ms',
    'turned away',
  ];
  return lined([
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}; ${machine.pinned}`,
    `${connections} requests at the same time; ratio: by the clock; with cores: if each process had one`,
    '',
    ...columns([heads, ...rows]),
  ]);
}

/** What full stores cost, as a table each. */
export function bigStoreInText({ machine, connections, stores }: BigStoreDocument): string {
  return lined([
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}; ${machine.pinned}`,
    `${connections} requests at the same time; ratio: to a store that is empty, or has 20,000 tokens (refresh-all-over)`,
    ...stores.flatMap((each) => ['', ...linesOf(each)]),
  ]);
}

function linesOf({
  store,
  tokens,
  accounts,
  fillSeconds,
  diskBytes,
  ...rest
}: BigStoreResult): readonly string[] {
  const heads = ['case', 'store', 'per CPU s', 'empty', 'ratio', 'target', '', 'p99 ms', 'p99 empty'];
  const rows = rest.cases.map((each) => [
    each.name,
    store,
    count(each.perCpuSecond),
    count(each.perCpuSecondEmpty),
    each.ratio.toFixed(2),
    each.target.toFixed(2),
    word(each.met),
    each.p99Ms.toFixed(1),
    each.p99MsEmpty.toFixed(1),
  ]);
  return [
    `${store}: ${count(tokens)} refresh tokens and ${count(accounts)} accounts, filled in ${fillSeconds.toFixed(0)} s: ` +
      `${megabytes(diskBytes)} on disk`,
    `a start takes ${rest.startMs.toFixed(0)} ms; the server has ${megabytes(rest.memoryBytes)} in memory` +
      (rest.storeMemoryBytes > 0 ? `, the store ${megabytes(rest.storeMemoryBytes)}` : ''),
    ...columns([heads, ...rows]),
  ];
}

/** Whether anything grew. */
export function soakInText({ store, samples, growth, flat }: SoakDocument): string {
  const grown = SOAK_FIGURES.map((figure) => `${figure} ${growth[figure].toFixed(1)} %`).join(', ');
  return lined([
    `${samples.length} looks at a server on ${store} in ${samples.at(-1)?.atSeconds.toFixed(0)} s`,
    `growth in the second half: ${grown}: ${flat ? 'flat' : 'NOT FLAT'}`,
  ]);
}

const lined = (lines: readonly string[]) => `${lines.join('\n')}\n`;

function rowOf(result: CaseResult): readonly string[] {
  const {
    name,
    store,
    perCpuSecond,
    bare,
    ratio,
    against,
    target,
    met,
    p50Ms,
    p99Ms,
    storeShare,
    turnedAway,
  } = result;
  return [
    name,
    store,
    count(perCpuSecond),
    bare === null ? '-' : count(bare.perCpuSecond),
    ratio === null ? '-' : `${ratio.toFixed(2)}${against === 'bare' ? '' : ` of ${against}`}`,
    target === null ? '-' : String(target),
    met === null ? '' : word(met),
    p50Ms.toFixed(1),
    p99Ms.toFixed(1),
    bare === null ? '-' : bare.p99Ms.toFixed(1),
    bare === null ? '-' : `${bare.p99Ratio.toFixed(2)} ${word(bare.p99Met)}`,
    storeShare === 0 ? '-' : percent(storeShare),
    turnedAway === 0 ? '' : count(turnedAway),
  ];
}

const word = (met: boolean) => (met ? 'met' : 'MISSED');

const count = (value: number) => new Intl.NumberFormat('en', { maximumFractionDigits: 0 }).format(value);

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

/** Words to the left, figures to the right. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, at) => (at < 2 || at === 6 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
