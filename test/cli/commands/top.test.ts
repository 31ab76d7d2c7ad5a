import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { run } from '#src/cli/program.ts';
import { columnsOf } from '#src/cli/terminal.ts';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { type Commands, errorOf, makeCommands } from '#test/cli/in-process.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { until } from '#test/support/until.ts';

const COLUMNS = 48;

describe('keyturn top', () => {
  let keyturn: Keyturn;
  let commands: Commands;
  let metrics: { KEYTURN_METRICS_PORT: string; KEYTURN_METRICS_TOKEN: string };

  before(async () => {
    metrics = { KEYTURN_METRICS_PORT: String(await freePort()), KEYTURN_METRICS_TOKEN: 'of-the-tests' };
    keyturn = await startKeyturnHere(metrics);
    commands = await makeCommands(metrics);
  });
  after(async () => {
    await commands[Symbol.asyncDispose]();
    await keyturn[Symbol.asyncDispose]();
  });

  /** Has something going on at the server for as long as the work takes. */
  async function busy<T>(work: Promise<T>): Promise<T> {
    const done = new AbortController();
    const asking = (async () => {
      while (!done.signal.aborted) {
        await (await fetch(`${keyturn.issuer}/jwks`)).text();
        await (await fetch(`${keyturn.issuer}/token`, { method: 'POST' })).text();
      }
    })();
    try {
      return await work;
    } finally {
      done.abort();
      await asking;
    }
  }

  test('prints once what goes on, for programs: requests, refusals, keys, processes and servers', async () => {
    const document = (await busy(commands.runJson('top --every 1s'))).json<{
      requests: { name: string; per_second: number; p99: number }[];
      refusals: { endpoint: string; error: string; per_second: number }[];
      keys: { alg: string; state: string; age: number }[];
      rotations: { alg: string; at: number }[];
      processes: { memory_bytes: number }[];
      servers: { node: string }[];
    }>();
    const jwks = document.requests.find(({ name }) => name === 'jwks');
    assert.ok(jwks !== undefined && jwks.per_second > 0 && jwks.p99 > 0);
    assert.deepEqual(
      document.refusals.map(({ endpoint, error }) => [endpoint, error]),
      [['token', 'invalid_client']],
    );
    assert.ok(document.keys.some(({ alg, state }) => alg === 'ES256' && state === 'active'));
    assert.ok(document.rotations.some(({ alg, at }) => alg === 'ES256' && at > systemClock.now()));
    assert.ok((document.processes[0]?.memory_bytes ?? 0) > 0);
    assert.equal(document.servers.length, 1);
  });

  test('draws anew at a terminal until it is asked to end, no wider than that, and leaves it as it was', async () => {
    const stop = new AbortController();
    const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: COLUMNS, rows: 100 });
    let drawn = '';
    const seen = new Promise<void>((resolve) => {
      stdout.on('data', (data) => {
        drawn += data;
        if (drawn.includes('REQUESTS')) resolve();
      });
    });
    const stream = () => Object.assign(new PassThrough(), { isTTY: true });
    const raw: boolean[] = [];
    const stdin = Object.assign(stream(), { setRawMode: (on: boolean) => raw.push(on) });
    const ended = run(['top', '--every', '1s'], {
      streams: { stdin, stdout, stderr: stream() },
      surroundings: { clock: systemClock, random: systemRandom },
      env: commands.env,
      stopSignal: () => stop.signal,
      onSignal: () => {},
      onExit: () => {},
      threadsWanted: () => {},
    });
    await busy(seen);
    assert.deepEqual(raw, [true]);
    stop.abort();
    assert.equal(await ended, 0);
    assert.deepEqual(raw, [true, false]);
    assert.ok(drawn.startsWith('\x1b[?1049h'));
    assert.ok(drawn.endsWith('\x1b[?1049l'));
    for (const line of drawn.split('\n').flatMap((line) => line.split('\x1b[H')))
      assert.ok(columnsOf(line) <= COLUMNS, line);
    for (const part of ['jwks', 'token', 'STORE', 'WORKER', 'KEY', 'SERVER'])
      assert.ok(drawn.includes(part), part);
  });

  test('shows on 80 columns and 24 lines what matters first, goes on where the server is away, and ends when q is typed', async () => {
    const port = await freePort();
    const screens: string[] = [];
    const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
    stdout.on('data', (data) => screens.push(String(data)));
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    let ended: Promise<number>;
    {
      await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
      ended = run(['top', '--every', '1s', '--address', `http://127.0.0.1:${port}/metrics`], {
        streams: { stdin, stdout, stderr: new PassThrough() },
        surroundings: { clock: systemClock, random: systemRandom },
        env: commands.env,
        stopSignal: () => new AbortController().signal,
        onSignal: () => {},
        onExit: () => {},
        threadsWanted: () => {},
      });
      await until('a picture', () => screens.some((each) => each.includes('WORKER')));
    }
    const picture = screens.find((each) => each.includes('WORKER')) ?? '';
    for (const part of ['REQUESTS', 'failing', 'sign-ins', 'next rotation', 'STORE', 'WORKER'])
      assert.ok(picture.includes(part), part);
    assert.ok(picture.split('\n').length <= 24);
    await until('word that nobody answers', () => screens.at(-1)?.includes('nobody answers') === true);
    await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
    await until('a picture again', () => screens.at(-1)?.includes('WORKER') === true);
    stdin.write('xq');
    assert.equal(await ended, 0);
    assert.equal(screens.at(-1), '\x1b[?25h\x1b[?1049l');
  });

  test('says what is wrong where it cannot look: no port, nobody there, another token, something else', async () => {
    const fail = async (args: string, env: Record<string, string>) =>
      String(errorOf(await commands.runWithEnv([...args.split(' '), '--json'], env)).message);
    const { KEYTURN_METRICS_PORT: port } = metrics;
    const { port: issuerPort } = new URL(keyturn.issuer);
    assert.match(await fail('top', { KEYTURN_METRICS_PORT: '' }), /no port for metrics/);
    assert.match(await fail('top', { KEYTURN_METRICS_PORT: String(await freePort()) }), /nobody answers/);
    assert.match(await fail('top', { KEYTURN_METRICS_TOKEN: 'another' }), /another token/);
    assert.match(await fail(`top --address http://127.0.0.1:${issuerPort}/`, {}), /is no Keyturn/);
    assert.match(await fail(`top --address http://127.0.0.1:${port}/elsewhere`, {}), /is no Keyturn/);
  });
});
