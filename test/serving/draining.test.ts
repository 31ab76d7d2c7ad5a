import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { startServer } from '#src/server.ts';
import { openServices } from '#src/services.ts';
import { EventStream } from '#test/support/event-stream.ts';
import { freePort } from '#test/support/free-port.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

test('a server that drains ends the streams of revocations, and is ready all the same on connections that it has', async () => {
  await using directory = await makeTemporaryDirectory();
  const config = loadConfig({
    env: {
      KEYTURN_HOST: '127.0.0.1',
      KEYTURN_PORT: String(await freePort()),
      KEYTURN_ISSUER: 'https://id.example.com',
      KEYTURN_STORE: `sqlite:${directory.path}/keyturn.db`,
      KEYTURN_KEYS_DIR: `${directory.path}/keys`,
    },
  });
  const surroundings = { clock: systemClock, random: systemRandom };
  await using services = await openServices(config, surroundings);
  await using server = await startServer(services, { ...surroundings, log: pino({ level: 'silent' }) });
  const { resourceServer, secret } = await services.resources.add({
    identifier: 'https://api.example.com',
    scope: ['read'],
  });
  const origin = `http://127.0.0.1:${config.port}`;
  const credentials = btoa(`${resourceServer.clientId}:${secret.reveal()}`);
  const stream = await EventStream.open(`${origin}/revocations`, { authorization: `Basic ${credentials}` });
  await stream.until('ready');
  using agent = new OneConnection();
  assert.deepEqual(await agent.ask(`${origin}/readyz`), [200, 'keep-alive', '{"status":"ready"}']);

  void server.drain();
  assert.equal(await stream.next(), null);
  await assert.rejects(fetch(origin), 'a new connection is taken');
  assert.deepEqual(await agent.ask(`${origin}/readyz`), [200, 'close', '{"status":"ready"}']);
});

/** A client that keeps its connection. */
class OneConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  async ask(url: string): Promise<[number | undefined, string | undefined, string]> {
    const { promise, resolve, reject } =
      Promise.withResolvers<[number | undefined, string | undefined, string]>();
    get(url, { agent: this.#agent }, (response) => {
      void text(response).then((body) => resolve([response.statusCode, response.headers.connection, body]));
    }).on('error', reject);
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
