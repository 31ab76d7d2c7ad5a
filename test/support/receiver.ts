import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** Somebody else's server on the loopback interface, which Keyturn calls. */
export interface Receiver extends AsyncDisposable {
  readonly origin: string;
  /** Every call so far, answered or not. */
  readonly received: readonly ReceivedCall[];
  /** The next call that nobody has asked for yet, once it has come. */
  next(): Promise<ReceivedCall>;
  /** From now on answers so; `null` not at all. */
  answer(behaviour: ((response: ServerResponse) => void) | null): void;
}

export interface ReceivedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers 200 until told otherwise. */
export async function startReceiver(): Promise<Receiver> {
  const received: ReceivedCall[] = [];
  const waiting: ((call: ReceivedCall) => void)[] = [];
  let asked = 0;
  let behaviour: ((response: ServerResponse) => void) | null = (response) => response.end();
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const call = { method, path: url, headers, body: await text(request) };
    received.push(call);
    behaviour?.(response);
    if (waiting.length > 0) asked += 1;
    waiting.shift()?.(call);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    next: async () => {
      const call = received[asked];
      if (call === undefined) return new Promise((arrived) => waiting.push(arrived));
      asked += 1;
      return call;
    },
    answer: (next) => {
      behaviour = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
