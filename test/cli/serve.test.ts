import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeKeyturnDirectory, startKeyturn } from '#test/support/running-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The line of the log with this message. */
function logLine(stdout: string, msg: string): Record<string, unknown> {
  const lines = stdout.trim().split('\n');
  const found = lines.map((line) => JSON.parse(line)).find((line) => line.msg === msg);
  assert(found !== undefined, `no line says ${msg}: ${stdout}`);
  return found;
}

describe('keyturn serve', () => {
  test('makes keys and data at its first start, says what to do next, and finds the same state at the second', async () => {
    await using keyturn = await startKeyturn();
    const [key = '', ...more] = (await readdir(join(keyturn.path, 'keys'))).filter((name) =>
      name.endsWith('.kek'),
    );
    assert.deepEqual(more, []);
    assert.equal((await stat(join(keyturn.path, 'keys', key))).mode & 0o777, 0o600);
    assert.equal((await stat(join(keyturn.path, 'data', 'keyturn.db'))).isFile(), true);
    const first = logLine(keyturn.output().stdout, 'ready');
    assert.equal(first.issuer, keyturn.issuer);
    assert.equal(first.first_start, true);
    const next = JSON.stringify(first.next);
    for (const command of ['npm run tour', 'clients add', 'resources add', 'accounts add']) {
      assert(next.includes(command), `${next} does not tell of ${command}`);
    }
    const before = await (await fetch(`${keyturn.issuer}/jwks`)).text();

    assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
    await keyturn.restart();

    assert.equal('first_start' in logLine(keyturn.output().stdout, 'ready'), false);
    assert.equal(await (await fetch(`${keyturn.issuer}/jwks`)).text(), before);
    assert.equal(keyturn.output().stderr, '');
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    test(`${signal}, twice or once, lets a request that is under way finish, and ends with 0`, async () => {
      await using keyturn = await startKeyturn({ env: { KEYTURN_HTTP_STOP_GRACE: '20s' } });
      const { hostname, port } = new URL(keyturn.issuer);
      const body = 'grant_type=client_credentials&client_id=nobody&client_secret=nothing';
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      socket.write(
        'POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n' +
          `Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      // The interim answer shows that the request has been taken up: RFC 9110 section 10.1.1.
      const [interim] = await once(socket, 'data');
      assert.match(String(interim), /^HTTP\/1\.1 100 /);

      const ended = keyturn.stop(signal);
      await keyturn.printed(/"msg":"stopping/);
      const endedToo = keyturn.stop(signal);
      await assert.rejects(fetch(keyturn.issuer), 'a new connection is taken');
      socket.write(body);
      const answer = await text(socket);

      assert.match(answer, /^HTTP\/1\.1 401 [\s\S]*"error":"invalid_client"/);
      assert.match(answer, /^connection: close/im);
      assert.deepEqual(await ended, { code: 0, signal: null });
      assert.deepEqual(await endedToo, { code: 0, signal: null });
    });
  }

  test('npm start ends the server when it is ended itself', async () => {
    await using directory = await makeKeyturnDirectory();
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { ...process.env, ...directory.env },
      stdio: 'pipe',
    });
    const ended = once(npm, 'close');
    await new Promise<void>((resolve) => {
      npm.stdout.on('data', (chunk) => String(chunk).includes('"msg":"ready"') && resolve());
    });
    assert.equal((await fetch(`${directory.issuer}/healthz`)).status, 200);
    npm.kill('SIGTERM');
    // Its output is open for as long as anyone is there to write to it.
    await ended;
    await assert.rejects(fetch(`${directory.issuer}/healthz`), 'the server is still there');
  });

  test('says so when the port is taken, and what to do', async () => {
    await using keyturn = await startKeyturn();
    const { code, stdout, stderr } = await keyturn.cli(['serve']);
    assert.equal(code, 1);
    assert.match(stderr, /port \d+ is in use already\nhint: .*KEYTURN_PORT/);
    assert.equal(stdout, '');
  });

  test('does not start with settings that are wrong, names all of them, and ends with 2', async () => {
    await using directory = await makeKeyturnDirectory({
      env: { KEYTURN_PORT: '0', KEYTURN_LOG_LEVEL: 'loud' },
    });
    const { code, stdout, stderr } = await directory.cli(['serve']);
    assert.equal(code, 2);
    assert.match(stderr, /^keyturn: 2 settings are wrong:/);
    assert.match(stderr, /KEYTURN_PORT/);
    assert.match(stderr, /KEYTURN_LOG_LEVEL/);
    assert.doesNotMatch(stderr, /^ +at /m);
    assert.equal(stdout, '');
    assert.deepEqual(await readdir(directory.path), []);
  });

  test('takes a settings file, before or after the command', async () => {
    await using directory = await makeKeyturnDirectory();
    const { code, stderr } = await directory.cli(['serve', '--config', 'nowhere.yaml']);
    const before = await directory.cli(['--config', 'nowhere.yaml', 'serve']);
    assert.equal(code, 2);
    assert.match(stderr, /nowhere\.yaml: cannot be read: there is no such file/);
    assert.deepEqual([before.code, before.stderr], [code, stderr]);
  });
});

describe('commands, while the server runs', () => {
  test('work as they do while it does not, on the same store', async () => {
    await using directory = await makeKeyturnDirectory();
    const client = (
      await directory.cli([
        ...['clients', 'add', '--name', 'web', '--redirect-uri', 'http://127.0.0.1:4000/cb'],
        ...['--grant', 'authorization_code', '--grant', 'refresh_token'],
        ...['--scope', 'openid profile email offline_access', '--json'],
      ])
    ).json();
    const api = (
      await directory.cli([
        ...['resources', 'add', '--identifier', 'https://api.example.com'],
        ...['--scope', 'read', '--scope', 'write', '--json'],
      ])
    ).json();
    const account = (
      await directory.cli(
        ['accounts', 'add', '--username', 'ada', '--email', 'ada@example.com', '--password-stdin', '--json'],
        { stdin: 'correct horse battery\n' },
      )
    ).json();
    const lists = async () =>
      Promise.all(
        ['clients', 'resources', 'accounts', 'keys'].map(async (kind) =>
          (await directory.cli([kind, 'list', '--json'])).json<Record<string, unknown>[]>(),
        ),
      );
    const before = await lists();
    assert.deepEqual(
      [before[0]?.[0]?.client_id, before[1]?.[0]?.client_id, before[2]?.[0]?.sub],
      [client.client_id, api.client_id, account.sub],
    );

    const server = await directory.serve();
    assert.deepEqual(await lists(), before);
    await server.kill();
    assert.deepEqual(await lists(), before);
  });

  test('register what can be used at once', async () => {
    await using keyturn = await startKeyturn();
    const { client_id, client_secret } = (
      await keyturn.cli([
        'clients',
        'add',
        '--name',
        'worker',
        '--grant',
        'client_credentials',
        '--scope',
        'read',
        '--json',
      ])
    ).json<Record<string, string>>();
    const api = (
      await keyturn.cli([
        'resources',
        'add',
        '--identifier',
        'https://api.example.com',
        '--scope',
        'read',
        '--json',
      ])
    ).json<Record<string, string>>();
    const post = async (
      path: string,
      id: string | undefined,
      secret: string | undefined,
      form: Record<string, string>,
    ) => {
      const headers = { Authorization: `Basic ${btoa(`${id}:${secret}`)}` };
      const response = await fetch(keyturn.issuer + path, {
        method: 'POST',
        headers,
        body: new URLSearchParams(form),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const requestToken = (secret: string | undefined) =>
      post('/token', client_id, secret, {
        grant_type: 'client_credentials',
        resource: 'https://api.example.com',
      });

    const first = await requestToken(client_secret);
    assert.equal(first.status, 200, JSON.stringify(first.body));
    const token = String(first.body.access_token);
    const active = async () =>
      (await post('/introspect', api.client_id, api.client_secret, { token })).body.active;
    assert.equal(await active(), true);
    const inspected = (
      await keyturn.cli(['tokens', 'inspect', '-', '--json'], { stdin: `${token}\n` })
    ).json();
    assert.deepEqual([inspected.active, inspected.reason, inspected.client_id], [true, null, client_id]);

    const rolled = (await keyturn.cli(['clients', 'roll-secret', String(client_id), '--json'])).json<
      Record<string, string>
    >();
    assert.equal((await requestToken(client_secret)).status, 200, 'the secret before the roll');
    assert.equal((await requestToken(rolled.client_secret)).status, 200, 'the secret after the roll');
    (await keyturn.cli(['clients', 'roll-secret', String(client_id), '--retire-old', '--json'])).json();
    assert.equal((await requestToken(client_secret)).status, 401, 'the retired secret');
    assert.equal((await requestToken(rolled.client_secret)).status, 200, 'the secret that is left');

    (await keyturn.cli(['clients', 'remove', String(client_id), '--json'])).json();
    assert.equal(await active(), false, 'the token of a client that was removed');
    const after = await keyturn.cli(['tokens', 'inspect', token]);
    assert.equal(after.code, 0);
    assert.match(after.stdout, /^Access token of a client, not active: client removed\n/);
    assert.match(after.stdout, /✗ client .*no client .* any more/);
    assert.equal(after.stdout.includes(token), false);
    assert.equal((await requestToken(rolled.client_secret)).status, 401);
  });
});
