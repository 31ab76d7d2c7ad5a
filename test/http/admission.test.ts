import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { Admission, type AdmissionOptions, type ShedReason } from '#src/http/admission.ts';
import { listen } from '#src/http/listen.ts';
import { seconds } from '#src/units.ts';
import { freePort } from '#test/support/free-port.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';

/** Longer than a test may take. */
const LONG = seconds(600);

/**
 * A server behind an admission. It keeps what is asked of `/held` until it is released, and answers all else at once;
 * `onRequest` is told of what is admitted.
 */
async function admitting(options: Partial<AdmissionOptions>, onRequest: (target: string) => void = () => {}) {
  const held: ServerResponse[] = [];
  const shed: ShedReason[] = [];
  const admission = new Admission({
    requestsMax: 1000,
    waitMaxMs: LONG * 1000,
    isSpared: (target) => target === '/spared',
    headers: { 'Cache-Control': 'no-store' },
    onShed: (reason) => shed.push(reason),
    ...options,
  });
  const port = await freePort();
  const application = admission.before((request, response) => {
    onRequest(request.url ?? '');
    request.resume();
    if (request.url === '/held') held.push(response);
    else response.end(request.url);
  });
  const server = await listen(application, {
    addresses: ['127.0.0.1'],
    port,
    headersTimeout: LONG,
    requestTimeout: LONG,
    keepAliveTimeout: LONG,
    connectionsMax: null,
    tls: null,
  });
  const origin = `http://127.0.0.1:${port}`;
  return {
    port,
    origin,
    shed,
    /** The status of the answer. */
    ask: async (target: string) => (await exchange(origin, rawRequest(`GET ${target}`)))[0],
    /** Settles once so many requests are worked on. */
    working: async (count: number) => {
      while (admission.working !== count) await new Promise(setImmediate);
    },
    release: () => {
      for (const response of held.splice(0)) response.end('done');
    },
    [Symbol.asyncDispose]: () => server.stop(seconds(0)),
  };
}

const HELD = rawRequest('POST /held', {}, 'a=b');

describe('admission', () => {
  test('turns away what comes while as much is worked on as may be, by 503 and Retry-After (RFC 9110 section 15.6.4)', async () => {
    await using server = await admitting({ requestsMax: 2 });
    const worked = [exchange(server.origin, HELD), exchange(server.origin, rawRequest('GET /held'))];
    await server.working(2);
    const refused = await server.ask('/anything');
    assert.equal(refused?.status, 503);
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.equal(refused.headers.get('cache-control'), 'no-store');
    assert.equal(JSON.parse(refused.body).error, 'temporarily_unavailable');
    assert.deepEqual(server.shed, ['in-flight']);
    assert.equal((await server.ask('/spared'))?.status, 200);
    server.release();
    for (const [answer] of await Promise.all(worked)) assert.equal(answer?.status, 200);
    assert.equal((await server.ask('/anything'))?.status, 200);
  });

  test('counts no request whose body is still to come, so that slow senders keep nobody out', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    await using server = await admitting({ requestsMax: 1 }, () => resolve());
    const slow = connect(server.port, '127.0.0.1');
    slow.write(HELD.slice(0, -1));
    await arrived;
    assert.equal((await server.ask('/anything'))?.status, 200);
    slow.write(HELD.slice(-1));
    await server.working(1);
    assert.equal((await server.ask('/anything'))?.status, 503);
    server.release();
    await once(slow.resume(), 'close');
  });

  test('lets others in when a client has gone away', async () => {
    await using server = await admitting({ requestsMax: 1 });
    const impatient = connect(server.port, '127.0.0.1');
    impatient.write(HELD);
    await server.working(1);
    impatient.destroy();
    await server.working(0);
    assert.equal((await server.ask('/anything'))?.status, 200);
  });

  test('takes up in later turns of the event loop what it has no time for in one, and at once what is spared', async () => {
    let now = 0;
    const begun: string[] = [];
    await using server = await admitting({ waitMaxMs: 1000, now: () => now }, (target) => {
      begun.push(target);
      now += 400;
    });
    const open = { Connection: 'keep-alive' };
    // On one connection they are read together, and so in one turn.
    const together = [
      ...['/a', '/b', '/c', '/spared', '/d'].map((target) => rawRequest(`GET ${target}`, open)),
      rawRequest('GET /e'),
    ];
    const answers = await exchange(server.origin, together.join(''));
    assert.deepEqual(begun, ['/a', '/spared', '/b', '/c', '/d']);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200, 503],
    );
    assert.deepEqual(server.shed, ['waited']);
    assert.equal((await server.ask('/anything'))?.status, 200);
  });

  test('turns away what comes while too many wait, and forgets who has gone away', async () => {
    let now = 0;
    const begun: string[] = [];
    await using server = await admitting({ requestsMax: 3, now: () => now }, (target) => {
      begun.push(target);
      now += 400;
    });
    const many = ['/held', '/a', '/b', '/c', '/d'].map((target) =>
      rawRequest(`GET ${target}`, { Connection: 'keep-alive' }),
    );
    const flood = connect(server.port, '127.0.0.1').resume();
    flood.write(many.join(''));
    await server.working(3);
    assert.deepEqual(begun, ['/held', '/a', '/b']);
    assert.deepEqual(server.shed, ['in-flight', 'in-flight']);
    flood.destroy();
    await server.working(0);
    assert.equal((await server.ask('/anything'))?.status, 200);
  });
});
