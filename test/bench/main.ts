/** `npm run bench`: how fast the server is, next to the bare library in the same run. See docs/performance.md. */
import { writeFile } from 'node:fs/promises';
import { benchmark } from '#test/bench/benchmark.ts';
import { measureBigStores } from '#test/bench/big-store.ts';
import { chooseCores, pin } from '#test/bench/load/cores.ts';
import { readOptions, USAGE, UsageError } from '#test/bench/options.ts';
import { inSvg } from '#test/bench/report/chart.ts';
import { bigStoreInText, inText, scalingInText, soakInText } from '#test/bench/report/table.ts';
import { measureScaling } from '#test/bench/scaling.ts';
import { soak } from '#test/bench/soak.ts';

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
const options = optionsOrEnd();
const cores = chooseCores();
if (options.mode.is !== 'scaling') pin(process.pid, cores.load);
const tell = (line: string) => void process.stderr.write(`${line}\n`);
const { document, text } = await measured();
process.stdout.write(options.json ? `${JSON.stringify(document, null, 2)}\n` : text);
process.exit();

async function measured(): Promise<{ document: object; text: string }> {
  const { mode, chart } = options;
  switch (mode.is) {
    case 'cases': {
      const document = await benchmark(options, cores, tell);
      if (chart !== null) await writeFile(chart, inSvg(document));
      return { document, text: inText(document) };
    }
    case 'scaling': {
      const document = await measureScaling(options, cores, tell);
      return { document, text: scalingInText(document) };
    }
    case 'big': {
      const document = await measureBigStores(options, { cores, tell, tokens: mode.tokens });
      return { document, text: bigStoreInText(document) };
    }
    case 'soak': {
      const document = await soak(options, { cores, tell, forMs: mode.forMs });
      return { document, text: soakInText(document) };
    }
  }
}

function optionsOrEnd() {
  try {
    const read = readOptions(process.argv.slice(2));
    if (read !== 'help') return read;
    process.stdout.write(USAGE);
    process.exit();
  } catch (problem) {
    if (!(problem instanceof UsageError)) throw problem;
    process.stderr.write(`bench: ${problem.message}\n\n${USAGE}`);
    process.exit(2);
  }
}
