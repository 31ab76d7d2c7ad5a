/** `npm run bench`: how fast the server is, next to the bare library in the same run. See docs/performance.md. */
import { benchmark } from '#test/bench/benchmark.ts';
import { chooseCores, pin } from '#test/bench/load/cores.ts';
import { readOptions, USAGE, UsageError } from '#test/bench/options.ts';
import { inText } from '#test/bench/report/table.ts';

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
const options = optionsOrEnd();
const cores = chooseCores();
pin(process.pid, cores.load);
const tell = (line: string) => void process.stderr.write(`${line}\n`);
const document = await benchmark(options, cores, tell);
process.stdout.write(options.json ? `${JSON.stringify(document, null, 2)}\n` : inText(document));
process.exit();

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
