import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { answers, requestId, SERVER, startCollector } from '#test/support/collector.ts';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startReceiver } from '#test/support/receiver.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';
import { until } from '#test/support/until.ts';

describe('a server whose collector is not there', () => {
  test('answers as ever, says so once, and counts the spans that it let go', async () => {
    const metricsPort = await freePort();
    await using keyturn = await startKeyturnHere({
      KEYTURN_TRACING_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      KEYTURN_TRACING_BATCH_MAX: '4',
      KEYTURN_TRACING_QUEUE_MAX: '4',
      KEYTURN_METRICS_PORT: String(metricsPort),
    });
    for (let request = 0; request < 8; request += 1)
      assert.equal((await fetch(`${keyturn.issuer}/jwks`)).status, 200);
    const scrape = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const read = async (series: string) => {
      const line = (await scrape()).split('\n').find((each) => each.startsWith(`${series} `));
      return Number(line?.slice(series.length));
    };
    // A request may also tell that it had to wait.
    await until(
      'the count',
      async () => (await read('keyturn_trace_spans_dropped_total{reason="queue-full"}')) >= 4,
    );
    assert.equal(await read('keyturn_trace_spans_waiting'), 4);
    assert.equal(await read('keyturn_trace_spans_exported_total'), 0);
    await until('the warning', () => keyturn.logged.some((line) => line.includes('traces cannot be sent')));
    const told = keyturn.logged.filter((line) => line.includes('traces cannot be sent'));
    assert.equal(told.length, 1);
    assert.equal((JSON.parse(told[0] ?? '') as { level: number }).level, 40);
  });
});

describe('the span of a request', () => {
  test('that fails says so, as does that of what failed', async () => {
    await using collector = await startCollector();
    await using keyturn = await startKeyturnHere(collector.settings);
    await keyturn.services.store[Symbol.asyncDispose]();
    const response = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'x', client_secret: 'y' }),
    });
    assert.equal(response.status, 503);
    const trace = await collector.traceOf('the request', answers(response));
    const failures = trace.map(({ name, failed, attributes }) => [name, failed, attributes['error.type']]);
    assert.deepEqual(failures.at(-1), ['POST /token', true, '503']);
    assert.deepEqual(failures.find(([name]) => name === 'find client')?.slice(1), [true, 'StorageFault']);
  });

  test('whose client goes away before it is answered says that, and is no failure of the server', async () => {
    await using collector = await startCollector();
    await using keys = await startReceiver();
    keys.answer(null);
    await using keyturn = await startKeyturnHere({
      ...collector.settings,
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_HTTP_OUTGOING_TIMEOUT: '30s',
      KEYTURN_OUTBOX_RETRY_AFTER: '1m',
    });
    const { client } = await keyturn.addClient({
      authenticationMethod: 'private_key_jwt',
      jwksUri: `${keys.origin}/jwks`,
    });
    const assertion = await new SignJWT({
      iss: client.clientId,
      sub: client.clientId,
      aud: keyturn.issuer,
      jti: 'x',
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'x' })
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign((await generateKeyPair('ES256')).privateKey);
    const patience = new AbortController();
    const asked = fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      signal: patience.signal,
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: 'x',
        client_id: client.clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    // The server is waiting for the keys of the client.
    await Promise.race([keys.next(), asked.then(async (response) => assert.fail(await response.text()))]);
    patience.abort();
    await assert.rejects(asked);
    const span = await collector.span('the request', ({ name }) => name === 'POST /token');
    assert.equal(span.attributes['error.type'], 'aborted');
    assert.equal(span.attributes['http.response.status_code'], undefined);
    assert.equal(span.failed, false);
  });
});

test('each of several workers sends its own spans, and when it stops what is left of them', async () => {
  await using collector = await startCollector();
  await using keyturn = await startKeyturn({
    env: {
      KEYTURN_WORKERS: '2',
      KEYTURN_TRACING_OTLP_ENDPOINT: collector.origin,
      KEYTURN_TRACING_EXPORT_EVERY: '1m',
    },
  });
  const requests = Array.from({ length: 20 }, async () => {
    const response = await fetch(`${keyturn.issuer}/jwks`, { headers: { connection: 'close' } });
    return requestId(response);
  });
  const answered = await Promise.all(requests);
  assert.equal((await keyturn.stop()).code, 0);
  const roots = collector.spans().filter(({ kind }) => kind === SERVER);
  const told = roots.map(({ attributes }) => attributes['keyturn.request_id']);
  assert.deepEqual(told.toSorted(), answered.toSorted());
  const instances = new Map(
    roots.map(({ resource }) => [resource['service.instance.id'], resource['keyturn.worker']]),
  );
  assert.equal(new Set(instances.values()).size, instances.size);
  for (const worker of instances.values()) assert.match(String(worker), /^[12]$/);
});

test('a server that traces nothing tells nobody whom it calls of a trace', async () => {
  await using site = await startReceiver();
  await using keyturn = await startKeyturnHere({
    KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
  });
  const added = await keyturn.addClient({
    scope: 'openid',
    metadata: { backchannel_logout_uri: `${site.origin}/told` },
  });
  const web = await RelyingParty.discover(keyturn, added);
  const { password } = await keyturn.addAccount('ada');
  const person = new Person();
  const { id_token: hint = '' } = await web.signIn(person, { login: 'ada', password });
  const page = await person.visit(`${keyturn.issuer}/logout?${new URLSearchParams({ id_token_hint: hint })}`);
  await person.submit(page, '/logout/confirm');
  const { headers } = await site.next();
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('trace')),
    [],
  );
  assert.ok(!keyturn.logged.join('').includes('trace_id'));
});
