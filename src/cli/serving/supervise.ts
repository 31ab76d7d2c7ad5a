import { once } from 'node:events';
import type { Logger } from 'pino';
import type { CommandLine } from '#src/cli/command-line.ts';
import { type Failure, failureDocument, failureOf } from '#src/cli/failure.ts';
import { firstSteps } from '#src/cli/first-steps.ts';
import { createLog } from '#src/cli/log.ts';
import type { Config } from '#src/config/schema.ts';
import type { MachineMetrics } from '#src/serving/machine-metrics.ts';
import { type Seconds, seconds } from '#src/units.ts';
import { forkWorker } from '#src/workers/forked-worker.ts';
import { Supervisor, type SupervisorEvents, type Team } from '#src/workers/supervisor.ts';
import { endingText } from '#src/workers/worker-process.ts';

/** How long a worker may take for what it writes down at its end, and for calls to other servers. */
const CLOSING_WITHIN = seconds(15);

/**
 * Runs workers and looks after them until the process is asked to end. SIGHUP replaces them one by one by workers that
 * read the settings anew. Throws `WorkerStartFault` if one of the first does not get as far as serving.
 */
export async function supervise(cli: CommandLine, config: Config): Promise<void> {
  const { terminal } = cli;
  const { clock } = cli.surroundings;
  const forPeople = terminal.watched && !cli.json;
  const log = createLog(cli, { level: config.logLevel, forPeople });
  const metrics = await measuring(config);
  const onGone = (measured: string) => metrics?.workerGone(measured);
  const supervisor = new Supervisor(teamOf(config), { fork: forkWorker, clock, onGone, ...logged(log) });
  let serving = false;
  // In front of a terminal it means that the terminal is gone.
  if (!terminal.watched) cli.onSignal('SIGHUP', () => serving && roll(cli, supervisor, log));
  const { stopSignal } = cli;
  await using _scraped = await openScraping(config, { metrics, supervisor, log });
  const stopped = stopOf(stopSignal, supervisor, log);
  const started = await supervisor.start();
  serving = true;
  if (started !== null && !stopSignal.aborted) {
    const steps = firstSteps(config, started);
    if (forPeople) terminal.print(steps.text(terminal.style));
    else log.info({ ...steps.document, workers: config.workers }, 'ready');
  }
  await stopped;
}

/** Loaded only where there is somebody to tell. */
async function measuring(config: Config): Promise<MachineMetrics | null> {
  if (config.metrics.port === null) return null;
  const { MachineMetrics } = await import('#src/serving/machine-metrics.ts');
  return new MachineMetrics();
}

/** What all workers have measured is told at one port, which is that of the settings at the start. */
async function openScraping(
  config: Config,
  {
    metrics,
    supervisor,
    log,
  }: { readonly metrics: MachineMetrics | null; readonly supervisor: Supervisor; readonly log: Logger },
): Promise<AsyncDisposable | null> {
  const { port } = config.metrics;
  if (port === null || metrics === null) return null;
  return metrics.listen(config, port, {
    measures: async () => ({ workers: await supervisor.metrics(), crashes: supervisor.crashes }),
    onFault: (err) => log.error({ err }, 'what the workers have measured could not be told'),
  });
}

async function stopOf(signal: AbortSignal, supervisor: Supervisor, log: Logger): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
  log.info('stopping: requests that are under way may finish');
  await supervisor.stop();
}

/** Settings that are wrong are told here, once, and no worker is troubled with them. */
function roll(cli: CommandLine, supervisor: Supervisor, log: Logger): void {
  try {
    const { config } = cli.settings();
    log.level = config.logLevel;
    log.info({ workers: config.workers }, 'replacing the workers one by one');
    supervisor.roll(teamOf(config));
  } catch (error) {
    log.error(
      failureDocument(failureOf(error)),
      'the settings cannot be used: the workers go on with those that they have; correct them and send SIGHUP again',
    );
  }
}

function teamOf({ workers, workerSilenceMax, http }: Config): Team {
  const { keepAliveTimeout, stopGrace } = http;
  const stopWithin: Seconds = seconds(stopGrace + CLOSING_WITHIN);
  return {
    workers,
    silenceMax: workerSilenceMax,
    stopWithin,
    leaveWithin: seconds(keepAliveTimeout + stopGrace + stopWithin),
  };
}

function logged(log: Logger): Omit<SupervisorEvents, 'onGone'> {
  return {
    onReady: (worker, { pid }) => log.info({ worker, pid }, 'a worker is ready'),
    onCrash: (worker, { pid }, ending, pauseMs) =>
      log.error(
        { worker, pid, how: endingText(ending), againInMs: pauseMs },
        'a worker ended by itself, and another takes its place: what it said last stands above; ' +
          'if it was ended by SIGKILL, see whether the machine has run out of memory',
      ),
    onStartFailed: (worker, failure, pauseMs) =>
      log.error(
        { worker, ...failureDocument(failure as Failure), againInMs: pauseMs },
        pauseMs === null
          ? 'a new worker could not serve: the workers go on as they are; correct what is wrong and send SIGHUP again'
          : 'a worker that was to take the place of one that ended could not serve, and is tried again',
      ),
    onSilent: (worker, { pid }) =>
      log.error({ worker, pid }, 'a worker gives no sign of life, and is killed'),
    onOverdue: ({ pid }) => log.error({ pid }, 'a worker did not end in time, and is killed'),
    onRolled: (outcome) => {
      if (outcome === 'done') log.info('all workers have been replaced');
    },
  };
}
