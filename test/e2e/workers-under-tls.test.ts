import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Certified, certify, certifyServer } from '#test/support/certificates.ts';
import { freePort } from '#test/support/free-port.ts';
import {
  type KeyturnDirectory,
  makeKeyturnDirectory,
  type ServingKeyturn,
} from '#test/support/running-server.ts';
import { fetchOver } from '#test/support/tls-fetch.ts';
import { ended, workersOf } from '#test/support/worker-processes.ts';

describe('two workers with TLS of their own', () => {
  let directory: KeyturnDirectory;
  let keyturn: ServingKeyturn;
  let authority: Certified;
  const file = (name: string) => join(directory.path, `${name}.pem`);
  const writeCertificate = async () => {
    const { cert, key } = await certifyServer(authority);
    await Promise.all([writeFile(file('server'), cert), writeFile(file('key'), key)]);
  };
  /** Each request over a connection of its own, so that both workers get some. */
  const statuses = (requests: number) =>
    Promise.all(
      Array.from({ length: requests }, async () => {
        const response = await fetchOver({ ca: authority.cert })(`${directory.issuer}/jwks`);
        await response.arrayBuffer();
        return response.status;
      }),
    );

  before(async () => {
    authority = await certify({ subject: 'CN=Servers', authority: true });
    const port = String(await freePort());
    directory = await makeKeyturnDirectory({
      env: {
        KEYTURN_PORT: port,
        KEYTURN_ISSUER: `https://localhost:${port}`,
        KEYTURN_TLS_CERTIFICATE: 'server.pem',
        KEYTURN_TLS_KEY: 'key.pem',
        KEYTURN_TLS_RELOAD_EVERY: '1s',
        KEYTURN_WORKERS: '2',
        KEYTURN_WORKER_SILENCE_MAX: '3s',
      },
    });
    await writeCertificate();
    keyturn = await directory.serve();
  });
  after(() => directory[Symbol.asyncDispose]());

  test('serve, and each takes up a renewed certificate by itself', async () => {
    assert.deepEqual(new Set(await statuses(20)), new Set([200]));
    authority = await certify({ subject: 'CN=Others', authority: true });
    await writeCertificate();
    for (const worker of [1, 2])
      await keyturn.printed(new RegExp(`"worker":${worker},.*the files of TLS have changed and are in use`));
    // Who still had the one before would not be believed.
    assert.deepEqual(new Set(await statuses(20)), new Set([200]));
  });

  test('of which one is stopped go on: it is noticed, killed and replaced', async () => {
    const before = await workersOf(keyturn.pid);
    const [stopped = 0, other] = before;
    process.kill(stopped, 'SIGSTOP');
    await ended(stopped);
    await keyturn.printed(
      new RegExp(`"pid":${stopped},"msg":"a worker gives no sign of life, and is killed`),
    );
    await keyturn.printed(/(?:"msg":"a worker is ready"[\s\S]*){3}/);
    const now = await workersOf(keyturn.pid);
    assert.equal(now.length, 2);
    assert.ok(now.includes(Number(other)) && !now.includes(stopped));
    assert.deepEqual(new Set(await statuses(20)), new Set([200]));
    assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
  });
});
