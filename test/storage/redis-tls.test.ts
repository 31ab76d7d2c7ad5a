import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SetupFault } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';
import { makeRedisStore } from '#test/storage/redis-store.ts';
import { certify, certifyServer } from '#test/support/certificates.ts';
import { freePort } from '#test/support/free-port.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const directory = await makeTemporaryDirectory();
after(() => directory[Symbol.asyncDispose]());
const authority = await certify({ subject: 'CN=authority', authority: true });
const stranger = await certify({ subject: 'CN=stranger', authority: true });
const host = await certifyServer(authority);
const us = await certify({ subject: 'CN=keyturn', issuer: authority, usage: 'client' });
const files = {
  ca: await written('ca.pem', authority.cert),
  otherCa: await written('other-ca.pem', stranger.cert),
  hostCert: await written('host.pem', host.cert),
  hostKey: await written('host-key.pem', host.key),
  certificate: await written('us.pem', us.cert),
  key: await written('us-key.pem', us.key),
};
const tlsPort = await freePort();
const server = await startRedisServer({
  config: [
    `tls-port ${tlsPort}`,
    `tls-cert-file ${files.hostCert}`,
    `tls-key-file ${files.hostKey}`,
    `tls-ca-cert-file ${files.ca}`,
    'tls-auth-clients yes',
    'user ada on >hunter2 ~* +@all',
  ],
});
after(() => server[Symbol.asyncDispose]());

const { ca, otherCa, certificate, key } = files;
const location = `rediss://ada@localhost:${tlsPort}`;
const password = new Secret('hunter2');
const wishes = { location, password, timeoutMs: 5000 };

describe('a store on a Redis that speaks TLS', () => {
  test('is opened by user and password, with a certificate of our own where Redis asks for one', async () => {
    await using store = await makeRedisStore(new MovingClock(), { ...wishes, ca, certificate, key });
    const { records, examine } = await store.connect();
    await records.put({ kind: 'session', id: 'a', value: 1, expiresAt: null });
    assert.equal((await records.find('session', 'a'))?.value, 1);
    assert.equal((await examine()).find(({ subject }) => subject === 'redis network')?.says, 'TLS');
  });

  test('is not opened when nobody whom we trust has certified the server, or under another name', async () => {
    const strangers = [
      { certificate, key },
      { ca: otherCa, certificate, key },
    ];
    for (const each of strangers) await assertRefused(each, /certificate/, /redis\.ca/);
    await assertRefused(
      { ca, certificate, key, serverName: 'other.example' },
      /altnames/,
      /redis\.serverName/,
    );
  });

  test('is not opened without the certificate that Redis asks for, or with files that cannot be read', async () => {
    await assertRefused({ ca }, /cannot be opened/, /./);
    await assertRefused({ ca: `${directory.path}/missing.pem` }, /cannot be read/, /redis\.\*/);
  });

  test('may be certified under another name than it is reached by', async () => {
    const reached = { ...wishes, location: `rediss://ada@127.0.0.1:${tlsPort}`, serverName: 'localhost' };
    await using store = await makeRedisStore(new MovingClock(), { ...reached, ca, certificate, key });
    await store.connect();
  });
});

async function assertRefused(settings: object, message: RegExp, hint: RegExp): Promise<void> {
  await using store = await makeRedisStore(new MovingClock(), { ...wishes, ...settings });
  await assert.rejects(store.connect(), (error) => {
    assert.ok(error instanceof SetupFault, String(error));
    assert.match(error.message, message);
    assert.match(error.hint, hint);
    return true;
  });
}

async function written(name: string, text: string): Promise<string> {
  const path = join(directory.path, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}
