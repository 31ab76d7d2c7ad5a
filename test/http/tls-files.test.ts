import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { SetupFault } from '#src/fault.ts';
import { listenOnPorts, type PortOptions } from '#src/http/ports.ts';
import { readTlsFiles, watchTlsFiles } from '#src/http/tls-files.ts';
import { seconds } from '#src/units.ts';
import { type Certified, certify, certifyServer } from '#test/support/certificates.ts';
import { freePort } from '#test/support/free-port.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** Longer than a test may take: whoever waits for it fails. */
const GRACE = seconds(600);

describe('the files of TLS', () => {
  let directory: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
  let authority: Certified;
  let first: Certified;
  let second: Certified;
  before(async () => {
    directory = await makeTemporaryDirectory();
    authority = await certify({ subject: 'CN=Servers', authority: true });
    first = await certifyServer(authority);
    second = await certifyServer(authority);
  });
  after(() => directory[Symbol.asyncDispose]());

  let made = 0;
  /** Files with these contents, each replaced at one stroke, as those who renew certificates do. */
  async function files(cert: string, key: string, clientCa: string | null = null) {
    made += 1;
    const paths = {
      certificate: `${directory.path}/${made}.crt`,
      key: `${directory.path}/${made}.key`,
      clientCa: clientCa === null ? null : `${directory.path}/${made}.ca`,
    };
    const put = async (path: string, text: string) => {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    };
    await put(paths.certificate, cert);
    await put(paths.key, key);
    if (paths.clientCa !== null && clientCa !== null) await put(paths.clientCa, clientCa);
    return { paths, put };
  }

  test('that are not what they should be stop the server, and it says which and why', async () => {
    const wrong = (fault: unknown, words: RegExp) => {
      assert.ok(fault instanceof SetupFault && fault.hint !== '', String(fault));
      assert.match(fault.message, words);
      assert.doesNotMatch(fault.message + fault.hint, /BEGIN PRIVATE KEY-----\n[A-Za-z]/);
      return true;
    };
    for (const [cert, key, clientCa, words] of [
      [first.cert, second.key, null, /mismatch|key values/i],
      [first.key, first.cert, null, /\.crt holds no certificate/],
      [first.cert, first.cert, null, /\.key holds no private key/],
      ['', first.key, null, /\.crt holds no certificate/],
      [first.cert.slice(0, 200), first.key, null, /TLS cannot be spoken/],
      [first.cert, first.key, 'nonsense', /\.ca holds no certificate/],
      [first.cert, first.key, authority.cert.replace(/[A-Z]{4}/g, 'AAAA'), /./],
    ] as const) {
      const { paths } = await files(cert, key, clientCa);
      assert.throws(
        () => readTlsFiles(paths),
        (fault) => wrong(fault, words),
      );
    }
    const { paths } = await files(first.cert, first.key);
    const nowhere = { ...paths, key: `${directory.path}/nowhere.key` };
    assert.throws(
      () => readTlsFiles(nowhere),
      (fault) => wrong(fault, /nowhere\.key cannot be read \(ENOENT\)/),
    );
    assert.deepEqual(readTlsFiles(paths), { cert: first.cert, key: first.key, ca: [] });
  });

  test('are taken when they have changed and go together, and never half of them', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const { paths, put } = await files(first.cert, first.key);
    const seen: string[] = [];
    using _watching = watchTlsFiles({
      paths,
      current: readTlsFiles(paths),
      every: seconds(30),
      onChange: ({ cert }) => seen.push(cert === second.cert ? 'second' : 'first'),
      onFault: () => seen.push('fault'),
    });
    const tick = () => context.mock.timers.tick(30_000);
    tick();
    assert.deepEqual(seen, [], 'nothing has changed');
    await put(paths.certificate, second.cert);
    tick();
    tick();
    assert.deepEqual(seen, ['fault'], 'a certificate without its key, told once');
    await put(paths.key, second.key);
    tick();
    tick();
    assert.deepEqual(seen, ['fault', 'second']);
  });

  async function serve(
    options: Partial<NonNullable<PortOptions['tls']>> & Pick<NonNullable<PortOptions['tls']>, 'paths'>,
  ) {
    const port = await freePort();
    const { promise: renewed, resolve: onRenewed } = Promise.withResolvers<void>();
    const shown: RequestListener = ({ socket }, response) => {
      const certificate = (socket as TLSSocket).getPeerX509Certificate();
      response.end(certificate?.subject ?? 'none');
    };
    const server = await listenOnPorts(shown, {
      addresses: ['127.0.0.1'],
      port,
      headersTimeout: seconds(10),
      requestTimeout: seconds(10),
      keepAliveTimeout: seconds(60),
      connectionsMax: null,
      tls: {
        asksForCertificate: false,
        mtlsPort: null,
        reloadEvery: seconds(1),
        onRenewed,
        onFault: (fault) => assert.fail(fault),
        ...options,
      },
    });
    return { port, renewed, stop: server.stop, [Symbol.asyncDispose]: () => server.stop(seconds(0)) };
  }

  /** What the server says of the certificate that it was shown, and over which connection. */
  async function ask(port: number, options: RequestOptions = {}) {
    const url = `https://localhost:${port}/`;
    const sent = request(url, { agent: false, ca: authority.cert, family: 4, ...options }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const { socket } = answer;
    return { body: Buffer.concat(await answer.toArray()).toString(), socket };
  }

  const kept = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
  };

  const dial = async (port: number, options: ConnectionOptions = {}) => {
    const socket = connect({
      port,
      host: 'localhost',
      family: 4,
      ca: authority.cert,
      ...options,
    } as ConnectionOptions);
    await once(socket, 'secureConnect');
    return socket;
  };

  test('change under a running server, and open connections go on', async () => {
    const { paths, put } = await files(first.cert, first.key);
    await using server = await serve({ paths });
    using agent = kept();
    const { socket } = await ask(server.port, { agent });
    await put(paths.certificate, second.cert);
    await put(paths.key, second.key);
    await server.renewed;
    const fresh = await dial(server.port);
    assert.equal(fresh.getPeerX509Certificate()?.toString(), second.cert);
    fresh.destroy();
    assert.equal((await ask(server.port, { agent })).socket, socket, 'it is the connection from before');
  });

  test('TLS of old versions and with other ciphers than RFC 9325 recommends is not spoken', async () => {
    const { paths } = await files(first.cert, first.key);
    await using server = await serve({ paths });
    for (const options of [
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-SHA' },
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' },
    ] as const) {
      await assert.rejects(dial(server.port, options), JSON.stringify(options));
    }
    for (const [options, version] of [
      [{}, 'TLSv1.3'],
      [{ maxVersion: 'TLSv1.2' }, 'TLSv1.2'],
    ] as const) {
      const socket = await dial(server.port, options);
      assert.equal(socket.getProtocol(), version);
      socket.destroy();
    }
  });

  test('clients are asked for a certificate at their own port alone, and may have none', async () => {
    const { paths } = await files(first.cert, first.key, authority.cert);
    const mtlsPort = await freePort();
    await using server = await serve({ paths, asksForCertificate: true, mtlsPort });
    const shown = { cert: second.cert, key: second.key };
    assert.equal((await ask(server.port, shown)).body, 'none');
    assert.equal((await ask(mtlsPort, shown)).body, 'CN=localhost');
    assert.equal((await ask(mtlsPort)).body, 'none');
  });

  test('stopping waits for nobody who has not asked for anything', async () => {
    const { paths } = await files(first.cert, first.key);
    const server = await serve({ paths });
    const idle = await dial(server.port);
    const closed = once(idle, 'close');
    idle.resume();
    await server.stop(GRACE);
    await closed;
  });

  test('a second port that is taken says which setting to change', async () => {
    const { paths } = await files(first.cert, first.key);
    await using server = await serve({ paths });
    await assert.rejects(
      serve({ paths, mtlsPort: server.port }),
      (fault: SetupFault) => fault instanceof SetupFault && /KEYTURN_TLS_MTLS_PORT/.test(fault.hint),
    );
  });
});
