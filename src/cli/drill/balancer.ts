import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

/** One address in front of several servers, as a load balancer is. */
export interface Balancer extends AsyncDisposable {
  readonly origin: string;
}

/** Listens on a free port of the loopback interface. `port` says who is to answer; `null` if nobody is there. */
export async function startBalancer(port: () => number | null): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    const chosen = port();
    if (chosen === null) outgoing.writeHead(503).end();
    else passOn(incoming, outgoing, { port: chosen, agent });
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  return {
    origin: `http://${LOOPBACK}:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export const LOOPBACK = '127.0.0.1';

/** A port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server of TCP has a port');
  return address.port;
}

function passOn(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  to: { readonly port: number; readonly agent: Agent },
): void {
  const { method, url, headers } = incoming;
  const passed = request({ ...to, host: LOOPBACK, method, path: url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(outgoing);
  });
  passed.on('error', () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502).end();
  });
  incoming.pipe(passed);
}
