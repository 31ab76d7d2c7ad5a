import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { Interrupted } from '#src/cli/failure.ts';
import type { Report } from '#src/cli/report.ts';
import { Narrator } from '#src/cli/tour/narrator.ts';
import { assertRunning, walk } from '#src/cli/tour/tour.ts';
import type { Services } from '#src/services.ts';

/** `keyturn tour`: the whole main job, step by step, against the running server. */
export function tourCommand(cli: CommandLine): Command {
  return new Command('tour')
    .description('walk through everything the server does, step by step, while it runs')
    .action(async () => {
      await assertRunning(cli.settings().config.issuer, cli.stopSignal);
      await cli.report((services) => tour(cli, services));
    });
}

async function tour(
  { terminal, json, surroundings, stopSignal }: CommandLine,
  services: Services,
): Promise<Report> {
  const { issuer } = services.config;
  const narrator = new Narrator(terminal, { silent: json });
  let ok = true;
  try {
    await walk({ services, narrator, random: surroundings.random, signal: stopSignal });
  } catch (error) {
    if (stopSignal.aborted) throw new Interrupted();
    if (!narrator.failed) throw error;
    ok = false;
  }
  const { steps } = narrator;
  return {
    ok,
    document: { ok, issuer, steps },
    text: (style) =>
      ok
        ? `\n${style('good', `All ${steps.length} steps held.`)} The code of this client is in src/cli/parties/.`
        : `\n${style('bad', 'Something did not hold.')} The log of the server may say more.`,
  };
}
