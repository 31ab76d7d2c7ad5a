import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { CommandLine } from '#src/cli/command-line.ts';
import { failureOf } from '#src/cli/failure.ts';
import { createLog } from '#src/cli/log.ts';
import type { Config } from '#src/config/schema.ts';
import type { Seat } from '#src/workers/seat.ts';
import { shareOf } from '#src/workers/share.ts';
import type { SeatNumber } from '#src/workers/worker-process.ts';

/**
 * Serves as one of several workers, until the supervisor wants another in its place or is gone, or the process is asked
 * to end. What goes wrong before it serves is told to the supervisor alone, which says it once for all.
 */
export async function serveAsWorker(cli: CommandLine, seat: Seat): Promise<void> {
  await using _held = seat;
  // A terminal sends these to the supervisor as well, and what they mean is for it to say.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) cli.onSignal(signal, () => {});
  let serving = false;
  try {
    await serve(cli, seat, () => {
      serving = true;
    });
  } catch (error) {
    if (serving) throw error;
    await seat.failed(failureOf(error));
  }
}

async function serve(cli: CommandLine, seat: Seat, onServing: () => void): Promise<void> {
  const { surroundings, terminal } = cli;
  const stop = AbortSignal.any([cli.stopSignal, seat.abandoned]);
  const config = settingsForSeat(cli.settings().config, seat);
  cli.makeRoomForHashing(config);
  const forPeople = terminal.watched && !cli.json;
  const worker = seat.number;
  const log = createLog(cli, { level: config.logLevel, forPeople }).child({ worker });
  const [{ openServices }, { startServer }] = await Promise.all([
    import('#src/services.ts'),
    import('#src/server.ts'),
  ]);
  await using services = await openServices(config, surroundings);
  await using server = await startServer(services, { ...surroundings, log, worker });
  onServing();
  if (server.metrics !== null) seat.tellMetrics(server.metrics.read);
  await seat.ready({ created: services.store.created });
  await aborted(AbortSignal.any([stop, seat.leaving]));
  if (seat.abandoned.aborted)
    log.error('the process that looks after the workers is gone: this one ends too');
  if (stop.aborted) return;
  const { keepAliveTimeout, stopGrace } = config.http;
  // Idle connections end by then, and what is under way may go on for as long as at any other stop.
  const enough = setTimeout((keepAliveTimeout + stopGrace) * 1000, undefined, { ref: false });
  await Promise.race([server.drain(), aborted(stop), enough]);
}

/**
 * The settings of one of several workers. Hashing passwords takes the cores of the machine, so there is one measure of
 * it for all of them, and none goes without; what bounds the memory and the connections of a process is its own.
 */
export function settingsForSeat(config: Config, seat: SeatNumber): Config {
  const { passwords } = config;
  const hashConcurrency = Math.max(1, shareOf(passwords.hashConcurrency, seat));
  const hashQueueMax = shareOf(passwords.hashQueueMax, seat);
  return { ...config, passwords: { ...passwords, hashConcurrency, hashQueueMax } };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
