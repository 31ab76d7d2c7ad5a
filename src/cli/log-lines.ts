import { writeSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers';

/**
 * A write of no more than this to a pipe is done as a whole or not at all (`PIPE_BUF` of Linux), so that the lines of
 * several processes with one stdout stay whole. Two dozen lines share one.
 */
const WRITE_BYTES_MAX = 4096;

const NEWLINE = 0x0a;

/** What may wait for a reader: tens of thousands of lines. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

const RETRY_AFTER_MS = 5;

/** A reader who takes nothing for so long is not waited for any longer. */
const READER_SILENT_MAX_MS = 1_000;

/** Nor is one who takes a little now and then. */
const WAIT_MAX_MS = 5_000;

/** From here on (`warn`) a line is written at once, with those before it. */
const URGENT_LEVEL = 40;

/** The disk is full, or nobody reads as quickly as is written. Both pass. */
const PASSING: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'EBUSY', 'EINTR', 'ENOSPC', 'EDQUOT']);

const TOLD_LEVELS: unique symbol = Symbol.for('pino.metadata');

export interface LogLinesOptions {
  readonly fd: number;
  /** Nothing can be written any more. Whatever is logged from now on is lost. */
  readonly onBroken: (error: Error) => void;
  /** Lines are written again, and so many before them are lost. */
  readonly onLost: (count: number) => void;
  readonly write?: typeof writeSync;
}

/**
 * Where pino writes to: the lines of a turn of the event loop in one write, at its end, and warnings and errors at once.
 * While nobody reads, lines wait in memory; when that is full, the process waits for the reader, and only if the reader takes
 * nothing for a second, lines are lost, counted and told of.
 *
 * pino's own destination either stops the process in steps of a tenth of a second when a pipe is full, or leaves writing
 * to threads, which do not get to it when the process ends.
 */
export class LogLines {
  /** Has pino set `lastLevel`. */
  readonly [TOLD_LEVELS] = true;
  lastLevel = 0;

  readonly #options: LogLinesOptions;
  /** What the next write begins with, once nothing waits. */
  #lines = '';
  /** What could not be written yet, in the order in which it is to be. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #state: 'flowing' | 'held-up' | 'given-up' | 'broken' = 'flowing';
  #lost = 0;
  #turnEnds = false;
  #triedAgain = false;

  constructor(options: LogLinesOptions) {
    this.#options = options;
  }

  write(line: string): void {
    if (this.#state === 'broken') return;
    if (this.#state === 'given-up') {
      this.#lost += 1;
      return;
    }
    if (this.#lines.length + line.length > WRITE_BYTES_MAX) {
      this.#close();
      this.#flush();
    }
    this.#lines += line;
    if (this.lastLevel >= URGENT_LEVEL) this.#flush();
    else if (!this.#turnEnds) {
      this.#turnEnds = true;
      setImmediate(this.#endOfTurn);
    }
  }

  /** Writes everything, and waits for the reader for a bounded time. For the end of the process. */
  end(): void {
    if (this.#state !== 'given-up') this.#writeUntil(() => this.#waiting.length === 0);
  }

  readonly #endOfTurn = (): void => {
    this.#turnEnds = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#state === 'flowing') this.#writeWaiting();
    else if (this.#waitingBytes > WAITING_BYTES_MAX) this.#waitForRoom();
  }

  #close(): void {
    if (this.#lines === '') return;
    const bytes = Buffer.from(this.#lines);
    this.#lines = '';
    this.#waiting.push(...writesOf(bytes));
    this.#waitingBytes += bytes.length;
  }

  #waitForRoom(): void {
    if (!this.#writeUntil(() => this.#waitingBytes <= WAITING_BYTES_MAX)) this.#state = 'given-up';
  }

  /** Stops everything until that much is written. False if the reader is silent, or it takes too long. */
  #writeUntil(done: () => boolean): boolean {
    const startedAt = performance.now();
    let takenAt = startedAt;
    for (;;) {
      const before = this.#waitingBytes;
      this.#writeWaiting();
      if (done()) return true;
      const now = performance.now();
      if (this.#waitingBytes < before) takenAt = now;
      if (now - takenAt > READER_SILENT_MAX_MS || now - startedAt > WAIT_MAX_MS) return false;
      sleep(RETRY_AFTER_MS);
    }
  }

  /** Writes until there is nothing left, or until nothing is taken; then it is tried again in a while. */
  #writeWaiting(): void {
    const { fd, write = writeSync } = this.#options;
    try {
      for (;;) {
        if (this.#waiting.length === 0) this.#close();
        const [first] = this.#waiting;
        if (first === undefined) break;
        const written = write(fd, first);
        this.#waitingBytes -= written;
        if (written < first.length) this.#waiting[0] = first.subarray(written);
        else this.#waiting.shift();
      }
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException);
      return;
    }
    this.#flow();
  }

  #flow(): void {
    if (this.#state !== 'broken') this.#state = 'flowing';
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#options.onLost(lost);
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (PASSING.has(error.code)) {
      if (this.#state === 'flowing') this.#state = 'held-up';
      this.#tryAgain();
      return;
    }
    this.#state = 'broken';
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#options.onBroken(error);
  }

  /** The timer keeps no process alive: at its end, `end` sees to what waits. */
  #tryAgain(): void {
    if (this.#triedAgain) return;
    this.#triedAgain = true;
    setTimeout(() => {
      this.#triedAgain = false;
      this.#writeWaiting();
    }, RETRY_AFTER_MS).unref();
  }
}

/** Lines were put together by their characters, of which some take several bytes. */
function writesOf(lines: Buffer): readonly Buffer[] {
  const writes: Buffer[] = [];
  let rest = lines;
  while (rest.length > WRITE_BYTES_MAX) {
    const last = rest.lastIndexOf(NEWLINE, WRITE_BYTES_MAX - 1);
    const end = 1 + (last === -1 ? rest.indexOf(NEWLINE) : last);
    if (end === 0) break;
    writes.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return rest.length === 0 ? writes : [...writes, rest];
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
