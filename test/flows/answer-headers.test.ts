import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const PATHS = [
  '/',
  '/jwks',
  '/.well-known/openid-configuration',
  '/authorize',
  '/logout',
  '/logout/success',
  '/userinfo',
  '/healthz',
  '/readyz',
  '/robots.txt',
  '/interaction/x',
  '/nothing/here',
];

describe('the headers of every answer', () => {
  let keyturn: Keyturn;

  before(async () => {
    keyturn = await startKeyturnHere();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  function assertGuarded({ headers }: Response, what: string) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff', what);
    assert.equal(headers.get('x-frame-options'), 'DENY', what);
    assert.equal(headers.get('referrer-policy'), 'no-referrer', what);
    assert.match(
      headers.get('content-security-policy') ?? '',
      /default-src 'none'.*frame-ancestors 'none'/,
      what,
    );
    assert.match(headers.get('permissions-policy') ?? '', /camera=\(\)/, what);
    assert.match(headers.get('cache-control') ?? '', /^(no-store|public, max-age=\d+(, immutable)?)$/, what);
    assert.equal(headers.get('x-powered-by'), null, what);
    assert.equal(headers.get('server'), null, what);
    assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/, what);
  }

  test('guard it, whatever the method and whatever the answer (OWASP REST Security Cheat Sheet)', async () => {
    const seen = new Set<number>();
    for (const path of [...PATHS, '/token', '/introspect', '/revoke', '/par', '/logout/confirm']) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS']) {
        for (const headers of [
          {},
          { accept: 'text/html' },
          { origin: 'https://app.example', 'access-control-request-method': 'POST' },
        ]) {
          const response = await fetch(keyturn.issuer + path, { method, headers, redirect: 'manual' });
          assertGuarded(response, `${method} ${path} ${response.status}`);
          seen.add(response.status);
          await response.body?.cancel();
        }
      }
    }
    const big = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ x: 'x'.repeat(60_000) }),
    });
    assertGuarded(big, 'too large');
    seen.add(big.status);
    const jwks = await fetch(`${keyturn.issuer}/jwks`);
    const held = await fetch(`${keyturn.issuer}/jwks`, {
      headers: { 'if-none-match': jwks.headers.get('etag') ?? '' },
    });
    assertGuarded(held, 'not modified');
    seen.add(held.status);
    assert.deepEqual([...seen].sort(), [200, 204, 304, 400, 401, 404, 405, 413, 415]);
  });

  test('guard the pages of a sign-in, and what leads from one to the next', async () => {
    const { password } = await keyturn.addAccount('ada');
    const web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    const original = globalThis.fetch;
    const answers: Response[] = [];
    globalThis.fetch = async (...args) => {
      const response = await original(...args);
      answers.push(response);
      return response;
    };
    try {
      await new Person().authorize((await web.request()).url, { login: 'ada', password });
    } finally {
      globalThis.fetch = original;
    }
    assert.ok(answers.length >= 5);
    for (const response of answers) {
      assertGuarded(response, `${response.status} ${new URL(response.url).pathname}`);
      assert.equal(response.headers.get('cache-control'), 'no-store');
    }
  });

  test('are those of GET for HEAD, without the content (RFC 9110 section 9.3.2)', async () => {
    for (const path of PATHS) {
      for (const accept of ['*/*', 'text/html']) {
        const [get, head] = await Promise.all(
          ['GET', 'HEAD'].map((method) =>
            fetch(keyturn.issuer + path, { method, headers: { accept }, redirect: 'manual' }),
          ),
        );
        assert.equal(head?.status, get?.status, path);
        for (const name of [
          'content-type',
          'content-length',
          'cache-control',
          'etag',
          'vary',
          'www-authenticate',
        ]) {
          assert.equal(head?.headers.get(name), get?.headers.get(name), `${path} ${name}`);
        }
        assert.equal(await head?.text(), '');
        await get?.body?.cancel();
      }
    }
  });
});
