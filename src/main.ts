import { run } from '#src/cli/program.ts';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { epochSeconds } from '#src/units.ts';

const stop = new AbortController();

/** Listens for the wish that the process end. Sent once or more often, by one sender or several, it is one wish. */
function stopSignal(): AbortSignal {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    if (process.listenerCount(signal) === 0) process.on(signal, () => stop.abort());
  }
  return stop.signal;
}

// Whoever reads our output may have enough of it, as `head` does, or be a terminal that is gone (`EIO`). What has to be
// put in order first still is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  if (process.listenerCount('SIGTERM') === 0) process.exit();
  stop.abort();
});

process.exitCode = await run(process.argv.slice(2), {
  streams: process,
  surroundings: { clock: systemClock, random: systemRandom },
  env: process.env,
  givenAt: epochSeconds(Math.floor(performance.timeOrigin / 1000)),
  stopSignal,
  onSignal: (signal, heard) => process.on(signal, heard),
  onExit: (heard) => process.on('exit', heard),
  // libuv reads it when the first of its threads is wanted.
  threadsWanted: (count) => {
    process.env.UV_THREADPOOL_SIZE ??= String(count);
  },
});
