import { once } from 'node:events';
import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { firstSteps } from '#src/cli/first-steps.ts';
import { createLog } from '#src/cli/log.ts';
import type { Seat } from '#src/workers/seat.ts';
import { SEAT_VARIABLE } from '#src/workers/seat-message.ts';

/** `keyturn serve`: runs the server, or several workers of it, until the process is asked to end. */
export function serveCommand(cli: CommandLine): Command {
  return new Command('serve').description('run the server').action(() => serve(cli));
}

async function serve(cli: CommandLine): Promise<void> {
  const seat = await seatOf(cli);
  if (seat !== null) {
    const { serveAsWorker } = await import('#src/cli/serving/worker.ts');
    return serveAsWorker(cli, seat);
  }
  const { config } = cli.settings();
  if (config.workers > 1) {
    const { supervise } = await import('#src/cli/serving/supervise.ts');
    return supervise(cli, config);
  }
  const { surroundings, stopSignal, terminal } = cli;
  cli.makeRoomForHashing(config);
  const forPeople = terminal.watched && !cli.json;
  const log = createLog(cli, { level: config.logLevel, forPeople });
  // Loaded here, since no other command and no supervisor of workers needs the protocol or the pages.
  const [{ openServices }, { startServer }] = await Promise.all([
    import('#src/services.ts'),
    import('#src/server.ts'),
  ]);
  await using services = await openServices(config, surroundings);
  await using _server = await startServer(services, { ...surroundings, log });
  const { created } = services.store;
  const steps = firstSteps(config, { created });
  if (forPeople) terminal.print(steps.text(terminal.style));
  else log.info(steps.document, 'ready');
  if (!stopSignal.aborted) await once(stopSignal, 'abort');
  log.info('stopping: requests that are under way may finish');
}

/** The place among the workers; `null` if nobody supervises this process. */
async function seatOf({ env }: CommandLine): Promise<Seat | null> {
  if (env[SEAT_VARIABLE] === undefined) return null;
  const { takeSeat } = await import('#src/workers/seat.ts');
  return takeSeat(env);
}
