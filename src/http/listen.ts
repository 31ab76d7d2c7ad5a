import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSocketServer, type Socket, type Server as SocketServer } from 'node:net';
import { SetupFault } from '#src/fault.ts';
import type { Seconds } from '#src/units.ts';

export interface ListenOptions {
  /** The addresses to listen on, all with one port. One that this machine lacks may be left out, but not all. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly headersTimeout: Seconds;
  readonly requestTimeout: Seconds;
  readonly keepAliveTimeout: Seconds;
  readonly connectionsMax: number | null;
}

export interface Listening {
  /** Takes no new connections, lets the requests that are under way finish, and cuts off what is left at `grace`. */
  stop(grace: Seconds): Promise<void>;
}

/** Headers beyond this are no request of an honest client; tokens travel in them, so it is more than a page. */
const HEADERS_BYTES_MAX = 32 * 1024;

/**
 * Serves HTTP on every address. A slow client is cut off at the timeouts: RFC 9110 section 15.5.9.
 * @throws SetupFault when the port is taken or not allowed.
 */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<Listening> {
  const server = createServer({
    maxHeaderSize: HEADERS_BYTES_MAX,
    headersTimeout: options.headersTimeout * 1000,
    requestTimeout: options.requestTimeout * 1000,
    keepAliveTimeout: options.keepAliveTimeout * 1000,
    connectionsCheckingInterval: Math.min(options.headersTimeout * 1000, 5000),
    noDelay: true,
  });
  if (options.connectionsMax !== null) server.maxConnections = options.connectionsMax;
  let stopping = false;
  server.on('request', (request, response) => {
    // Whoever keeps the connection open is told not to count on it.
    if (stopping) response.setHeader('Connection', 'close');
    listener(request, response);
  });
  const [first = 'localhost', ...others] = options.addresses;
  const doors: SocketServer[] = [];
  try {
    await open(server, first, options.port);
    for (const address of others) {
      // One HTTP server behind several doors: its timeouts and its graceful stop hold for all of them.
      const door = createSocketServer({ noDelay: true }, (socket: Socket) =>
        server.emit('connection', socket),
      );
      if (await opened(door, address, options.port)) doors.push(door);
    }
  } catch (problem) {
    for (const door of [server, ...doors]) door.close();
    throw problem;
  }
  return {
    stop: async (grace) => {
      stopping = true;
      for (const door of doors) door.close();
      await drained(server, grace);
    },
  };
}

async function drained(server: Server, grace: Seconds): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const deadline = setTimeout(() => server.closeAllConnections(), grace * 1000);
  await closed;
  clearTimeout(deadline);
}

async function open(server: SocketServer, host: string, port: number): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (problem) {
    throw listenFault(problem as NodeJS.ErrnoException, host, port);
  }
}

/** A machine without IPv6 has no ::1, and that is all right. */
async function opened(server: SocketServer, host: string, port: number): Promise<boolean> {
  try {
    await open(server, host, port);
    return true;
  } catch (problem) {
    const { code } = ((problem as SetupFault).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return false;
    throw problem;
  }
}

function listenFault(cause: NodeJS.ErrnoException, host: string, port: number): SetupFault {
  const where = `${host} port ${port}`;
  if (cause.code === 'EADDRINUSE') {
    return new SetupFault(
      `${where} is in use already`,
      'stop what runs there, or set KEYTURN_PORT to another port',
      { cause },
    );
  }
  if (cause.code === 'EACCES') {
    return new SetupFault(`listening on ${where} is not permitted`, 'set KEYTURN_PORT to a port above 1023', {
      cause,
    });
  }
  return new SetupFault(`cannot listen on ${where}: ${cause.code}`, 'check KEYTURN_HOST and KEYTURN_PORT', {
    cause,
  });
}
