import { once } from 'node:events';
import { connect } from 'node:net';

/** An answer as it came over the wire. */
export interface RawResponse {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/**
 * Writes bytes to a server as they are, whether or not they are a request, and reads until it closes the connection.
 * Only for answers that say how long they are.
 */
export async function exchange(
  origin: string,
  ...pieces: readonly (string | Buffer)[]
): Promise<RawResponse[]> {
  const { hostname, port } = new URL(origin);
  const socket = connect({ host: hostname, port: Number(port), family: 4 });
  socket.on('error', () => {});
  const received: Buffer[] = [];
  socket.on('data', (data) => received.push(data));
  for (const piece of pieces) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  await once(socket, 'close');
  return responsesIn(Buffer.concat(received).toString('latin1'));
}

/**
 * Sends one request many times at once, each on a connection of its own: the last byte of all of them goes out in one
 * turn, when the server has everything else, so that none has an answer before the others are being served.
 */
export async function allAtOnce(origin: string, request: string, times: number): Promise<RawResponse[]> {
  const { hostname, port } = new URL(origin);
  const bytes = Buffer.from(request, 'latin1');
  const sockets = Array.from({ length: times }, () =>
    connect({ host: hostname, port: Number(port), family: 4 }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const received = sockets.map(async (socket) =>
    Buffer.concat(await Array.fromAsync(socket)).toString('latin1'),
  );
  await Promise.all(
    sockets.map((socket) => new Promise((sent) => socket.write(bytes.subarray(0, -1), sent))),
  );
  for (const socket of sockets) socket.write(bytes.subarray(-1));
  return (await Promise.all(received)).flatMap(responsesIn);
}

/** A request in the words of HTTP/1.1, which asks to close the connection unless its headers say otherwise. */
export function rawRequest(line: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const all = {
    Host: 'localhost',
    Connection: 'close',
    ...(body === '' ? undefined : { 'Content-Length': String(Buffer.byteLength(body, 'latin1')) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

function responsesIn(text: string): RawResponse[] {
  const [, status, head = '', rest = ''] =
    /^HTTP\/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n(.*)$/s.exec(text) ?? [];
  if (status === undefined) return [];
  const headers = new Map(
    head
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  const length = Number(headers.get('content-length') ?? 0);
  return [
    { status: Number(status), headers, body: rest.slice(0, length) },
    ...responsesIn(rest.slice(length)),
  ];
}
