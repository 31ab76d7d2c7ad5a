import { basename } from 'node:path';
import { distance, moment, table } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { type KekListing, totalOf } from '#src/sealing/kek-listing.ts';
import type { KekStanding, NewKek } from '#src/sealing/kek-rotation.ts';
import type { BodyCount, ResealProgress } from '#src/sealing/resealing.ts';
import type { Services } from '#src/services.ts';
import type { EpochSeconds } from '#src/units.ts';

/** `keyturn kek list` */
export async function kekListReport(services: Services, now: EpochSeconds): Promise<Report> {
  const { kekRotation, fleet, resealer } = services;
  const keks = await kekRotation.list();
  const nodes = await fleet.living();
  const files = new Map(
    await Promise.all(
      keks.map(async ({ id }) => [id, (await kekRotation.fileOf(id))?.path ?? null] as const),
    ),
  );
  const progress = await resealer.progress();
  const total = totalOf(keks.flatMap(({ counts }) => counts));
  const holders = ({ id }: KekListing) => nodes.filter((node) => node.keks.includes(id));
  return {
    document: {
      keks: keks.map((kek) => ({
        id: kek.id,
        state: kek.state,
        since: kek.since,
        records: totalOf(kek.counts),
        kinds: Object.fromEntries(kek.counts.map(({ kind, count }) => [kind, count])),
        servers: holders(kek).map(({ id }) => id),
        file: files.get(kek.id) ?? null,
      })),
      servers: nodes.map(({ id }) => id),
      resealing: progress && progressDocument(progress, total),
    },
    text: (style) =>
      [
        table(
          ['STATE', 'RECORDS', 'SINCE', 'SERVERS', 'FILE', 'KEY ID'],
          keks.map((kek) => [
            kek.state,
            totalOf(kek.counts).toLocaleString('en'),
            kek.since === null ? null : `${moment(kek.since)}`,
            nodes.length === 0 ? null : `${holders(kek).length} of ${nodes.length}`,
            fileName(files.get(kek.id) ?? null),
            kek.id,
          ]),
          style,
        ),
        ...hints(keks, nodes, progress, { total, now, style }),
      ].join('\n'),
  };
}

const fileName = (path: string | null): string | null => (path === null ? null : basename(path));

/** What there is to say beside the table. */
function hints(
  keks: readonly KekListing[],
  nodes: readonly ServerNode[],
  progress: ResealProgress | null,
  { total, now, style }: { total: number; now: EpochSeconds; style: Style },
): string[] {
  const lines: string[] = [];
  const current = keks.find(({ state }) => state === 'current');
  if (progress !== null && progress.kekId === current?.id) {
    lines.push(progressText(progress, total, now));
    if (progress.unreadable > 0) lines.push(style('bad', unreadableText(progress)));
  }
  for (const kek of keks.filter(({ state }) => state === 'waiting')) {
    lines.push(style('notable', `${kek.id} becomes current when ${lackingText(lacking(kek.id, nodes))}.`));
  }
  for (const { id } of keks.filter(({ state, counts }) => state === 'former' && totalOf(counts) === 0)) {
    lines.push(`Nothing is sealed under ${id} any more: keyturn kek retire ${id}`);
  }
  return lines.length === 0 ? [] : ['', ...lines];
}

const lacking = (id: string, nodes: readonly ServerNode[]) => nodes.filter(({ keks }) => !keks.includes(id));

function lackingText(nodes: readonly ServerNode[]): string {
  if (nodes.length === 0) return 'a server or keyturn kek rotate looks at it next';
  return `${visible(nodes.map(({ name }) => name).join(', '))} ${nodes.length === 1 ? 'has' : 'have'} it, too`;
}

function progressText(
  { finishedAt, looked, resealed }: ResealProgress,
  total: number,
  now: EpochSeconds,
): string {
  const count = resealed.toLocaleString('en');
  if (finishedAt !== null)
    return `Everything was looked at ${distance(finishedAt, now)}: ${count} records were sealed anew.`;
  const share = total === 0 ? 100 : Math.min(99, Math.floor((looked * 100) / total));
  return `Sealing anew: ${share} % of ${total.toLocaleString('en')} records looked at, ${count} sealed anew.`;
}

const unreadableText = ({ unreadable }: ResealProgress): string =>
  `${unreadable} could not be opened and ${unreadable === 1 ? 'was' : 'were'} left as ${unreadable === 1 ? 'it is' : 'they are'}; the log of the server says why.`;

function progressDocument(progress: ResealProgress, total: number): object {
  const { kekId, startedAt, finishedAt, looked, resealed, unreadable } = progress;
  return {
    kek: kekId,
    started_at: startedAt,
    finished_at: finishedAt,
    looked,
    resealed,
    unreadable,
    records: total,
  };
}

/** What is told as soon as a key is there, before anything is waited for. */
export function madeKekText(made: Exclude<NewKek, { outcome: 'to-be-set' }>): string {
  if (made.outcome === 'waiting') return `${made.id} is waiting to become current, so no other is made.`;
  return `Made ${made.file}. Keep a copy of it apart from copies of the store.`;
}

/** `keyturn kek rotate` */
export function rotateReport(
  made: NewKek,
  standing: KekStanding<ServerNode> | null,
  sealed: ResealProgress | null,
): Report {
  if (made.outcome === 'to-be-set' || standing === null) return toBeSetReport(made);
  const { register, lacking } = standing;
  const isCurrent = register.current.id >= made.id;
  return {
    document: {
      outcome: isCurrent ? 'current' : 'waiting',
      kek: made.id,
      file: made.outcome === 'made' ? made.file : null,
      lacking: lacking.map(({ id, name }) => ({ id, name })),
      ...(sealed && { resealed: sealed.resealed, unreadable: sealed.unreadable }),
    },
    ok: isCurrent && (sealed?.unreadable ?? 0) === 0,
    text: (style) => {
      if (!isCurrent) return waitingText(made.id, lacking, style);
      const lines = [`${style('good', 'Current:')} everything new is sealed under ${made.id}.`];
      lines.push(
        sealed === null
          ? 'What is under older keys is sealed anew by a running server, or by keyturn kek reseal.'
          : sealedText(sealed, style),
      );
      return lines.join('\n');
    },
  };
}

function toBeSetReport(made: NewKek): Report {
  const text = made.outcome === 'to-be-set' ? made.text.reveal() : '';
  return {
    document: { outcome: 'to_be_set', kek: text },
    text: (style) =>
      [
        text,
        '',
        style('notable', 'This key is shown once. The keys come by a setting, so it has to be put there:'),
        '  1. Add it to KEYTURN_KEK as a further line. Keep the lines that are there.',
        '  2. Restart the servers, one after the other. When all have it, it becomes current by itself.',
        '  3. See by keyturn kek list when nothing is under the older key any more, and retire it.',
      ].join('\n'),
  };
}

function waitingText(id: string, lacking: readonly ServerNode[], style: Style): string {
  const who = lacking.map(({ name, id: node }) => `  ${visible(name)} ${style('faint', node)}`);
  return [
    style(
      'notable',
      `${id} is not current yet: these servers do not have it${who.length === 0 ? ' in time' : ''}.`,
    ),
    ...who,
    'Give them its file: a server sees by itself what comes into its key directory. It becomes current by itself',
    'when all have it, and keyturn kek list shows it then.',
  ].join('\n');
}

/** `keyturn kek reseal` */
export function resealReport(progress: ResealProgress | null): Report {
  return {
    document:
      progress === null
        ? { outcome: 'not_needed' }
        : {
            outcome: 'finished',
            kek: progress.kekId,
            resealed: progress.resealed,
            unreadable: progress.unreadable,
          },
    ok: (progress?.unreadable ?? 0) === 0,
    text: (style) =>
      progress === null ? 'Everything is sealed under the current key.' : sealedText(progress, style),
  };
}

function sealedText(progress: ResealProgress, style: Style): string {
  const done = `${style('good', 'Sealed anew:')} ${progress.resealed.toLocaleString('en')} records. Everything is under ${progress.kekId}.`;
  if (progress.unreadable === 0) return done;
  return style(
    'bad',
    `Sealed anew: ${progress.resealed.toLocaleString('en')} records, and ${unreadableText(progress)}`,
  );
}

/** `3 session, 1 client` */
export const kindsText = (counts: readonly BodyCount[]): string =>
  counts
    .toSorted((a, b) => b.count - a.count)
    .map(({ kind, count }) => `${count.toLocaleString('en')} ${kind}`)
    .join(', ');
