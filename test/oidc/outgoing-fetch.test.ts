import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import { outgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { seconds } from '#src/units.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';

/** Someone's server on the loopback interface, and what it was asked for. */
async function startNeighbour(answer: RequestListener) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const options = { method: 'GET', headers: new Headers(), signal: AbortSignal.timeout(60_000) };

describe('an outgoing call', () => {
  test('does not reach a private network, by an address or by a name, whoever made the connection', async () => {
    await using neighbour = await startNeighbour((_request, response) => response.end());
    const guarded = outgoingFetch({ allowPrivateNetwork: false, timeout: seconds(5) });
    const { port } = new URL(neighbour.origin);
    const hosts = [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0x7f000001',
      '127.1',
      '2130706433',
    ];
    for (const host of hosts) {
      for (const dispatcher of [undefined, null]) {
        await assert.rejects(
          async () => guarded(`http://${host}:${port}/`, { ...options, dispatcher } as never),
          (error: Error) =>
            /private network/.test(`${error.message} ${(error.cause as Error | undefined)?.message}`),
          host,
        );
      }
    }
    assert.deepEqual(neighbour.asked, []);
  });

  test('may reach them where the settings say so', async () => {
    await using neighbour = await startNeighbour((_request, response) => response.end('keys'));
    const open = outgoingFetch({ allowPrivateNetwork: true, timeout: seconds(5) });
    const response = await open(`${neighbour.origin}/jwks`, options as never);
    assert.equal(await response.text(), 'keys');
    assert.deepEqual(neighbour.asked, ['/jwks']);
  });

  test('follows no redirect, which could lead anywhere', async () => {
    await using neighbour = await startNeighbour((request, response) => {
      response.writeHead(request.url === '/jwks' ? 302 : 200, { location: '/metadata' }).end();
    });
    const open = outgoingFetch({ allowPrivateNetwork: true, timeout: seconds(5) });
    await assert.rejects(async () => open(`${neighbour.origin}/jwks`, options as never));
    assert.deepEqual(neighbour.asked, ['/jwks']);
  });

  test('ends when no answer comes, whatever time the library would give it', async () => {
    await using neighbour = await startNeighbour(() => {});
    const open = outgoingFetch({ allowPrivateNetwork: true, timeout: seconds(0.05) });
    await assert.rejects(async () => open(neighbour.origin, options as never), { name: 'TimeoutError' });
  });
});

describe('the keys of a client that lie on a private network (RFC 7523 section 3)', () => {
  const ALG = 'ES256';
  let keyPair: Awaited<ReturnType<typeof generateKeyPair>>;
  let jwks: string;
  before(async () => {
    keyPair = await generateKeyPair(ALG);
    jwks = JSON.stringify({
      keys: [{ ...(await exportJWK(keyPair.publicKey)), kid: '1', alg: ALG, use: 'sig' }],
    });
  });

  /** Whether a client whose keys are with a neighbour gets a token, and what the neighbour was asked for. */
  async function authenticate(settings: Record<string, string>) {
    await using neighbour = await startNeighbour((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(jwks);
    });
    await using keyturn = await startKeyturnHere(settings);
    const { client } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: '',
      authenticationMethod: 'private_key_jwt',
      jwksUri: `${neighbour.origin}/jwks`,
    });
    const configuration = await oauth.discovery(
      new URL(keyturn.issuer),
      client.clientId,
      undefined,
      oauth.PrivateKeyJwt({ key: keyPair.privateKey, kid: '1' }),
      { execute: [oauth.allowInsecureRequests] },
    );
    const outcome = await oauth.clientCredentialsGrant(configuration).then(
      () => 'token',
      (problem: { error?: string }) => problem.error,
    );
    return { outcome, asked: [...neighbour.asked] };
  }

  test('are not fetched, and the client is refused', async () => {
    const { outcome, asked } = await authenticate({});
    assert.equal(outcome, 'invalid_client');
    assert.deepEqual(asked, []);
  });

  test('are fetched where KEYTURN_ALLOW_PRIVATE_NETWORK says so', async () => {
    assert.deepEqual(await authenticate({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' }), {
      outcome: 'token',
      asked: ['/jwks'],
    });
  });
});
