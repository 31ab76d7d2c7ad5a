import cluster, { type Worker } from 'node:cluster';
import { isMetricsAnswer, type MetricsQuestion, saysMetrics } from '#src/workers/metrics-message.ts';
import { ALIVE, LEAVE, SEAT_VARIABLE, type SeatMessage, writeSeat } from '#src/workers/seat-message.ts';
import {
  type Ending,
  endingText,
  type SeatNumber,
  type StartOutcome,
  type WorkerProcess,
} from '#src/workers/worker-process.ts';

/**
 * Starts this very program once more, as a worker that shares the ports of all others. The kernel gives each connection
 * to whichever of them takes it, and this process never has one: when a worker dies, what it has not taken goes to the
 * others, and nothing is lost on a way through here.
 */
export function forkWorker(seat: SeatNumber): WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork({ [SEAT_VARIABLE]: writeSeat(seat) });
  const { process: child } = worker;
  const ended = endOf(worker);
  let said: string | null = null;
  worker.on('message', (message: unknown) => {
    if (saysMetrics(message)) said = message.text ?? said;
  });
  return {
    pid: child.pid ?? null,
    started: Promise.race([told(worker), ended.then(endedEarly)]),
    ended,
    metrics: () => askForMetrics(worker),
    lastMetrics: () => said,
    ask: (answered) => askForLife(worker, answered),
    leave: () => {
      if (worker.isConnected()) worker.send(LEAVE);
    },
    stop: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
  };
}

function askForLife(worker: Worker, answered: () => void): void {
  const hear = (message: unknown) => {
    if (message !== ALIVE) return;
    worker.off('message', hear);
    answered();
  };
  worker.on('message', hear);
  if (worker.isConnected()) worker.send(ALIVE);
}

/** A worker that is busy for so long is left out; those who scrape wait for some seconds more. */
const METRICS_WITHIN_MS = 2000;

let questions = 0;

function askForMetrics(worker: Worker): Promise<string | null> {
  questions += 1;
  const question: MetricsQuestion = { kind: 'metrics?', question: questions };
  return new Promise((resolve) => {
    const settle = (text: string | null) => {
      clearTimeout(overdue);
      worker.off('message', hear);
      resolve(text);
    };
    const hear = (message: unknown) => {
      if (isMetricsAnswer(message, question)) settle(message.text);
    };
    const overdue = setTimeout(settle, METRICS_WITHIN_MS, null);
    worker.on('message', hear);
    if (worker.isConnected()) worker.send(question, undefined, undefined, (failed) => failed && settle(null));
    else settle(null);
  });
}

/** What the worker says of its start: the first thing that it says. */
function told(worker: Worker): Promise<SeatMessage> {
  return new Promise((resolve) => {
    worker.once('message', resolve);
  });
}

function endOf(worker: Worker): Promise<Ending> {
  return new Promise((resolve) => {
    worker.once('exit', (code: number | null, signal: string | null) =>
      resolve({ code, signal, problem: null }),
    );
    worker.on('error', (error: Error) => {
      // Otherwise it was told something just when it ended.
      if (worker.process.pid === undefined) resolve({ code: null, signal: null, problem: error.message });
    });
  });
}

function endedEarly(ending: Ending): StartOutcome {
  const message = `a worker ${endingText(ending)} before it could serve`;
  return { kind: 'failed', failure: { exitCode: 1, code: 'worker_ended', message } };
}
