import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import Koa from 'koa';
import type { ProxyTrust } from '#src/http/client-address.ts';
import { pinOrigin } from '#src/http/pinned-origin.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';

const ISSUER = 'https://id.example.com:8443';

/** What an application believes of a request. */
async function believed(
  target: string,
  headers: Record<string, string>,
  trustProxy: ProxyTrust = { kind: 'nobody' },
) {
  const app = new Koa();
  pinOrigin(app, { issuer: ISSUER, trustProxy });
  app.use((ctx) => {
    const { protocol, host, hostname, href, secure, ip } = ctx;
    ctx.body = { protocol, host, hostname, href, secure, ip };
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const [answer] = await exchange(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      rawRequest(`GET ${target}`, headers),
    );
    return JSON.parse(answer?.body ?? '') as Record<string, unknown>;
  } finally {
    server.close();
    await once(server, 'close');
  }
}

suite('an application with a pinned origin', () => {
  const pinned = { protocol: 'https', host: 'id.example.com:8443', hostname: 'id.example.com', secure: true };

  for (const [what, headers] of Object.entries({
    'another Host': { Host: 'evil.example' },
    'no host in it': { Host: '' },
    'a broken Host': { Host: 'evil.example:x@[' },
    'X-Forwarded-*': {
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Port': '1',
    },
    Forwarded: { Forwarded: 'host=evil.example;proto=http' },
    ':authority': { 'X-Original-Host': 'evil.example' },
  })) {
    test(`takes its address from the issuer in spite of ${what}`, async () => {
      for (const trust of [{ kind: 'nobody' }, { kind: 'hops', count: 1 }] as const) {
        const { ip: _, href, ...rest } = await believed('/path?query', headers, trust);
        assert.deepEqual(rest, pinned);
        assert.equal(href, `${ISSUER}/path?query`);
      }
    });
  }

  test('asks trusted proxies for the address of the client, and for nothing else', async () => {
    const headers = { 'X-Forwarded-For': '198.51.100.1, 203.0.113.7' };
    assert.equal((await believed('/', headers)).ip, '127.0.0.1');
    assert.equal((await believed('/', headers, { kind: 'hops', count: 1 })).ip, '203.0.113.7');
    assert.equal(
      (await believed('/', headers, { kind: 'addresses', blocks: ['10.0.0.0/8'] })).ip,
      '127.0.0.1',
    );
  });
});
