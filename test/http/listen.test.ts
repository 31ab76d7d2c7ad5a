import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { SetupFault } from '#src/fault.ts';
import { type ListenOptions, listen } from '#src/http/listen.ts';
import { seconds } from '#src/units.ts';
import { freePort } from '#test/support/free-port.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';

/** Longer than a test may take: whoever waits for it fails. */
const GRACE = seconds(600);

async function listening(listener: RequestListener, options: Partial<ListenOptions> = {}) {
  const port = await freePort();
  const server = await listen(listener, {
    addresses: ['127.0.0.1'],
    port,
    headersTimeout: seconds(10),
    requestTimeout: seconds(10),
    keepAliveTimeout: seconds(10),
    connectionsMax: null,
    tls: null,
    ...options,
  });
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    stop: server.stop,
    drain: server.drain,
    [Symbol.asyncDispose]: () => server.stop(seconds(0)),
  };
}

const echo: RequestListener = (request, response) => response.end(request.url);

/** A connection, and all that has come over it by the time it is closed. */
async function dial(
  port: number,
  host = '127.0.0.1',
): Promise<{ socket: Socket; received: Promise<string> }> {
  const socket = connect(port, host);
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  const received = once(socket, 'close').then(() => text);
  await once(socket, 'connect');
  return { socket, received };
}

suite('listening', () => {
  test('a request target is brought to the form that names nothing but a path (RFC 9112 section 3.2)', async () => {
    await using server = await listening(echo);
    for (const [target, path] of [
      ['/a?b=c', '/a?b=c'],
      ['http://evil.example/a?b', '/a?b'],
      ['http://evil.example', '/'],
      ['http://evil.example?b', '/?b'],
      ['HTTPS://u:p@h:1/a', '/a'],
      ['http://[', '/'],
      ['http://[::1', '/'],
      ['http:///a', '/a'],
      ['/a#b', '/a'],
      ['/#', '/'],
      ['//evil.example/a', '//evil.example/a'],
      ['*', '/*'],
      ['/http://evil.example/', '/http://evil.example/'],
      ['http://a/http://b/', '/http://b/'],
    ] as const) {
      const [answer] = await exchange(server.origin, rawRequest(`OPTIONS ${target}`));
      assert.equal(answer?.body, path, target);
    }
  });

  test('what is no request is refused without a word too much', async () => {
    await using server = await listening(echo);
    for (const [bytes, status] of [
      ['nonsense\r\n\r\n', 400],
      [rawRequest('GET /', { X: 'x'.repeat(40_000) }), 431],
      ['\u0016\u0003\u0001\u0002\u0000', 400],
      [rawRequest('POST /', { 'Content-Length': '-1' }), 400],
    ] as const) {
      const [answer] = await exchange(server.origin, bytes);
      assert.equal(answer?.status, status);
      assert.equal(answer?.body, '');
      assert.equal(answer?.headers.get('connection'), 'close');
      assert.equal(answer?.headers.get('cache-control'), 'no-store');
      assert.equal(answer?.headers.get('x-content-type-options'), 'nosniff');
      assert.match(answer?.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    }
  });

  test('an answer that has begun is not broken into by what comes after it', async () => {
    await using server = await listening((_request, response) => {
      response.writeHead(200, { 'Content-Length': '4' }).write('ab');
    });
    const { socket, received } = await dial(server.port);
    socket.write(rawRequest('GET /', { Connection: 'keep-alive' }));
    await once(socket, 'data');
    socket.write('nonsense\r\n\r\n');
    assert.equal((await received).match(/HTTP\/1\.1/g)?.length, 1);
  });

  test('whoever sends the head of a request, or its body, too slowly is cut off (RFC 9110 section 15.5.9)', async () => {
    const slow = { headersTimeout: seconds(1), requestTimeout: seconds(1) };
    await using server = await listening(
      (request, response) => void request.resume().on('end', () => response.end()),
      slow,
    );
    const beginnings = [
      'GET / HT',
      'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ',
      rawRequest('POST /', { 'Content-Length': '10' }),
    ];
    const answers = beginnings.map(async (beginning) => {
      const { socket, received } = await dial(server.port);
      socket.write(beginning);
      return received;
    });
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 408 /);
  });

  test('an idle connection is closed', async () => {
    await using server = await listening(echo, { keepAliveTimeout: seconds(1) });
    const { socket, received } = await dial(server.port);
    socket.write(rawRequest('GET /a', { Connection: 'keep-alive' }));
    assert.match(await received, /\/a$/);
  });

  test('no more connections are held than the settings say', async () => {
    await using server = await listening(echo, { connectionsMax: 1 });
    const first = await dial(server.port);
    const second = await dial(server.port);
    assert.equal(await second.received, '');
    first.socket.write(rawRequest('GET /still-here'));
    assert.match(await first.received, /still-here/);
  });

  test('several addresses are one server', async () => {
    await using server = await listening(echo, { addresses: ['127.0.0.1', '127.0.0.2'] });
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const [answer] = await exchange(`http://${host}:${server.port}`, rawRequest('GET /a'));
      assert.equal(answer?.body, '/a');
    }
    await server.stop(GRACE);
    for (const host of ['127.0.0.1', '127.0.0.2'])
      await assert.rejects(fetch(`http://${host}:${server.port}`));
  });

  test('an address that this machine lacks may be left out, unless it is the only one', async () => {
    await using server = await listening(echo, { addresses: ['127.0.0.1', '192.0.2.1'] });
    assert.equal((await fetch(`${server.origin}/a`)).status, 200);
    await assert.rejects(listening(echo, { addresses: ['192.0.2.1'] }), SetupFault);
  });

  test('a port that is taken says what to do', async () => {
    await using server = await listening(echo);
    const taken = listening(echo, { port: server.port });
    await assert.rejects(
      taken,
      (fault: SetupFault) => fault instanceof SetupFault && /KEYTURN_PORT/.test(fault.hint),
    );
    await assert.rejects(
      listening(echo, { addresses: ['127.0.0.2', '127.0.0.1'], port: server.port }),
      SetupFault,
    );
    const again = await listen(echo, {
      addresses: ['127.0.0.2'],
      port: server.port,
      headersTimeout: seconds(1),
      requestTimeout: seconds(1),
      keepAliveTimeout: seconds(1),
      connectionsMax: null,
      tls: null,
    });
    await again.stop(GRACE);
  });
});

suite('stopping', () => {
  /** A server whose requests last until they are let go. */
  async function patient(options: Partial<ListenOptions> = {}) {
    const waiting: (() => void)[] = [];
    let arrived = () => {};
    const server = await listening((_request, response) => {
      waiting.push(() => response.end('done'));
      arrived();
    }, options);
    const asked = async (socket: Socket) => {
      const here = new Promise<void>((resolve) => (arrived = resolve));
      socket.write(rawRequest('GET /', { Connection: 'keep-alive' }));
      await here;
    };
    return {
      server,
      asked,
      letGo: () => {
        for (const each of waiting.splice(0)) each();
      },
    };
  }

  test('a request that is under way is answered, new connections are refused, and idle ones closed', async () => {
    const { server, asked, letGo } = await patient();
    const [busy, idle] = [await dial(server.port), await dial(server.port)];
    await asked(busy.socket);
    const stopped = server.stop(GRACE);
    assert.equal(await idle.received, '');
    await assert.rejects(fetch(server.origin));
    letGo();
    assert.match(await busy.received, /^HTTP\/1\.1 200 .*done$/s);
    await stopped;
  });

  test('whoever keeps a connection open is told to close it', async () => {
    const { server, asked, letGo } = await patient();
    const { socket, received } = await dial(server.port);
    await asked(socket);
    const stopped = server.stop(GRACE);
    letGo();
    await stopped;
    assert.match(await received, /^Connection: close\r$.*done$/ims, 'and it is closed');
  });

  test('a request that does not come to its end is cut off when the grace is over', async () => {
    const { server, asked } = await patient();
    const { socket, received } = await dial(server.port);
    await asked(socket);
    await server.stop(seconds(0));
    assert.equal(await received, '');
  });

  test('a request that came by the second of several addresses is waited for as well', async () => {
    const { server, asked, letGo } = await patient({ addresses: ['127.0.0.1', '127.0.0.2'] });
    const { socket, received } = await dial(server.port, '127.0.0.2');
    await asked(socket);
    const stopped = server.stop(GRACE).then(() => 'stopped');
    const turn = new Promise((resolve) => setImmediate(resolve, 'still waiting'));
    assert.equal(await Promise.race([stopped, turn]), 'still waiting');
    letGo();
    assert.match(await received, /done$/);
    await stopped;
  });
});

suite('draining', () => {
  test('serves what comes over connections that are open, idle or unused so far, and closes each after its answer', async () => {
    await using server = await listening(echo, { keepAliveTimeout: GRACE });
    const [used, unused] = [await dial(server.port), await dial(server.port)];
    used.socket.write(rawRequest('GET /before', { Connection: 'keep-alive' }));
    await once(used.socket, 'data');

    const drained = server.drain();
    await assert.rejects(fetch(server.origin), 'a new connection is taken');
    used.socket.write(rawRequest('GET /after', { Connection: 'keep-alive' }));
    unused.socket.write(rawRequest('GET /first', { Connection: 'keep-alive' }));

    assert.match(await used.received, /Connection: keep-alive.*\/before.*Connection: close.*\/after$/s);
    assert.match(await unused.received, /Connection: close.*\/first$/s);
    await drained;
  });

  test('leaves idle connections open for as long as they would have been anyway', async () => {
    await using server = await listening(echo, { keepAliveTimeout: seconds(1) });
    const { socket, received } = await dial(server.port);
    socket.write(rawRequest('GET /', { Connection: 'keep-alive' }));
    await once(socket, 'data');
    await server.drain();
    await received;
  });

  test('can be cut short by a stop', async () => {
    await using server = await listening(echo, { keepAliveTimeout: GRACE });
    const { socket, received } = await dial(server.port);
    socket.write(rawRequest('GET /', { Connection: 'keep-alive' }));
    await once(socket, 'data');
    const drained = server.drain();
    await server.stop(GRACE);
    await Promise.all([drained, received]);
  });
});
