import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { countsDocument, countsTable } from '#src/cli/entry-counts.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { ProgressLine } from '#src/cli/progress.ts';
import type { Report } from '#src/cli/report.ts';
import { visible } from '#src/cli/terminal.ts';
import { parseStoreLocation, writtenStoreLocation } from '#src/store-location.ts';
import { type CopyOutcome, copyStore } from '#src/store-moves.ts';

/** `keyturn store …`: moving everything from one store into another. */
export function storeCommands(cli: CommandLine): Command {
  const store = new Command('store').description('where everything is kept, and moving it elsewhere');
  store
    .command('copy <source> [target]')
    .description('copy a store into an empty one, by default into the one that the settings name')
    .option('--ahead', 'copy what there is while servers run; a later run without this copies the rest')
    .action((source: string, target: string | undefined, options: { ahead?: boolean }) =>
      copy(cli, { source, target }, options),
    );
  return store;
}

async function copy(
  cli: CommandLine,
  places: { readonly source: string; readonly target: string | undefined },
  { ahead = false }: { readonly ahead?: boolean },
): Promise<void> {
  const { config } = cli.settings();
  const { source, target = config.store } = places;
  const [from, into] = [written('source', source), written('target', target)];
  if (from === into) throw new UsageFault('source and target are the same store');
  using line = new ProgressLine(cli.terminal, { silent: cli.json });
  const onProgress = ({ looked, written, total }: { looked: number; written: number; total: number }) => {
    const all = Math.max(looked, total).toLocaleString('en');
    line.show(
      `Copying: ${looked.toLocaleString('en')} of ${all} looked at, ${written.toLocaleString('en')} written`,
    );
  };
  const outcome = await copyStore(config, { source, target, ahead, onProgress }, cli.surroundings);
  cli.say(outcome.finished ? finishedReport(outcome, { from, into }) : aheadReport(outcome, { from, into }));
}

interface Places {
  readonly from: string;
  readonly into: string;
}

function finishedReport(
  { counts, sha256, written: writes, dropped }: Extract<CopyOutcome, { finished: true }>,
  { from, into }: Places,
): Report {
  return {
    document: {
      outcome: 'finished',
      source: from,
      target: into,
      written: writes,
      dropped,
      counts: countsDocument(counts),
      sha256,
    },
    text: (style) =>
      [
        `${style('good', 'Copied')} ${visible(from)} to ${visible(into)}, and compared both as a whole: they are the same.`,
        '',
        countsTable(counts, style),
        '',
        `SHA-256 of it all: ${sha256}`,
        'Now start the servers on the target. Start none on the source any more: what was used up on one of them',
        'would not be on the other.',
      ].join('\n'),
  };
}

function aheadReport(
  { servers, looked, written: writes, dropped }: Extract<CopyOutcome, { finished: false }>,
  { from, into }: Places,
): Report {
  const names = servers.map(({ name }) => name);
  return {
    document: { outcome: 'ahead', source: from, target: into, written: writes, dropped, servers: names },
    text: (style) =>
      [
        `${style('notable', 'Copied ahead:')} ${looked.toLocaleString('en')} entries, ${writes.toLocaleString('en')} of them written.`,
        'The target is unfinished, and no server starts on it. To finish, stop the servers on the source' +
          `${names.length === 0 ? '' : ` (${visible(names.join(', '))})`}`,
        'and copy once more without --ahead: only what has changed is written.',
      ].join('\n'),
  };
}

/** The location as it may be shown. @throws UsageFault */
function written(which: string, text: string): string {
  const location = parseStoreLocation(text);
  if ('wrong' in location) {
    throw new UsageFault(
      `the location of the ${which} ${location.wrong}`,
      'write sqlite: and the path of the database file, or a redis:// URL',
    );
  }
  return writtenStoreLocation(location);
}
