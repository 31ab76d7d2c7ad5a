import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';
import { SetupFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import { startServer } from '#src/server.ts';
import { openServices } from '#src/services.ts';
import { freePort } from '#test/support/free-port.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const surroundings = { clock: systemClock, random: systemRandom };

/** A store, its administrator, and a server that is about to start, with a key directory of its own. */
async function startingServer() {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await makeTemporaryDirectory());
  const port = String(await freePort());
  const configWith = (keys: string): Config =>
    loadConfig({
      env: {
        KEYTURN_HOST: '127.0.0.1',
        KEYTURN_PORT: port,
        KEYTURN_STORE: `sqlite:${path}/keyturn.db`,
        KEYTURN_KEYS_DIR: join(path, keys),
      },
    });
  const administrator = opened.use(await openServices(configWith('keys'), surroundings));
  const keysDirectory = join(path, 'old-keys');
  await mkdir(keysDirectory);
  await copyFile(join(path, 'keys', 'first.kek'), join(keysDirectory, 'first.kek'));
  const services = opened.use(await openServices(configWith('old-keys'), surroundings));
  const closing = opened.move();
  return {
    administrator,
    keysDirectory,
    start: () => startServer(services, { ...surroundings, log: pino({ level: 'silent' }) }),
    answers: () => fetch(`http://127.0.0.1:${port}/healthz`),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

test('a server that starts in the very moment in which a key that it lacks becomes current does not serve, and names the key', async () => {
  await using starting = await startingServer();
  const { kekRotation, fleet } = starting.administrator;
  const made = await kekRotation.make();
  assert.ok(made.outcome === 'made');
  assert.equal((await kekRotation.advance()).register.current.id, made.id);
  await assert.rejects(
    starting.start(),
    (fault) =>
      fault instanceof SetupFault &&
      fault.message.includes(made.id) &&
      fault.message.includes(starting.keysDirectory),
  );
  await assert.rejects(starting.answers(), TypeError);
  assert.deepEqual(await fleet.living(), [], 'it does not hold up the others either');
});

test('a server that starts while a key that it lacks is announced takes the announcement back, and serves', async () => {
  await using starting = await startingServer();
  const { kekRotation, store } = starting.administrator;
  const made = await kekRotation.make();
  assert.ok(made.outcome === 'made');
  const { register, version } = await store.keys.refresh();
  await store.keys.replace({ ...register, next: made.id }, version);
  await using _server = await starting.start();
  assert.equal((await starting.answers()).status, 200);
  const { register: now, waiting, lacking } = await kekRotation.advance();
  assert.deepEqual([now.current.id, now.next, waiting], [register.current.id, null, made.id]);
  assert.equal(lacking.length, 1);
});
