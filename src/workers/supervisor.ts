import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '#src/clock.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';
import { crashesInRow, restartPauseMs } from '#src/workers/restart-pause.ts';
import { Watch } from '#src/workers/watch.ts';
import {
  type Ending,
  type SeatNumber,
  type StartFailure,
  type StartOutcome,
  type WorkerProcess,
  WorkerStartFault,
} from '#src/workers/worker-process.ts';

/** How many workers there should be, and how long they may take to end. */
export interface Team {
  readonly workers: number;
  /** From being asked to stop. */
  readonly stopWithin: Seconds;
  /** From being asked to leave. */
  readonly leaveWithin: Seconds;
  /** For how long one that serves may give no sign of life. */
  readonly silenceMax: Seconds;
}

export interface SupervisorEvents {
  readonly onReady: (seat: number, worker: WorkerProcess) => void;
  /** A worker that has served is gone, and had measured this. */
  readonly onGone: (measured: string) => void;
  /** A worker ended that should not have. Another takes its place after the pause. */
  readonly onCrash: (seat: number, worker: WorkerProcess, ending: Ending, pauseMs: number) => void;
  /** A worker that should have taken a place could not. `pauseMs`: until it is tried again; `null` if it is not. */
  readonly onStartFailed: (seat: number, failure: StartFailure, pauseMs: number | null) => void;
  /** A worker that served gives no sign of life, and is killed. */
  readonly onSilent: (seat: number, worker: WorkerProcess) => void;
  /** A worker did not end in time, and is killed. */
  readonly onOverdue: (worker: WorkerProcess) => void;
  /** Every worker has been replaced, or one could not be, and those that serve go on. */
  readonly onRolled: (outcome: 'done' | 'given-up') => void;
}

export interface SupervisorPorts extends SupervisorEvents {
  readonly fork: (seat: SeatNumber) => WorkerProcess;
  readonly clock: Clock;
}

/** What a worker has measured. */
export interface Measured {
  readonly place: number;
  /** Another has its place, or there are fewer. */
  readonly leaving: boolean;
  /** `null` if it does not say just now. */
  readonly text: string | null;
  /** What it said last. */
  readonly last: string | null;
}

/** A place, and who has it. */
interface Place {
  readonly number: number;
  worker: WorkerProcess | null;
  since: EpochSeconds;
  crashes: number;
  /** While another worker is about to take the place. */
  changing: boolean;
}

/**
 * Sees to it that there are as many workers as there should be. It opens no store, holds no keys and serves nothing: all
 * that it can do is begin and end processes.
 */
export class Supervisor {
  readonly #ports: SupervisorPorts;
  readonly #places = new Map<number, Place>();
  /** Every one that runs, also those on their way in and out. */
  readonly #processes = new Set<WorkerProcess>();
  /** Those that serve, or have done so, each with the place that it has or had. */
  readonly #serving = new Map<WorkerProcess, Place>();
  readonly #stopping = new AbortController();
  #team: Team;
  #wanted: Team | null = null;
  #rolling = false;
  #crashes = 0;

  constructor(team: Team, ports: SupervisorPorts) {
    this.#team = team;
    this.#ports = ports;
  }

  /**
   * Begins the first worker alone, since it may have to make the store and its keys, then all others at once. `null` if
   * it was asked to stop meanwhile. Throws `WorkerStartFault` for the first that does not get as far as serving, once
   * all others have ended.
   */
  async start(): Promise<{ readonly created: boolean } | null> {
    const places = Array.from({ length: this.#team.workers }, (_, index) => this.#placeOf(index + 1));
    const [first, ...others] = places as [Place, ...Place[]];
    try {
      const { created } = await this.#fill(first);
      await Promise.all(others.map((place) => this.#fill(place)));
      return { created };
    } catch (fault) {
      if (this.#stopping.signal.aborted) return null;
      await this.stop();
      throw fault;
    }
  }

  /**
   * Replaces every worker, one after the other: each serves before the one in whose place it comes is asked to leave.
   * If one cannot serve, it ends there, and the others go on as they are. While it is at it, once more is enough for any
   * number of times that it is asked.
   */
  roll(team: Team): void {
    this.#wanted = team;
    if (!this.#rolling) void this.#rollWhileWanted();
  }

  /** How many workers have ended by themselves. */
  get crashes(): number {
    return this.#crashes;
  }

  /** What each worker has measured that has not ended, and nothing for each place where there is none just now. */
  async metrics(): Promise<readonly Measured[]> {
    const asked = [...this.#serving.keys()].map(async (worker) => [worker, await worker.metrics()] as const);
    const answered = (await Promise.all(asked)).flatMap(([worker, text]) => {
      const place = this.#serving.get(worker);
      // What it had measured has been told by `onGone`.
      if (place === undefined) return [];
      const leaving = place.worker !== worker || this.#places.get(place.number) !== place;
      return [{ place: place.number, leaving, text, last: worker.lastMetrics() }];
    });
    const vacant = [...this.#places.values()].filter(({ worker }) => worker === null);
    return [
      ...answered,
      ...vacant.map(({ number }) => ({ place: number, leaving: false, text: null, last: null })),
    ].toSorted((one, other) => one.place - other.place);
  }

  /** Has all workers end, and settles once they have. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const { stopWithin } = this.#team;
    await Promise.all([...this.#processes].map((worker) => this.#end(worker, 'stop', stopWithin)));
  }

  async #rollWhileWanted(): Promise<void> {
    this.#rolling = true;
    while (this.#wanted !== null && !this.#stopping.signal.aborted) {
      this.#team = this.#wanted;
      this.#wanted = null;
      const done = await this.#rollOnce();
      if (!this.#stopping.signal.aborted) this.#ports.onRolled(done ? 'done' : 'given-up');
    }
    this.#rolling = false;
  }

  async #rollOnce(): Promise<boolean> {
    for (let number = 1; number <= this.#team.workers; number += 1) {
      if (!(await this.#replace(this.#placeOf(number)))) return false;
    }
    for (const { number, worker } of [...this.#places.values()].slice(this.#team.workers)) {
      this.#places.delete(number);
      if (worker !== null) await this.#end(worker, 'leave', this.#team.leaveWithin);
    }
    return true;
  }

  /** False if nobody could take the place. */
  async #replace(place: Place): Promise<boolean> {
    // Whoever is about to take it after a crash reads the settings as they are now, or has just read them.
    if (place.changing) return true;
    const { worker: old } = place;
    place.changing = true;
    const outcome = await this.#begin(place);
    place.changing = false;
    if (this.#stopping.signal.aborted) return false;
    if (outcome.kind === 'failed') {
      this.#ports.onStartFailed(place.number, outcome.failure, null);
      if (old === null) this.#places.delete(place.number);
      // It may have crashed meanwhile.
      else if (place.worker === null) void this.#refill(place, 0);
      return false;
    }
    if (old !== null) await this.#end(old, 'leave', this.#team.leaveWithin);
    return true;
  }

  /** @throws WorkerStartFault */
  async #fill(place: Place): Promise<{ readonly created: boolean }> {
    const outcome = await this.#begin(place);
    if (outcome.kind === 'failed') throw new WorkerStartFault(outcome.failure);
    return outcome;
  }

  /** Begins a worker, which has the place as soon as it serves. */
  async #begin(place: Place): Promise<StartOutcome> {
    if (this.#stopping.signal.aborted) return STOPPING;
    const worker = this.#ports.fork({ number: place.number, of: this.#team.workers });
    this.#processes.add(worker);
    void worker.ended.then((ending) => {
      this.#processes.delete(worker);
      const measured = worker.lastMetrics();
      if (this.#serving.delete(worker) && measured !== null) this.#ports.onGone(measured);
      this.#onEnded(place, worker, ending);
    });
    const outcome = await worker.started;
    if (this.#stopping.signal.aborted) return STOPPING;
    if (outcome.kind === 'failed') return outcome;
    place.worker = worker;
    this.#serving.set(worker, place);
    place.since = this.#ports.clock.now();
    this.#ports.onReady(place.number, worker);
    this.#watch(place.number, worker);
    return outcome;
  }

  #watch(seat: number, worker: WorkerProcess): void {
    const watch = new Watch(worker, this.#team.silenceMax, () => {
      this.#ports.onSilent(seat, worker);
      worker.kill();
    });
    void worker.ended.then(() => watch[Symbol.dispose]());
  }

  #onEnded(place: Place, worker: WorkerProcess, ending: Ending): void {
    if (this.#stopping.signal.aborted || place.worker !== worker) return;
    place.worker = null;
    this.#crashes += 1;
    const pauseMs = pauseAfter(place, between(place.since, this.#ports.clock.now()));
    this.#ports.onCrash(place.number, worker, ending, pauseMs);
    if (!place.changing) void this.#refill(place, pauseMs);
  }

  /** Tries for as long as it takes: what keeps workers from starting now, such as a store that is away, will pass. */
  async #refill(place: Place, firstPauseMs: number): Promise<void> {
    place.changing = true;
    for (let pauseMs = firstPauseMs; ; ) {
      await pause(pauseMs, undefined, this.#stopping).catch(() => {});
      if (!this.#isThere(place)) return;
      const outcome = await this.#begin(place);
      if (outcome.kind === 'ready') break;
      if (!this.#isThere(place)) return;
      pauseMs = pauseAfter(place, seconds(0));
      this.#ports.onStartFailed(place.number, outcome.failure, pauseMs);
    }
    place.changing = false;
    const { worker } = place;
    // There may be fewer places than when it began.
    if (worker !== null && !this.#isThere(place)) await this.#end(worker, 'leave', this.#team.leaveWithin);
  }

  #isThere(place: Place): boolean {
    return !this.#stopping.signal.aborted && this.#places.get(place.number) === place;
  }

  async #end(worker: WorkerProcess, wish: 'leave' | 'stop', within: Seconds): Promise<void> {
    worker[wish]();
    const overdue = setTimeout(() => {
      this.#ports.onOverdue(worker);
      worker.kill();
    }, within * 1000);
    await worker.ended;
    clearTimeout(overdue);
  }

  #placeOf(number: number): Place {
    const known = this.#places.get(number);
    if (known !== undefined) return known;
    const place: Place = {
      number,
      worker: null,
      since: this.#ports.clock.now(),
      crashes: 0,
      changing: false,
    };
    this.#places.set(number, place);
    return place;
  }
}

const STOPPING: StartOutcome = {
  kind: 'failed',
  failure: { exitCode: 1, code: 'stopping', message: 'all workers are about to end' },
};

/** How long to wait before another worker takes a place after one that has served for so long, in milliseconds. */
function pauseAfter(place: Place, served: Seconds): number {
  place.crashes = crashesInRow(place.crashes, served);
  return restartPauseMs(place.crashes);
}
