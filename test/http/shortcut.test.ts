import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { StorageFault } from '#src/fault.ts';
import { fixedDocument } from '#src/http/metadata.ts';
import { readBody } from '#src/http/request-body.ts';
import { answerLog } from '#src/http/request-log.ts';
import { type Shortcut, withShortcuts } from '#src/http/shortcut.ts';

const BODY_MAX = 100;

describe('an application with shortcuts', () => {
  let document = fixedDocument({ keys: [] });
  const logged: { method: string; path: string; status: number; requestId: string }[] = [];
  let origin: string;

  const listener = withShortcuts(
    async (request, response) => {
      try {
        const body = await readBody(request, BODY_MAX);
        response.end(`the application read ${body}`);
      } catch (fault) {
        response.statusCode = 503;
        response.end((fault as Error).message);
      }
    },
    {
      redirects: new Map([
        [
          '/leave',
          {
            locationFor: async ({ query, address, headers }) => {
              if (query === 'fault') throw new StorageFault('the store is away');
              if (query === '') return null;
              return `https://client.example.com/?${query}&${address}&${headers['x-short'] ?? ''}`;
            },
          },
        ],
      ]),
      shortcuts: new Map<string, Shortcut>([
        [
          '/short',
          {
            method: 'POST',
            headers: { 'X-Own': 'yes' },
            takes: (headers) => headers['x-long'] === undefined,
            answer: async ({ body }) => {
              if (body.equals(Buffer.from('fault'))) throw new StorageFault('the store is away');
              return body.equals(Buffer.from('known')) ? { status: 200, body: { answered: true } } : null;
            },
          },
        ],
        [
          '/asked',
          {
            method: 'GET',
            headers: {},
            takes: () => true,
            answer: async ({ headers }) => {
              if (headers['x-fault'] !== undefined) throw new StorageFault('the store is away');
              return headers['x-known'] === undefined ? null : { status: 200, body: { answered: true } };
            },
          },
        ],
      ]),
      documents: { '/keys': { type: 'application/jwk-set+json', maxAge: 600, read: () => document() } },
      issuer: 'https://login.example.com',
      trustProxy: { kind: 'nobody' },
      bodyMax: BODY_MAX,
      logAnswer: answerLog(
        pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) }),
      ),
    },
  );
  const server = createServer(listener);

  before(async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => new Promise((closed) => server.close(closed)));

  /** What was logged of an answer. Its line comes once the connection has taken the last of it. */
  async function lineOf(id: string | null) {
    for (;;) {
      const line = logged.find(({ requestId }) => requestId === id);
      if (line !== undefined) return line;
      await new Promise((turn) => setImmediate(turn));
    }
  }

  const post = (body: string, path = '/short', headers: Record<string, string> = {}) =>
    fetch(origin + path, { method: 'POST', body, headers });

  test('answers what a shortcut knows, guarded, and logged as every answer is', async () => {
    const response = await post('known');
    assert.deepEqual(await response.json(), { answered: true });
    const { headers } = response;
    assert.equal(headers.get('x-own'), 'yes');
    assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('strict-transport-security') ?? '', /max-age/);
    const line = await lineOf(headers.get('x-request-id'));
    assert.deepEqual([line.method, line.path, line.status], ['POST', '/short', 200]);
  });

  test('answers for documents: whole, or that they are current (RFC 9110 section 15.4.5)', async () => {
    const whole = await fetch(`${origin}/keys`);
    assert.deepEqual(await whole.json(), { keys: [] });
    assert.equal(whole.headers.get('content-type'), 'application/jwk-set+json');
    assert.equal(whole.headers.get('cache-control'), 'public, max-age=600');
    const etag = whole.headers.get('etag') ?? '';
    const held = await fetch(`${origin}/keys`, { headers: { 'if-none-match': etag } });
    assert.deepEqual([held.status, await held.text()], [304, '']);
    for (const name of ['etag', 'cache-control', 'access-control-allow-origin', 'x-content-type-options'])
      assert.equal(held.headers.get(name), whole.headers.get(name), name);
    const line = await lineOf(held.headers.get('x-request-id'));
    assert.deepEqual([line.method, line.path, line.status], ['GET', '/keys', 304]);

    document = fixedDocument({ keys: [{ kty: 'EC' }] });
    const changed = await fetch(`${origin}/keys`, { headers: { 'if-none-match': etag } });
    assert.deepEqual([changed.status, await changed.json()], [200, { keys: [{ kty: 'EC' }] }]);
  });

  test('sends browsers on, guarded, and logged without their query', async () => {
    const headers = { 'x-short': 'yes' };
    const sent = await fetch(`${origin}/leave?a=b`, { headers, redirect: 'manual' });
    assert.equal(sent.status, 303);
    assert.equal(sent.headers.get('location'), 'https://client.example.com/?a=b&127.0.0.1&yes');
    assert.equal(sent.headers.get('cache-control'), 'no-store');
    assert.equal(sent.headers.get('referrer-policy'), 'no-referrer');
    const line = await lineOf(sent.headers.get('x-request-id'));
    assert.deepEqual([line.method, line.path, line.status], ['GET', '/leave', 303]);
    for (const url of ['/leave', '/leave?', '/leave?fault', '/leave/more?a=b'])
      assert.equal(await (await fetch(origin + url)).text(), 'the application read ', url);
    assert.equal(await (await post('known', '/leave?a=b')).text(), 'the application read known');
  });

  test('leaves a document that cannot be read to the application', async () => {
    document = () => {
      throw new StorageFault('the store is away');
    };
    assert.equal(await (await fetch(`${origin}/keys`)).text(), 'the application read ');
  });

  test('reads for itself what no shortcut answers', async () => {
    assert.equal(await (await post('other')).text(), 'the application read other');
    assert.equal(await (await post('known', '/long')).text(), 'the application read known');
    assert.equal(await (await post('known', '/short?x')).text(), 'the application read known');
    assert.equal(
      await (await post('known', '/short', { 'x-long': 'x' })).text(),
      'the application read known',
    );
    assert.equal(await (await fetch(`${origin}/short`)).text(), 'the application read ');
  });

  test('answers by GET what a shortcut knows, and leaves whatever else to the application', async () => {
    const ask = (headers: Record<string, string>) => fetch(`${origin}/asked`, { headers });
    const known = await ask({ 'x-known': 'x' });
    assert.deepEqual(await known.json(), { answered: true });
    const line = await lineOf(known.headers.get('x-request-id'));
    assert.deepEqual([line.method, line.path, line.status], ['GET', '/asked', 200]);
    assert.equal(await (await ask({})).text(), 'the application read ');
    assert.equal((await ask({ 'x-known': 'x', 'x-fault': 'x' })).status, 503);
    const posted = await post('known', '/asked', { 'x-known': 'x' });
    assert.equal(await posted.text(), 'the application read known');
  });

  test('is thrown what went wrong on the way, once it reads', async () => {
    const faulty = await post('fault');
    assert.deepEqual([faulty.status, await faulty.text()], [503, 'the store is away']);
    const large = await post('x'.repeat(BODY_MAX + 1));
    assert.deepEqual([large.status, await large.text()], [503, `the body is larger than ${BODY_MAX} bytes`]);
  });
});
