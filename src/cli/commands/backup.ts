import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { countsDocument, countsTable } from '#src/cli/entry-counts.ts';
import { distance, moment } from '#src/cli/layout.ts';
import { ProgressLine } from '#src/cli/progress.ts';
import type { Report } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import { type BackupOutcome, backUp, type RestoreOutcome, restore } from '#src/store-moves.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What stands for the output, or the input, where a file is named. */
const PIPE = '-';

/** `keyturn backup FILE` */
export function backupCommand(cli: CommandLine): Command {
  return new Command('backup')
    .description('write everything in the store into one encrypted file, while servers run')
    .argument('<file>', 'a file that is not there yet; - for the output')
    .action((file: string) => makeBackup(cli, file));
}

/** `keyturn restore FILE` */
export function restoreCommand(cli: CommandLine): Command {
  return new Command('restore')
    .description('bring a backup back into an empty store; everybody signs in anew')
    .argument('<file>', 'a backup; - for the input')
    .option('--check', 'only look whether the backup is whole and its keys are here; touches no store')
    .option('--keep-sign-ins', 'bring back sign-ins too: only if nobody was served since the backup was made')
    .action((file: string, options: RestoreOptions) => restoreBackup(cli, file, options));
}

interface RestoreOptions {
  readonly check?: boolean;
  readonly keepSignIns?: boolean;
}

async function makeBackup(cli: CommandLine, file: string): Promise<void> {
  const { config } = cli.settings();
  const { terminal } = cli;
  const piped = file === PIPE;
  const place = piped ? { pipe: terminal.streams.stdout } : { file };
  const report = backupReport(file, await backUp(config, place, cli.surroundings));
  if (!piped) cli.say(report);
  else if (!cli.json) terminal.tell(report.text(terminal.asideStyle));
}

function backupReport(file: string, { counts, keks, bytes }: BackupOutcome): Report {
  const entries = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return {
    document: { outcome: 'written', file, bytes, entries, counts: countsDocument(counts), keks },
    text: (style) =>
      [
        `${style('good', 'Wrote')} ${entries.toLocaleString('en')} entries to ${file === PIPE ? 'the output' : visible(file)}, ${bytes.toLocaleString('en')} bytes.`,
        `To restore it, ${keysText(keks)} needed, which ${keks.length === 1 ? 'is' : 'are'} not in it. Keep a copy elsewhere.`,
      ].join('\n'),
  };
}

const keysText = (keks: readonly string[]): string =>
  keks.length === 1
    ? `the key-encryption key ${keks[0]} is`
    : `the key-encryption keys ${keks.join(' and ')} are`;

async function restoreBackup(
  cli: CommandLine,
  file: string,
  { check = false, keepSignIns = false }: RestoreOptions,
): Promise<void> {
  const { config } = cli.settings();
  using line = new ProgressLine(cli.terminal, { silent: cli.json });
  const outcome = await restore(
    config,
    {
      from: file === PIPE ? cli.terminal.streams.stdin : file,
      checkOnly: check,
      keepSignIns,
      onProgress: ({ looked, total }) =>
        line.show(`Restoring: ${looked.toLocaleString('en')} of ${total.toLocaleString('en')} entries`),
    },
    cli.surroundings,
  );
  const now = cli.surroundings.clock.now();
  cli.say(check ? checkedReport(outcome, now) : restoredReport(outcome, now, { keepSignIns }));
}

function documentOf({ header, keks, counts }: RestoreOutcome) {
  return { made_at: header.madeAt, program: header.program, keks, counts: countsDocument(counts) };
}

function checkedReport(outcome: RestoreOutcome, now: EpochSeconds): Report {
  const { header, counts, keks } = outcome;
  return {
    document: { outcome: 'whole', ...documentOf(outcome) },
    text: (style) =>
      [
        `${style('good', 'The backup is whole,')} and every key that it needs is here: ${keks.join(', ')}.`,
        madeText(header, now),
        '',
        countsTable(counts, style),
      ].join('\n'),
  };
}

function restoredReport(
  outcome: RestoreOutcome,
  now: EpochSeconds,
  { keepSignIns }: { readonly keepSignIns: boolean },
): Report {
  const { header, counts, leftOut } = outcome;
  const restored = new Map([...counts].filter(([kind]) => !leftOut.has(kind)));
  return {
    document: {
      outcome: 'restored',
      ...documentOf(outcome),
      left_out: countsDocument(leftOut),
      sign_ins_kept: keepSignIns,
    },
    text: (style) =>
      [
        `${style('good', 'Restored,')} and compared with the backup as a whole. ${madeText(header, now)}`,
        '',
        countsTable(restored, style),
        '',
        ...(keepSignIns ? KEPT : ENDED),
        ...SINCE_THEN(style),
      ].join('\n'),
  };
}

const madeText = ({ madeAt, program }: RestoreOutcome['header'], now: EpochSeconds): string =>
  `It was made ${distance(madeAt, now)}, at ${moment(madeAt)}, by Keyturn ${visible(program)}.`;

const ENDED = [
  'Sign-ins were left out, with all codes and tokens that rest on them: everybody signs in anew, and nothing that',
  'has been used or revoked since then is good once more. Initial access tokens have to be made anew, too.',
];

const KEPT = [
  'Sign-ins were kept. If anybody was served since the backup was made, what has been used up or revoked since then',
  'is good once more: empty the store, and restore without --keep-sign-ins.',
];

/** What a backup cannot know, and what only an administrator does. */
const SINCE_THEN = (style: Style): string[] => [
  '',
  style('strong', 'What was done since the backup was made has to be done once more, the keys first:'),
  '  keyturn keys revoke          for a signing key that leaked since then',
  '  keyturn accounts lock        for an account that was locked or removed since then',
  '  keyturn clients roll-secret  for a secret that was rolled since then',
];
