import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Answer, AnswerReader, headerOf } from '#test/bench/load/answer.ts';

/** Somebody at one connection, who asks, reads the answer, and asks again. */
export interface Visitor {
  /** The next request as bytes on the wire; `null` when there is nothing left to ask. */
  next(): string | null;
  /**
   * Reads the answer to it. True if an operation is complete with that; one may take several requests.
   * @throws WrongAnswer
   */
  read(answer: Answer): boolean;
}

/** The server did not do what was measured, so there is nothing to measure. */
export class WrongAnswer extends Error {
  constructor(expected: string, { status, head, body }: Answer) {
    const location = /\r\nlocation: ?([^\r]*)/i.exec(head)?.[1] ?? '';
    super(`expected ${expected}, got ${status} ${location} ${body.slice(0, 300)}`.trim());
  }
}

export interface Drive {
  readonly operations: number;
  /** How long each operation took, in milliseconds. */
  readonly latencies: readonly number[];
  readonly wallSeconds: number;
  /** How often the server said that it was too busy, and was asked again after a pause. */
  readonly turnedAway: number;
}

/** Open connections to a server. One on which nothing is asked for some seconds is closed by most servers. */
export interface Connections extends Disposable {
  readonly sockets: readonly Socket[];
}

/** At each port about the same number. */
export async function openConnections(ports: readonly number[], count: number): Promise<Connections> {
  const sockets = Array.from({ length: count }, (_, index) =>
    connect({ host: '127.0.0.1', port: ports[index % ports.length] as number, noDelay: true }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return {
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface DriveOptions {
  /** Asked every now and then; once it is true no visitor begins another operation. */
  readonly enough?: () => boolean;
  /** How long a visitor waits between an operation and the next. */
  readonly pauseMs?: number;
}

/** How often it is asked whether it is enough. */
const ENOUGH_EVERY_MS = 10;

/**
 * Lets one visitor at each connection ask and read until it is enough, or all have nothing left to ask. What has begun by
 * then is brought to its end.
 * @throws WrongAnswer for the first answer that is not what it should be.
 */
export async function drive(
  { sockets }: Connections,
  visitors: readonly Visitor[],
  { enough = () => false, pauseMs = 0 }: DriveOptions = {},
): Promise<Drive> {
  const latencies: number[] = [];
  const turnedAway = { times: 0 };
  const startedAt = performance.now();
  let over = false;
  const looking = setInterval(() => {
    over ||= enough();
  }, ENOUGH_EVERY_MS);
  const isOver = () => over;
  const visits = visitors.map((visitor, index) =>
    visit(sockets[index] as Socket, visitor, { isOver, pauseMs, latencies, turnedAway }),
  );
  const outcomes = await Promise.allSettled(visits);
  clearInterval(looking);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return {
    operations: latencies.length,
    latencies,
    wallSeconds: (performance.now() - startedAt) / 1000,
    turnedAway: turnedAway.times,
  };
}

interface VisitOptions {
  readonly isOver: () => boolean;
  readonly pauseMs: number;
  readonly latencies: number[];
  readonly turnedAway: { times: number };
}

/** How long somebody waits who was told that the server is too busy. */
const TURNED_AWAY_MS = 50;

const isTurnedAway = (answer: Answer) => answer.status === 503 && headerOf(answer, 'retry-after') !== null;

function visit(
  socket: Socket,
  visitor: Visitor,
  { isOver, pauseMs, latencies, turnedAway }: VisitOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const reader = new AnswerReader();
  let begunAt = performance.now();
  let request: string | null = null;
  const send = () => void socket.write(request ?? '', 'latin1');
  const ask = () => {
    request = visitor.next();
    if (request === null) resolve();
    else send();
  };
  const begin = () => {
    begunAt = performance.now();
    ask();
  };
  const onData = (chunk: Buffer) => {
    try {
      const answer = reader.add(chunk);
      if (answer === null) return;
      if (isTurnedAway(answer)) {
        turnedAway.times += 1;
        if (isOver()) resolve();
        else setTimeout(send, TURNED_AWAY_MS);
        return;
      }
      if (!visitor.read(answer)) return ask();
      latencies.push(performance.now() - begunAt);
      if (isOver()) resolve();
      else if (pauseMs > 0) setTimeout(begin, pauseMs);
      else begin();
    } catch (problem) {
      reject(problem);
    }
  };
  const onClose = () => reject(new Error('the server closed a connection'));
  socket.on('data', onData).once('close', onClose).once('error', reject);
  begin();
  return promise.finally(() => {
    socket.off('data', onData).off('close', onClose).off('error', reject);
  });
}
