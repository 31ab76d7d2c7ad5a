import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { LogLines } from '#src/cli/log-lines.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';
import { until } from '#test/support/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A log with a reader that takes what `takes` says: how many bytes of a write, or the code of an error. */
function logTo(takes: (bytes: number) => number | string) {
  const writes: string[] = [];
  const broken: Error[] = [];
  const lost: number[] = [];
  const write = (_fd: number, bytes: Buffer): number => {
    const taken = takes(bytes.length);
    if (typeof taken === 'string') throw Object.assign(new Error(taken), { code: taken });
    writes.push(bytes.toString('utf8', 0, taken));
    return taken;
  };
  const lines = new LogLines({
    fd: -1,
    write: write as never,
    onBroken: (error) => broken.push(error),
    onLost: (count) => {
      lost.push(count);
      log.warn({ count }, 'lost');
    },
  });
  const log = pino({ base: null, timestamp: false }, lines);
  return { log, lines, writes, broken, lost, numbers: () => numbersIn(writes.join('')) };
}

const numbersIn = (written: string): readonly number[] =>
  written
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).i ?? -1);

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the lines of the log', () => {
  test('of one turn of the event loop are one write, and none longer than a pipe takes as a whole', async () => {
    const { log, writes, numbers } = logTo((bytes) => bytes);
    for (const i of upTo(3)) log.info({ i });
    assert.equal(writes.length, 0);
    await setImmediate();
    assert.equal(writes.length, 1);
    for (const i of upTo(500)) log.info({ i, umlauts: 'ü'.repeat(i % 40) });
    await setImmediate();
    assert.deepEqual(numbers(), [0, 1, 2, ...upTo(500)]);
    for (const written of writes) {
      assert(Buffer.byteLength(written) <= 4096, `${written.length} bytes at once`);
      assert(written.endsWith('\n'), 'a line is torn apart');
    }
    assert(writes.length < 20, `${writes.length} writes`);
  });

  test('are written at once from a warning on, after those before it', () => {
    const { log, writes, numbers } = logTo((bytes) => bytes);
    log.info({ i: 0 });
    log.warn({ i: 1 });
    assert.deepEqual(numbers(), [0, 1]);
    log.error({ i: 2 });
    assert.deepEqual([numbers(), writes.length], [[0, 1, 2], 2]);
  });

  test('wait for a reader who is slow or takes a part, and for room on the disk, and keep their order', async () => {
    for (const pause of ['EAGAIN', 'ENOSPC']) {
      let asked = 0;
      const { log, lost, numbers, writes } = logTo((bytes) => {
        asked += 1;
        return asked % 3 === 0 ? Math.min(bytes, 1000) : pause;
      });
      for (const i of upTo(200)) {
        log[i % 7 === 0 ? 'warn' : 'info']({ i });
        if (i % 10 === 0) await setImmediate();
      }
      await until('everything is written', () => writes.join('').includes('"i":199}\n'));
      assert.deepEqual([numbers(), lost], [upTo(200), []]);
    }
  });

  test('are held in memory only so far, are lost when the reader takes nothing for long, and are told of', async () => {
    let reads = false;
    const { log, lost, writes } = logTo((bytes) => (reads ? bytes : 'EAGAIN'));
    const filling = 'x'.repeat(1000);
    for (const i of upTo(12_000)) log.info({ i, filling });
    reads = true;
    await until('what is lost is told', () => lost.length > 0);
    const numbers = numbersIn(writes.join(''));
    const kept = numbers.length - 1;
    assert.deepEqual(numbers, [...upTo(kept), -1], 'what is left has a gap');
    assert.deepEqual(lost, [12_000 - kept]);
    assert(kept > 8000 && kept < 9000, `${kept} lines of a kilobyte were kept`);
    log.info({ i: 5 });
    await setImmediate();
    assert.equal(numbersIn(writes.join('')).at(-1), 5);
  });

  test('end without a word to anybody once nobody can read them', async () => {
    const { log, lines, broken, lost } = logTo(() => 'EPIPE');
    log.warn({ i: 0 });
    log.warn({ i: 1 });
    lines.end();
    assert.deepEqual([broken.map(({ message }) => message), lost], [['EPIPE'], []]);
  });

  for (const end of [
    'process.exit(0)',
    "throw new Error('a fault')",
    'setTimeout(() => process.exit(0), 50)',
  ]) {
    test(`are all there after ${end}, in a file and in a pipe that is read late`, async () => {
      await using directory = await makeTemporaryDirectory();
      const file = join(directory.path, 'log');
      for (const stdout of ['pipe', openSync(file, 'w')] as const) {
        const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', writing(end)], {
          cwd: ROOT,
          stdio: ['ignore', stdout, 'ignore', 'pipe'],
        });
        // It has written as much as a pipe holds, and more.
        await once(child.stdio[3] as NodeJS.ReadableStream, 'data');
        const written = child.stdout === null ? null : await text(child.stdout);
        if (child.exitCode === null) await once(child, 'exit');
        assert.deepEqual(numbersIn(written ?? readFileSync(file, 'utf8')), upTo(2000));
      }
    });
  }

  test('stay whole where several processes write to one pipe that is full again and again', async () => {
    const script = writing('setTimeout(() => process.exit(0), 50)');
    const three = Array(3).fill('"$0" --input-type=module-typescript -e "$1" 3>/dev/null &').join(' ');
    const shell = spawn('sh', ['-c', `${three} wait`, process.execPath, script], { cwd: ROOT });
    const numbers = numbersIn(await text(shell.stdout));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      upTo(6000).map((i) => Math.floor(i / 3)),
    );
  });
});

const writing = (end: string): string => `
  import { writeSync } from 'node:fs';
  import { createLog } from '#src/cli/log.ts';
  import { Terminal } from '#src/cli/terminal.ts';
  const onExit = (heard) => process.on('exit', heard);
  const log = createLog({ terminal: new Terminal(process), onExit }, { level: 'info', forPeople: false });
  for (let i = 0; i < 2000; i += 1) log.info({ i, filling: 'x'.repeat(50) });
  writeSync(3, 'written');
  ${end};
`;
