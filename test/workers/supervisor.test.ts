import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { seconds } from '#src/units.ts';
import { Supervisor } from '#src/workers/supervisor.ts';
import {
  type Ending,
  endingText,
  type SeatNumber,
  type StartOutcome,
  type WorkerProcess,
  WorkerStartFault,
} from '#src/workers/worker-process.ts';

const READY: StartOutcome = { kind: 'ready', created: false };
const FAILED: StartOutcome = {
  kind: 'failed',
  failure: { exitCode: 1, code: 'port_taken', message: 'the port is taken' },
};

/** A process that does what the test says, and ends when it is asked to unless the test says otherwise. */
class Process implements WorkerProcess {
  readonly pid: number;
  readonly seat: SeatNumber;
  readonly told: string[] = [];
  obeys = true;
  answers = true;
  readonly #started = Promise.withResolvers<StartOutcome>();
  readonly #ended = Promise.withResolvers<Ending>();

  constructor(pid: number, seat: SeatNumber) {
    this.pid = pid;
    this.seat = seat;
  }

  get started(): Promise<StartOutcome> {
    return this.#started.promise;
  }

  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  become(outcome: StartOutcome): void {
    this.#started.resolve(outcome);
  }

  end(ending: Partial<Ending>): void {
    this.#started.resolve(FAILED);
    this.#ended.resolve({ code: null, signal: null, problem: null, ...ending });
  }

  async metrics(): Promise<string | null> {
    return `of ${this.pid}`;
  }

  lastMetrics(): string | null {
    return `of ${this.pid}`;
  }

  ask(answered: () => void): void {
    if (this.answers) answered();
  }

  leave(): void {
    this.#asked('leave');
  }

  stop(): void {
    this.#asked('stop');
  }

  kill(): void {
    this.told.push('kill');
    this.end({ signal: 'SIGKILL' });
  }

  #asked(wish: string): void {
    this.told.push(wish);
    if (this.obeys) this.end({ code: 0 });
  }
}

/** A supervisor of processes that become what `fate` says, or wait for the test if that is `null`. */
function supervising(workers: number, fate: (process: Process) => StartOutcome | null = () => READY) {
  const processes: Process[] = [];
  const heard: string[] = [];
  const gone: string[] = [];
  const waiting: { count: number; enough: () => void }[] = [];
  const team = (count: number, within = seconds(600)) => ({
    workers: count,
    stopWithin: within,
    leaveWithin: within,
    silenceMax: seconds(30),
  });
  const hear = (text: string) => {
    heard.push(text);
  };
  const rolled = { settle: (_outcome: string) => {} };
  const supervisor = new Supervisor(team(workers), {
    clock: systemClock,
    fork: (seat) => {
      const process = new Process(processes.length + 1, seat);
      processes.push(process);
      const outcome = fate(process);
      if (outcome !== null) process.become(outcome);
      for (const each of waiting) if (processes.length >= each.count) each.enough();
      return process;
    },
    onGone: (measured) => gone.push(measured),
    onReady: (seat) => hear(`${seat} ready`),
    onCrash: (seat, _worker, ending, pauseMs) => hear(`${seat} ${endingText(ending)}, again in ${pauseMs}`),
    onStartFailed: (seat, { code }, pauseMs) => hear(`${seat} ${code}, again in ${pauseMs}`),
    onSilent: (seat) => hear(`${seat} silent`),
    onOverdue: ({ pid }) => hear(`${pid} overdue`),
    onRolled: (outcome) => rolled.settle(outcome),
  });
  return {
    supervisor,
    processes,
    heard,
    gone,
    team,
    process: (pid: number) => processes[pid - 1] as Process,
    begun: (count: number) =>
      new Promise<void>((enough) => {
        waiting.push({ count, enough });
        if (processes.length >= count) enough();
      }),
    roll: (next = team(workers)) =>
      new Promise<string>((settle) => {
        rolled.settle = settle;
        supervisor.roll(next);
      }),
    /** Who serves: neither ended nor asked to. */
    serving: () => processes.filter(({ told }) => told.length === 0).map(({ pid }) => pid),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('at the start', () => {
  test('the first worker begins alone, and all others once it serves', async () => {
    const { supervisor, processes, process } = supervising(3, ({ pid }) => (pid === 1 ? null : READY));
    const started = supervisor.start();
    await turn();
    assert.equal(processes.length, 1);
    process(1).become({ kind: 'ready', created: true });
    assert.deepEqual(await started, { created: true });
    assert.deepEqual(
      processes.map(({ seat }) => `${seat.number}/${seat.of}`),
      ['1/3', '2/3', '3/3'],
    );
  });

  test('a worker that cannot serve ends all, and nothing is tried again', async () => {
    const { supervisor, processes, process } = supervising(3, ({ pid }) => (pid === 3 ? FAILED : READY));
    await assert.rejects(
      supervisor.start(),
      (fault) => fault instanceof WorkerStartFault && fault.failure.code === 'port_taken',
    );
    assert.deepEqual([process(1).told, process(2).told], [['stop'], ['stop']]);
    assert.equal(processes.length, 3);
  });

  test('a stop leaves nobody behind, and is no failure', async () => {
    const { supervisor, processes } = supervising(2, () => null);
    const started = supervisor.start();
    await supervisor.stop();
    assert.equal(await started, null);
    assert.deepEqual(
      processes.map(({ told }) => told),
      [['stop']],
    );
  });
});

describe('a worker that ends by itself', () => {
  test('is replaced at once, and the others are left alone', async () => {
    const { supervisor, process, begun, heard, serving } = supervising(2);
    await supervisor.start();
    process(1).end({ signal: 'SIGKILL' });
    await begun(3);
    await turn();
    assert.deepEqual(process(3).seat, { number: 1, of: 2 });
    assert.deepEqual(heard.slice(2), ['1 was ended by SIGKILL, again in 0', '1 ready']);
    assert.equal(serving().includes(2), true);
    await supervisor.stop();
  });

  test('is tried again for as long as it takes, with a pause between', async () => {
    const { supervisor, process, begun, heard } = supervising(2, ({ pid }) => (pid === 3 ? FAILED : READY));
    await supervisor.start();
    process(2).end({ code: 1 });
    await begun(4);
    await turn();
    assert.deepEqual(heard.slice(2), [
      '2 ended with exit code 1, again in 0',
      '2 port_taken, again in 500',
      '2 ready',
    ]);
    await supervisor.stop();
  });
});

describe('a rolling restart', () => {
  test('has each worker serve before the one in its place is asked to leave, one at a time', async () => {
    let begins: () => void = () => {};
    const states: string[][] = [];
    const { supervisor, processes, roll, serving, gone } = supervising(2, () => {
      begins();
      return READY;
    });
    await supervisor.start();
    begins = () => states.push(processes.map(({ told }) => told.join()));
    assert.equal(await roll(), 'done');
    assert.deepEqual(states, [
      ['', '', ''],
      ['leave', '', '', ''],
    ]);
    assert.deepEqual(serving(), [3, 4]);
    assert.deepEqual(gone, ['of 1', 'of 2']);
    await supervisor.stop();
  });

  test('ends where a new worker cannot serve, and the others go on as they are', async () => {
    const { supervisor, roll, serving, heard } = supervising(3, ({ pid }) => (pid === 5 ? FAILED : READY));
    await supervisor.start();
    assert.equal(await roll(), 'given-up');
    assert.deepEqual(serving(), [2, 3, 4, 5]);
    assert.equal(heard.at(-1), '2 port_taken, again in null');
    await supervisor.stop();
  });

  test('brings as many workers as the settings say now', async () => {
    const { supervisor, roll, team, processes, serving } = supervising(2);
    await supervisor.start();
    assert.equal(await roll(team(3)), 'done');
    assert.deepEqual(serving(), [3, 4, 5]);
    assert.deepEqual(processes[4]?.seat, { number: 3, of: 3 });
    assert.equal(await roll(team(1)), 'done');
    assert.deepEqual(serving(), [6]);
    await supervisor.stop();
  });

  test('that is asked for again while it is under way follows once, with the settings of then', async () => {
    const { supervisor, roll, team, process, processes, begun } = supervising(2, ({ pid }) =>
      pid === 3 ? null : READY,
    );
    await supervisor.start();
    const first = roll();
    await begun(3);
    supervisor.roll(team(3));
    supervisor.roll(team(2));
    process(3).become(READY);
    await first;
    await begun(6);
    await turn();
    assert.equal(processes.length, 6);
    assert.deepEqual(processes[5]?.seat, { number: 2, of: 2 });
    await supervisor.stop();
  });

  test('that meets a crash gives each place one worker', async () => {
    const { supervisor, roll, process, processes, begun, serving } = supervising(2, ({ pid }) =>
      pid === 3 ? null : READY,
    );
    await supervisor.start();
    const rolled = roll();
    await begun(3);
    process(1).end({ signal: 'SIGKILL' });
    await turn();
    process(3).become(READY);
    assert.equal(await rolled, 'done');
    assert.equal(processes.length, 4);
    assert.deepEqual(serving().slice(-2), [3, 4]);
    await supervisor.stop();
  });

  test('whose new worker fails while the old one crashes tries again', async () => {
    const { supervisor, roll, process, begun, heard } = supervising(2, ({ pid }) =>
      pid === 3 ? null : READY,
    );
    await supervisor.start();
    const rolled = roll();
    await begun(3);
    process(1).end({ signal: 'SIGKILL' });
    await turn();
    process(3).become(FAILED);
    assert.equal(await rolled, 'given-up');
    await begun(4);
    await turn();
    assert.deepEqual([process(4).seat.number, heard.at(-1)], [1, '1 ready']);
    await supervisor.stop();
  });

  test('is cut short by a stop, which ends old and new', async () => {
    const { supervisor, roll, begun, serving } = supervising(2, ({ pid }) => (pid === 3 ? null : READY));
    await supervisor.start();
    void roll();
    await begun(3);
    await supervisor.stop();
    await turn();
    assert.deepEqual(serving(), []);
  });
});

test('a worker that does not end in time is killed', async () => {
  const { supervisor, process, roll, team, heard } = supervising(1);
  await supervisor.start();
  process(1).obeys = false;
  assert.equal(await roll(team(1, seconds(0))), 'done');
  assert.deepEqual(process(1).told, ['leave', 'kill']);
  process(2).obeys = false;
  await supervisor.stop();
  assert.deepEqual(process(2).told, ['stop', 'kill']);
  assert.deepEqual(heard.slice(-1), ['2 overdue']);
});

describe('a worker that serves', () => {
  const asked = (times: number) => mock.timers.tick(times * 10_000);

  beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
  afterEach(() => mock.timers.reset());

  test('and gives no sign of life is killed, and another takes its place', async () => {
    const { supervisor, process, begun, heard, serving } = supervising(2);
    await supervisor.start();
    process(1).answers = false;
    asked(3);
    assert.deepEqual(process(1).told, [], 'it may answer yet');
    asked(1);
    await begun(3);
    await turn();
    assert.deepEqual(process(1).told, ['kill']);
    assert.deepEqual(heard.slice(2), ['1 silent', '1 was ended by SIGKILL, again in 0', '1 ready']);
    assert.deepEqual(serving(), [2, 3]);
    asked(100);
    assert.deepEqual(process(1).told, ['kill'], 'once');
    await supervisor.stop();
  });

  test('and answers late, but answers, goes on', async () => {
    const { supervisor, process, serving } = supervising(1);
    await supervisor.start();
    for (let round = 0; round < 10; round += 1) {
      process(1).answers = false;
      asked(2);
      process(1).answers = true;
      asked(1);
    }
    assert.deepEqual(serving(), [1]);
    await supervisor.stop();
  });

  test('is asked again by the measure that the settings have by then', async () => {
    const { supervisor, process, team, roll } = supervising(1);
    await supervisor.start();
    await roll({ ...team(1), silenceMax: seconds(300) });
    process(2).answers = false;
    asked(30);
    assert.deepEqual(process(2).told, []);
    asked(10);
    assert.deepEqual(process(2).told, ['kill']);
    await supervisor.stop();
  });
});
