import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readPage } from '#test/docs/markdown.ts';
import {
  answers,
  CLIENT,
  type Collector,
  type ExportedSpan,
  requestId,
  SERVER,
  startCollector,
} from '#test/support/collector.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';
import { type Receiver, startReceiver } from '#test/support/receiver.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

/** Of somebody who calls: W3C Trace Context section 3.2.3. */
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

/** Makes the library answer what a shortcut would. */
const BY_THE_LIBRARY = { meaningless: 'x' };

interface Caller {
  readonly clientId: string;
  readonly secret: string;
}

function post(
  keyturn: Pick<Keyturn, 'issuer'>,
  path: string,
  { clientId, secret }: Caller,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
  return fetch(keyturn.issuer + path, {
    method: 'POST',
    headers: { authorization, ...headers },
    body: new URLSearchParams(fields),
  });
}

/** The span below which all others of a trace are. */
const rootOf = (trace: readonly ExportedSpan[]) =>
  trace.find(({ kind }) => kind === SERVER) ?? assert.fail('the trace has no span of a request');

describe('traces', () => {
  let collector: Collector;
  let notified: Receiver;
  let keyturn: Keyturn;
  let service: Caller;
  let api: Caller;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };
  /** All that must not be told to anybody, and that went over the wire. */
  const confidential: string[] = [];

  before(async () => {
    [collector, notified] = await Promise.all([startCollector(), startReceiver()]);
    keyturn = await startKeyturnHere({
      ...collector.settings,
      KEYTURN_TRACING_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      KEYTURN_TRACING_HEADERS: 'x-api-key=an%2Bapi%3Dkey',
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    const added = await keyturn.addResourceServer();
    api = { clientId: added.resourceServer.clientId, secret: added.secret };
    const registered = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    service = { clientId: registered.client.clientId, secret: registered.secret };
    const webClient = await keyturn.addClient({
      scope: 'openid offline_access',
      metadata: { backchannel_logout_uri: `${notified.origin}/told?of=something` },
    });
    web = await RelyingParty.discover(keyturn, webClient);
    confidential.push(ada.password, 'ada@example.com', service.secret, api.secret, webClient.secret);
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await collector[Symbol.asyncDispose]();
    await notified[Symbol.asyncDispose]();
  });

  const ownToken = (fields: Record<string, string> = {}, headers?: Record<string, string>) =>
    post(keyturn, '/token', service, { grant_type: 'client_credentials', scope: 'read', ...fields }, headers);

  for (const [way, further] of [
    ['a shortcut', {}],
    ['the library', BY_THE_LIBRARY],
  ] as const) {
    test(`of a token request that ${way} answers: a span of the request, and below it those of the store`, async () => {
      const response = await ownToken(further);
      assert.equal(response.status, 200);
      const { access_token: token } = (await response.json()) as { access_token: string };
      confidential.push(token);
      const trace = await collector.traceOf('the request', answers(response));
      const root = rootOf(trace);
      assert.equal(root.name, 'POST /token');
      assert.equal(root.parentSpanId, null);
      assert.deepEqual(root.links, []);
      const { port } = new URL(keyturn.issuer);
      assert.deepEqual(root.attributes, {
        'http.request.method': 'POST',
        'http.route': '/token',
        'http.response.status_code': 200,
        'url.scheme': 'http',
        'server.address': 'localhost',
        'server.port': Number(port),
        'network.protocol.version': '1.1',
        'keyturn.request_id': requestId(response),
        'keyturn.client_id': service.clientId,
        'keyturn.grant_type': 'client_credentials',
      });
      assert.equal(root.failed, false);
      const read = trace.find(({ name }) => name === 'find client') ?? assert.fail();
      assert.equal(read.parentSpanId, root.spanId);
      assert.equal(read.attributes['db.operation.name'], 'find');
      assert.equal(read.attributes['db.collection.name'], 'client');
      for (const span of trace) {
        assert.ok(span.startedAt >= root.startedAt && span.endedAt <= root.endedAt, span.name);
        assert.ok(span.startedAt <= span.endedAt, span.name);
      }
    });

    test(`of an introspection that ${way} answers say who asked, and what was answered`, async () => {
      const { access_token: token } = (await (await ownToken()).json()) as { access_token: string };
      confidential.push(token);
      const response = await post(keyturn, '/introspect', api, { token, ...further });
      assert.equal(((await response.json()) as { active: boolean }).active, true);
      const { name, attributes } = await collector.span('the request', answers(response));
      assert.equal(name, 'POST /introspect');
      assert.equal(attributes['keyturn.client_id'], api.clientId);
      assert.equal(attributes['keyturn.introspection'], 'active');
    });
  }

  test('of a request that is refused say by which error, which is no failure of the server', async () => {
    const response = await post(
      keyturn,
      '/token',
      { ...service, secret: 'wrong-secret-of-a-client' },
      {
        grant_type: 'client_credentials',
      },
    );
    confidential.push('wrong-secret-of-a-client');
    const { attributes, failed } = await collector.span('the request', answers(response));
    assert.equal(attributes['http.response.status_code'], 401);
    assert.equal(attributes['keyturn.error'], 'invalid_client');
    assert.equal(failed, false);
  });

  test('name no path, method, grant or error that a request made up', async () => {
    const made = 'a-secret-in-the-path';
    confidential.push(made);
    const responses = [
      await fetch(`${keyturn.issuer}/${made}?${made}=${made}`, { headers: { 'user-agent': made } }),
      await fetch(`${keyturn.issuer}/interaction/${made}/${made}`),
      await ownToken({ grant_type: made }),
    ];
    for (const response of responses) await collector.span('the request', answers(response));
    const spans = responses.map((response) => collector.spans().find(answers(response)));
    assert.deepEqual(
      spans.map((span) => [span?.name, span?.attributes['keyturn.grant_type']]),
      [
        ['GET', undefined],
        ['GET', undefined],
        ['POST /token', undefined],
      ],
    );
    await exchange(keyturn.issuer, rawRequest('PROPFIND /token'));
    const other = await collector.span('the request', ({ name }) => name.startsWith('HTTP'));
    assert.equal(other.attributes['http.request.method'], '_OTHER');
  });

  test('of a document name its route', async () => {
    for (const path of ['/jwks', '/.well-known/openid-configuration', '/']) {
      const response = await fetch(keyturn.issuer + path, { headers: { accept: 'text/html' } });
      const { name } = await collector.span(path, answers(response));
      assert.equal(name, `GET ${path}`);
    }
  });

  test('leave out what asks for the health of the server', async () => {
    const probe = await fetch(`${keyturn.issuer}/readyz`);
    await collector.span('the next request', answers(await fetch(`${keyturn.issuer}/jwks`)));
    assert.ok(!collector.spans().some(answers(probe)));
  });

  test('of a sign-in say how long its password waited and was hashed, and each log line names its span', async () => {
    const tokens = await web.signIn(new Person(), ada);
    confidential.push(tokens.access_token, tokens.id_token ?? '', tokens.refresh_token ?? '');
    const root = await collector.span(
      'the sign-in',
      ({ attributes }) => attributes['keyturn.sign_in'] === 'signed-in',
    );
    assert.equal(root.name, 'POST /interaction/:uid/sign-in');
    assert.equal(root.attributes['keyturn.client_id'], web.configuration.clientMetadata().client_id);
    const trace = collector.spans().filter(({ traceId }) => traceId === root.traceId);
    for (const name of ['password wait', 'password hash'])
      assert.equal(trace.find((span) => span.name === name)?.parentSpanId, root.spanId, name);
    const lines = keyturn.logged.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const message of ['sign-in', 'request']) {
      const line = lines.find(
        ({ msg, requestId: id }) => msg === message && id === root.attributes['keyturn.request_id'],
      );
      assert.equal(line?.trace_id, root.traceId, message);
      assert.equal(line?.span_id, root.spanId, message);
    }
    const redeemed = await collector.span(
      'the redemption',
      ({ attributes }) => attributes['keyturn.grant_type'] === 'authorization_code',
    );
    assert.equal(redeemed.name, 'POST /token');
    await collector.span('what goes on after a step', ({ name }) => name === 'GET /authorize/:uid');
  });

  test('say whose they are, and come with the headers that the settings name', async () => {
    const response = await ownToken();
    const { resource } = await collector.span('the request', answers(response));
    assert.equal(resource['service.name'], 'keyturn');
    assert.equal(resource['deployment.environment.name'], 'test');
    assert.ok(resource['service.instance.id']);
    const [call] = collector.received;
    assert.equal(call?.path, '/v1/traces');
    assert.equal(call.headers['content-type'], 'application/json');
    assert.equal(call.headers['x-api-key'], 'an+api=key');
    assert.ok(!keyturn.logged.join('').includes('an+api=key'));
  });

  describe('and the context of a stranger (W3C Trace Context)', () => {
    test('is not followed, and is linked to: nobody decides for us what is recorded', async () => {
      for (const flags of ['00', '01']) {
        const response = await ownToken({}, { traceparent: `00-${TRACE}-${PARENT}-${flags}` });
        const root = await collector.span('the request', answers(response));
        assert.notEqual(root.traceId, TRACE);
        assert.equal(root.parentSpanId, null);
        assert.deepEqual(root.links, [{ traceId: TRACE, spanId: PARENT }]);
      }
    });

    test('is told to nobody by the answer', async () => {
      const response = await ownToken({}, { traceparent: TRACEPARENT, tracestate: 'congo=t61rcWkgMzE' });
      for (const name of ['traceparent', 'tracestate', 'traceresponse'])
        assert.equal(response.headers.get(name), null, name);
    });
  });

  test('of a delivery tell the server that is called of it by traceparent (section 3.2)', async () => {
    const person = new Person();
    const tokens: Tokens = await web.signIn(person, ada);
    const hint = new URLSearchParams({ id_token_hint: tokens.id_token ?? '' });
    const page = await person.visit(`${keyturn.issuer}/logout?${hint}`);
    await person.submit(page, '/logout/confirm');
    const { headers, body } = await notified.next();
    confidential.push(
      new URLSearchParams(body).get('logout_token') ?? assert.fail(),
      ...person.cookieValues(),
    );
    const [, traceId, spanId, flags] =
      /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(headers.traceparent)) ??
      assert.fail(`${headers.traceparent}`);
    assert.equal(flags, '01');
    assert.equal(headers.tracestate, undefined);
    const call = await collector.span('the call', (span) => span.spanId === spanId);
    assert.equal(call.traceId, traceId);
    assert.equal(call.kind, CLIENT);
    assert.equal(call.name, 'POST');
    assert.deepEqual(call.attributes, {
      'http.request.method': 'POST',
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(notified.origin).port),
      'http.response.status_code': 200,
    });
    const delivery = await collector.span('the delivery', (span) => span.spanId === call.parentSpanId);
    assert.match(delivery.name, /^deliver /);
    assert.equal(delivery.attributes['keyturn.client_id'], web.configuration.clientMetadata().client_id);
  });

  test('hold no token, code, secret, cookie, password or address of anybody, in any byte that is sent', async () => {
    const { url, checks } = await web.request({ login_hint: 'somebody@example.com', prompt: 'login' });
    const person = new Person();
    const callback = await person.authorize(url, ada);
    const tokens = await web.redeem(callback, checks);
    const refreshed = await web.refresh(tokens.refresh_token ?? '');
    await web.revoke(refreshed.access_token);
    const userinfo = await fetch(`${keyturn.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    await collector.span('the last request', answers(userinfo));
    for (const set of [tokens, refreshed])
      confidential.push(set.access_token, set.refresh_token ?? '', set.id_token ?? '');
    confidential.push(
      'somebody@example.com',
      callback.searchParams.get('code') ?? '',
      url.searchParams.get('state') ?? '',
      checks.expectedNonce ?? '',
      checks.pkceCodeVerifier,
      CALLBACK,
      tokens.claims()?.sub ?? '',
      ...person.cookieValues(),
    );
    const secrets = confidential.filter((each) => each !== '');
    assert.ok(secrets.length > 25);
    const sent = collector.received.map(({ body }) => body).join('\n');
    assert.ok(collector.spans().length > 100);
    for (const secret of secrets) {
      const parts = [secret, encodeURIComponent(secret), ...secret.split('.').slice(2)];
      for (const part of parts.filter(({ length }) => length >= 8))
        assert.ok(!sent.includes(part), `a span holds ${part}`);
    }
    const told = readPage('docs/tracing.md').rows.flatMap(
      ([first = '']) => /^`([\w.]+)`$/.exec(first)?.[1] ?? [],
    );
    const named = collector
      .spans()
      .flatMap(({ attributes, resource }) => [...Object.keys(attributes), ...Object.keys(resource)]);
    assert.deepEqual(
      [...new Set(named)].filter((name) => !told.includes(name)),
      ['deployment.environment.name'],
    );
  });
});
