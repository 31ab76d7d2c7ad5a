import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { confirm } from '#src/cli/input.ts';
import { kekListReport, kindsText, madeKekText, resealReport, rotateReport } from '#src/cli/kek-reports.ts';
import { YES } from '#src/cli/options.ts';
import { ProgressLine } from '#src/cli/progress.ts';
import type { Report } from '#src/cli/report.ts';
import { serverText } from '#src/cli/server-text.ts';
import { Refusal } from '#src/fault.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { totalOf } from '#src/sealing/kek-listing.ts';
import type { KekStanding } from '#src/sealing/kek-rotation.ts';
import { removeKeyFile } from '#src/sealing/key-directory.ts';
import type { ResealProgress } from '#src/sealing/resealing.ts';
import type { Services } from '#src/services.ts';

/** `keyturn kek …`: the key-encryption key, under which everything in the store is sealed, and replacing it. */
export function kekCommands(cli: CommandLine): Command {
  const kek = new Command('kek').description('the key-encryption keys, under which the store is sealed');
  kek
    .command('list')
    .description('show every key-encryption key, and how many records are sealed under it')
    .action(() => cli.report((services) => kekListReport(services, cli.surroundings.clock.now())));
  kek
    .command('rotate')
    .description('make a new key, and have it used as soon as every server has it')
    .option('--wait', 'wait until everything is sealed under it, too')
    .option('--no-wait', 'wait for nothing')
    .action(({ wait }: { wait?: boolean }) => cli.report((services) => rotate(cli, services, wait)));
  kek
    .command('reseal')
    .description('seal what is under older keys under the current one; running servers do so by themselves')
    .action(() => cli.report((services) => reseal(cli, services)));
  kek
    .command('retire <id>')
    .description('end a key that nothing is sealed under any more')
    .option('--delete-file', 'delete its file in the key directory, too')
    .option(...YES)
    .action((id: string, options: RetireOptions) =>
      cli.report((services) => retire(cli, services, id, options)),
    );
  return kek;
}

/** How often is looked whether all servers have a key, and how far sealing is, in milliseconds. */
const LOOK_EVERY_MS = 250;

async function rotate(cli: CommandLine, services: Services, wait: boolean | undefined): Promise<Report> {
  const { kekRotation, config } = services;
  const made = await kekRotation.make();
  if (made.outcome === 'to-be-set') return rotateReport(made, null, null);
  if (!cli.json) cli.note(madeKekText(made));
  const limit = wait === false ? 0 : config.keyEncryption.rotateWait * 1000;
  const standing = await current(cli, services, made.id, limit);
  if (wait !== true || standing.register.current.id !== made.id) {
    return rotateReport(made, standing, null);
  }
  return rotateReport(made, standing, await sealAnew(cli, services));
}

/** Waits until the key is current, for no longer than `limitMs`. */
async function current(
  cli: CommandLine,
  { kekRotation, fleet }: Services,
  id: string,
  limitMs: number,
): Promise<KekStanding<ServerNode>> {
  using progress = new ProgressLine(cli.terminal, { silent: cli.json });
  const begun = performance.now();
  for (;;) {
    const standing = await kekRotation.advance();
    const { register, lacking } = standing;
    // Another may have become current that is newer still.
    if (register.current.id >= id || performance.now() - begun >= limitMs) return standing;
    if (lacking.length > 0) {
      const now = cli.surroundings.clock.now();
      const who = lacking.map((node) => serverText(node, { now, every: fleet.every }));
      progress.show(`Waiting for ${who.join(', ')} to have the key …`);
    }
    await setTimeout(LOOK_EVERY_MS);
  }
}

async function reseal(cli: CommandLine, services: Services): Promise<Report> {
  await services.resealer.retryUnreadable();
  return resealReport(await sealAnew(cli, services));
}

/** Seals what is to be sealed anew, or watches whoever is at it; `null` if there was nothing to do. */
async function sealAnew(
  cli: CommandLine,
  { resealer, kekRotation, config }: Services,
): Promise<ResealProgress | null> {
  using line = new ProgressLine(cli.terminal, { silent: cli.json });
  const total = totalOf(await kekRotation.count());
  for (;;) {
    const step = await resealer.step();
    if (step.outcome === 'not-needed') return null;
    const { progress } = step;
    // More may have been looked at than there were when they were counted.
    const looked = Math.min(progress.looked, total).toLocaleString('en');
    line.show(`Sealing anew: ${looked} of ${total.toLocaleString('en')} records looked at`);
    if (progress.finishedAt !== null) return progress;
    await setTimeout(step.outcome === 'stepped' ? config.keyEncryption.resealPauseMs : LOOK_EVERY_MS);
  }
}

interface RetireOptions {
  readonly deleteFile?: boolean;
  readonly yes?: boolean;
}

async function retire(
  cli: CommandLine,
  { kekRotation }: Services,
  id: string,
  { deleteFile, yes }: RetireOptions,
): Promise<Report> {
  const file = await kekRotation.fileOf(id);
  const alone = file !== null && file.keys.length === 1;
  const deletes = deleteFile === true && alone;
  if (deletes) {
    const question = `Retire ${id}, and delete ${file.path} for good?`;
    await confirm(cli.terminal, question, yes === undefined ? {} : { yes });
  }
  const retired = await kekRotation.retire(id);
  switch (retired.outcome) {
    case 'unknown':
      throw new Refusal('kek_not_found', `no key-encryption key ${id}`);
    case 'current':
    case 'next':
      throw new Refusal('kek_in_use', `${id} is what everything new is sealed under; rotate first`, { id });
    case 'in-use': {
      const { counts } = retired;
      const says = `still sealed under ${id}: ${kindsText(counts)}. Running servers seal it anew, or keyturn kek reseal`;
      throw new Refusal('kek_in_use', says, { id, counts });
    }
  }
  if (deletes) await removeKeyFile(file);
  return {
    document: { outcome: retired.outcome.replace('-', '_'), id, file: file?.path ?? null, deleted: deletes },
    text: (style) => {
      const said = retired.outcome === 'retired' ? style('good', 'Retired') : 'Already retired:';
      return [
        `${said} the key-encryption key ${id}. Nothing is sealed under it, and nobody uses it again.`,
        ...(file === null ? [] : [fileText(file.path, { deleted: deletes, alone })]),
        style(
          'faint',
          'Backups of the store from before need it. Keep a copy with them for as long as you keep them.',
        ),
      ].join('\n');
    },
  };
}

function fileText(path: string, { deleted, alone }: { deleted: boolean; alone: boolean }): string {
  if (deleted) return `Deleted ${path}.`;
  return alone
    ? `Its file can be deleted: ${path}`
    : `Its line can be deleted in ${path}, which holds other keys too.`;
}
