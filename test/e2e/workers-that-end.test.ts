import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { rawRequest } from '#test/support/raw-http.ts';
import { makeKeyturnDirectory } from '#test/support/running-server.ts';
import { ended, workersOf } from '#test/support/worker-processes.ts';

describe('workers without a supervisor', () => {
  test('answer what is under way, end by themselves, and leave the port and the store to the next', async () => {
    await using directory = await makeKeyturnDirectory({
      env: { KEYTURN_WORKERS: '2', KEYTURN_HTTP_STOP_GRACE: '60s', KEYTURN_HTTP_REQUEST_TIMEOUT: '60s' },
    });
    const keyturn = await directory.serve();
    const pids = await workersOf(keyturn.pid);
    const { hostname, port } = new URL(directory.issuer);
    const body = 'grant_type=client_credentials&client_id=nobody&client_secret=nothing';
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Expect: '100-continue' };
    socket.write(rawRequest('POST /token', headers, body).slice(0, -body.length));
    // The interim answer shows that the request has been taken up: RFC 9110 section 10.1.1.
    const [interim] = await once(socket, 'data');
    assert.match(String(interim), /^HTTP\/1\.1 100 /);

    // Its output stays open for as long as a worker lives, so there is nothing to wait for.
    process.kill(keyturn.pid, 'SIGKILL');
    // The other has nothing to wait for.
    await Promise.race(pids.map(ended));
    socket.write(body);
    assert.match(await text(socket), /^HTTP\/1\.1 401 [\s\S]*"error":"invalid_client"/);
    await Promise.all([keyturn.ended, ...pids.map(ended)]);
    await assert.rejects(fetch(directory.issuer));

    const next = await directory.serve();
    assert.deepEqual(await next.stop(), { code: 0, signal: null });
  });
});

describe('workers that cannot start', () => {
  test('settings that are wrong are told once, and end it with 2', async () => {
    await using directory = await makeKeyturnDirectory({
      env: { KEYTURN_WORKERS: '3', KEYTURN_LOG_LEVEL: 'loud' },
    });
    const { code, stdout, stderr } = await directory.cli(['serve']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr.match(/KEYTURN_LOG_LEVEL/g)?.length, 1, stderr);
    assert.deepEqual(await readdir(directory.path), []);
  });

  test('a port that is taken is told once, with what to do, and ends it with 1', async () => {
    await using directory = await makeKeyturnDirectory();
    const keyturn = await directory.serve();
    const other = await makeKeyturnDirectory({ env: { ...directory.env, KEYTURN_WORKERS: '3' } });
    const { code, stdout, stderr } = await other.cli(['serve']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^keyturn: .* port \d+ is in use already\nhint: .*KEYTURN_PORT.*\n$/);
    await keyturn.stop();
    await other[Symbol.asyncDispose]();
  });
});
