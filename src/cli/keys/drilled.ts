import type { CommandLine } from '#src/cli/command-line.ts';
import { Chance } from '#src/cli/drill/chance.ts';
import { drill } from '#src/cli/drill/drill.ts';
import { nodesLogging } from '#src/cli/drill/node.ts';
import { PYTHONS } from '#src/cli/drill/pyjwt.ts';
import { drillChart, drillReport } from '#src/cli/drill/report.ts';
import { wholeStory } from '#src/cli/drill/story.ts';
import { Interrupted } from '#src/cli/failure.ts';
import { createLog } from '#src/cli/log.ts';
import type { Report } from '#src/cli/report.ts';
import { elapsed } from '#src/cli/timeline/axis.ts';
import { chartInSvg } from '#src/cli/timeline/in-svg.ts';
import { assertWritable, writeText } from '#src/cli/timeline/written.ts';

/** `keyturn keys drill` */
export async function drillKeys(
  cli: CommandLine,
  { seed, svg }: { readonly seed: number; readonly svg: string | null },
): Promise<Report> {
  const { terminal, surroundings, stopSignal, json } = cli;
  if (svg !== null) await assertWritable(svg);
  const began = performance.now();
  const log = createLog(cli, { level: 'silent', forPeople: false });
  try {
    const drilled = await drill({
      seed,
      story: wholeStory(new Chance(seed, 'story')),
      ...surroundings,
      maker: nodesLogging(log),
      pythons: PYTHONS,
      signal: stopSignal,
      onDone: ({ words, outcome }, at) => {
        if (!json) cli.note(`${elapsed(at)}  ${words}: ${outcome}`);
      },
    });
    if (svg !== null) await writeText(svg, chartInSvg(drillChart(drilled)));
    return drillReport(drilled, { took: performance.now() - began, columns: terminal.columns });
  } catch (problem) {
    if (stopSignal.aborted) throw new Interrupted();
    throw problem;
  }
}
