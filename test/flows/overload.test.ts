import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { startReceiver } from '#test/support/receiver.ts';

test('a server with as much to do as it may turns requests away, and goes on answering for its health, keys and metadata', async () => {
  await using keysOfClients = await startReceiver();
  const waiting: ServerResponse[] = [];
  keysOfClients.answer((response) => void waiting.push(response));
  const port = await freePort();
  await using keyturn = await startKeyturnHere({
    KEYTURN_HTTP_REQUESTS_MAX: '2',
    KEYTURN_HTTP_OUTGOING_TIMEOUT: '1m',
    KEYTURN_OUTBOX_RETRY_AFTER: '2m',
    KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
    KEYTURN_METRICS_PORT: String(port),
  });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  /** A request that takes as long as fetching the keys of its client. */
  const work = async (name: string) => {
    const { client } = await keyturn.addClient({
      redirectUris: [],
      grantTypes: ['client_credentials'],
      scope: 'openid',
      authenticationMethod: 'private_key_jwt',
      jwksUri: `${keysOfClients.origin}/${name}`,
    });
    const assertion = await new SignJWT({ jti: name })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(client.clientId)
      .setSubject(client.clientId)
      .setAudience(keyturn.issuer)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey);
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    });
    return (await fetch(`${keyturn.issuer}/token`, { method: 'POST', body })).status;
  };
  const [first, second] = [work('first'), work('second')];
  while (waiting.length < 2) await new Promise(setImmediate);

  const refused = await fetch(`${keyturn.issuer}/token`, { method: 'POST' });
  assert.equal(refused.status, 503);
  assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  assert.equal(refused.headers.get('cache-control'), 'no-store');
  assert.equal(((await refused.json()) as { error: string }).error, 'temporarily_unavailable');
  for (const path of ['/healthz', '/readyz', '/jwks', '/.well-known/openid-configuration'])
    assert.equal((await fetch(keyturn.issuer + path)).status, 200, path);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(text, /^keyturn_http_requests_shed_total\{reason="in-flight"\} 1$/m);
  assert.match(text, /^keyturn_http_requests_in_flight 2$/m);
  assert.equal(keyturn.logged.filter((line) => line.includes('requests are turned away')).length, 1);

  for (const response of waiting) response.writeHead(404).end();
  assert.deepEqual(await Promise.all([first, second]), [401, 401]);
  assert.equal((await fetch(`${keyturn.issuer}/userinfo`)).status, 401);
});
