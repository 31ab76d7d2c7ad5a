import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import { createServer as createSocketServer, type Socket, Server as SocketServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { SetupFault } from '#src/fault.ts';
import { secureContextOptions, type TlsMaterial } from '#src/http/tls-files.ts';
import type { Seconds } from '#src/units.ts';

export interface ListenOptions {
  /** The addresses to listen on, all with one port. One that this machine lacks may be left out, but not all. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly headersTimeout: Seconds;
  readonly requestTimeout: Seconds;
  readonly keepAliveTimeout: Seconds;
  readonly connectionsMax: number | null;
  /** Without it HTTP is spoken in clear. */
  readonly tls: {
    readonly material: TlsMaterial;
    /** Whether clients are asked for a certificate. Whatever they show, or not, the connection stands: RFC 8705 section 7.1. */
    readonly asksForCertificate: boolean;
  } | null;
}

export interface Listening {
  /** Takes no new connections, lets the requests that are under way finish, and cuts off what is left at `grace`. */
  stop(grace: Seconds): Promise<void>;
  /**
   * Takes no new connections, and serves those that are open until the last has come to its end: each is closed after
   * its next answer, or once it has been idle for as long as an idle connection may be. So nobody's request meets a
   * connection that is just being closed. `stop` may follow at any time.
   */
  drain(): Promise<void>;
  /** How many connections are open. */
  connections(): number;
  /** Speaks TLS with other material from the next connection on; those that are open go on. */
  renew(material: TlsMaterial): void;
}

/** Headers beyond this are no request of an honest client; tokens travel in them, so it is more than a page. */
const HEADERS_BYTES_MAX = 32 * 1024;

/**
 * Serves HTTP on every address. A slow client is cut off at the timeouts: RFC 9110 section 15.5.9.
 * @throws SetupFault when the port is taken or not allowed.
 */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<Listening> {
  const server = createServerFor(options);
  if (options.connectionsMax !== null) server.maxConnections = options.connectionsMax;
  const connections = new Set<Socket>();
  let leaving = false;
  let stopping = false;
  const keep = (socket: Socket) => {
    // Its handshake was under way when the server was stopped.
    if (stopping) socket.destroy();
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  };
  // A connection of TLS is two sockets, one that is read in cipher text and one that is read in clear.
  server.on('connection', keep).on('secureConnection', keep);
  const underWay = new Set<ServerResponse>();
  server.on('request', (request, response) => {
    underWay.add(response);
    response.once('close', () => {
      underWay.delete(response);
      // Its headers may have gone out before the stop, and promised to keep the connection.
      if (stopping) server.closeIdleConnections();
    });
    if (leaving) sayGoodbye(response);
    request.url = originForm(request.url ?? '/');
    listener(request, response);
  });
  server.on('clientError', refuseUnreadable);
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
  const leave = (): Promise<unknown> => {
    leaving = true;
    for (const response of underWay) sayGoodbye(response);
    const closed = Promise.all([server, ...doors].map((each) => once(each, 'close')));
    for (const each of [server, ...doors]) closeDoor(each);
    return closed;
  };
  return {
    drain: async () => {
      await leave();
    },
    stop: async (grace) => {
      stopping = true;
      const closed = leave();
      // Browsers and load balancers open connections in advance, and Node takes those for busy.
      for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
      server.closeIdleConnections();
      const deadline = setTimeout(() => {
        server.closeAllConnections();
        // Of these, HTTP knows nothing: TLS has not come to its end there.
        for (const socket of connections) socket.destroy();
      }, grace * 1000);
      await closed;
      clearTimeout(deadline);
      // Only this ends its looking for slow clients.
      server.close();
    },
    connections: () => connections.size,
    renew: (material) => {
      if (server instanceof TlsServer) server.setSecureContext(secureContextOptions(material));
    },
  };
}

function createServerFor(options: ListenOptions): Server | TlsServer {
  const { tls } = options;
  const http = {
    maxHeaderSize: HEADERS_BYTES_MAX,
    headersTimeout: options.headersTimeout * 1000,
    requestTimeout: options.requestTimeout * 1000,
    keepAliveTimeout: options.keepAliveTimeout * 1000,
    connectionsCheckingInterval: Math.min(options.headersTimeout * 1000, 5000),
    noDelay: true,
  };
  if (tls === null) return createServer(http);
  return createTlsServer({
    ...http,
    ...secureContextOptions(tls.material),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: options.headersTimeout * 1000,
    requestCert: tls.asksForCertificate,
    rejectUnauthorized: false,
  });
}

/** What else went wrong than that the request is none. Node's own names. */
const UNREADABLE: ReadonlyMap<string | undefined, string> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Content Too Large'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
]);

/**
 * Answers what cannot be read as a request, which therefore never gets as far as anything that answers requests. Not
 * where the answer to an earlier request has begun: this would end up in the middle of that.
 */
function refuseUnreadable(
  problem: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: ServerResponse | null },
): void {
  if (!socket.writable || problem.code === 'ECONNRESET' || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  const head = [
    `HTTP/1.1 ${UNREADABLE.get(problem.code) ?? '400 Bad Request'}`,
    'Connection: close',
    'Cache-Control: no-store',
    'Content-Length: 0',
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options: nosniff',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n`, () => socket.destroy());
}

/**
 * What is asked for, without the scheme and host that a client may put in front (RFC 9112 section 3.2.2) and that are
 * never believed here, and without a fragment, which no request has. What is left can always be taken apart.
 */
function originForm(target: string): string {
  if (target.startsWith('/') && !target.includes('#')) return target;
  const local = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  return local.startsWith('/') ? local : `/${local}`;
}

/** Whoever keeps the connection open is told not to count on it: RFC 9112 section 9.6. */
function sayGoodbye(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

/**
 * Takes no new connections. A server of HTTP would also close the idle ones, and one of those may be about to carry a
 * request. Tells of its close once more if it has been closed before.
 */
function closeDoor(server: SocketServer): void {
  SocketServer.prototype.close.call(server);
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
