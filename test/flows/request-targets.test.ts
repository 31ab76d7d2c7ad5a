import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';
import { assertRefused } from '#test/support/refused.ts';

describe('requests that are none, targets and methods', () => {
  let keyturn: Keyturn;

  before(async () => {
    keyturn = await startKeyturnHere();
  });
  after(() => stopFaultless(keyturn));

  const worksStill = async () => assert.equal((await fetch(`${keyturn.issuer}/jwks`)).status, 200);

  test('a request beyond the size of a head is refused with 431, broken ones with 400, none with a word too much', async () => {
    for (const [request, status] of [
      [rawRequest(`GET /authorize?state=${'x'.repeat(40_000)}`), 431],
      [rawRequest('GET /', { Cookie: 'x'.repeat(40_000) }), 431],
      ['nonsense\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\n\r\n', 400],
      [rawRequest('GET /\u00ff'), 400],
      [rawRequest('GET / x'), 400],
      [rawRequest('GET javascript:alert(1)'), 400],
      [rawRequest('GET /', { 'Bad Name': 'x' }), 400],
      [rawRequest('POST /token', { 'Content-Length': 'x' }), 400],
      [rawRequest('POST /token', { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }, 'abcde'), 400],
      [`${rawRequest('POST /token', { 'Transfer-Encoding': 'chunked' })}zz\r\n`, 400],
      [rawRequest('INVENTED /token'), 400],
    ] as const) {
      const [answer] = await exchange(keyturn.issuer, request);
      assert.equal(answer?.status, status, request.slice(0, 60));
      assert.equal(answer?.body, '');
    }
    await worksStill();
  });

  test('the address is never believed: absolute targets, Host and X-Forwarded-* change nothing (RFC 9112 section 3.2)', async () => {
    const forged = {
      Host: 'evil.example',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'host=evil.example',
      'X-Forwarded-Prefix': '/evil',
      'X-Original-URL': '/jwks',
      'X-HTTP-Method-Override': 'POST',
    };
    for (const target of [
      '/.well-known/openid-configuration',
      'http://evil.example/.well-known/openid-configuration',
    ]) {
      const [answer] = await exchange(keyturn.issuer, rawRequest(`GET ${target}`, forged));
      assert.equal(JSON.parse(answer?.body ?? '').token_endpoint, `${keyturn.issuer}/token`);
    }
    for (const target of [
      '/',
      '/authorize?client_id=x',
      'http://evil.example/authorize',
      '//evil.example/authorize',
      '/authorize/x',
      '/logout',
      '/interaction/x',
    ]) {
      const [answer] = await exchange(
        keyturn.issuer,
        rawRequest(`GET ${target}`, { ...forged, Accept: 'text/html' }),
      );
      assert.doesNotMatch(
        JSON.stringify([...(answer?.headers ?? [])]) + answer?.body,
        /evil\.example/,
        target,
      );
    }
  });

  test('no target brings the server down, and no second spelling leads to an endpoint', async () => {
    for (const [target, status] of [
      ['http://[', 200],
      ['http://[::1', 200],
      ['http://a:bad/', 200],
      ['http://a@b:c/d', 404],
      ['http:///jwks', 200],
      ['*', 404],
      ['//token', 404],
      ['/..;/token', 404],
      ['/%2e%2e/token', 404],
      ['/./jwks', 404],
      ['/x/../jwks', 404],
      ['/%6awks', 404],
      ['/jwks%00', 404],
      ['/jwks/', 404],
      ['/JWKS', 404],
      ['/jwks;x=y', 404],
      ['/.well-known/openid-configuration/', 404],
      ['/Authorize', 404],
      ['/authorize/', 404],
      ['/userinfo/', 404],
      ['/LOGOUT', 404],
      ['/%', 404],
      ['/%zz', 404],
      ['/%ff', 404],
      ['/assets/..%2f..%2fkeys', 404],
      ['/assets/%00', 404],
      ['/assets//', 404],
      ['/authorize/%zz', 400],
      ['/authorize/..', 400],
      ['/authorize/a/b', 404],
      ['/interaction/%zz', 400],
      ['/interaction/%00', 400],
      ['/interaction/..%2f..', 400],
      ['/interaction//sign-in', 404],
      ['/jwks#x', 200],
      ['/jwks?__proto__=x&a[b]=c', 200],
    ] as const) {
      const [answer] = await exchange(keyturn.issuer, rawRequest(`GET ${target}`));
      assert.equal(answer?.status, status, target);
      if (status !== 200) assertRefused(status, answer?.body ?? '');
    }
    await worksStill();
  });

  test('an address that takes other methods says which (RFC 9110 section 15.5.6)', async () => {
    for (const [path, ...allowed] of [
      ['/token', 'POST', 'OPTIONS'],
      ['/introspect', 'POST', 'OPTIONS'],
      ['/revoke', 'POST', 'OPTIONS'],
      ['/par', 'POST', 'OPTIONS'],
      ['/userinfo', 'GET', 'HEAD', 'POST', 'OPTIONS'],
      ['/authorize', 'GET', 'HEAD', 'POST'],
      ['/authorize/x', 'GET', 'HEAD'],
      ['/logout', 'GET', 'HEAD', 'POST'],
      ['/logout/confirm', 'POST'],
      ['/logout/success', 'GET', 'HEAD'],
      ['/jwks', 'GET', 'HEAD', 'OPTIONS'],
      ['/.well-known/openid-configuration', 'GET', 'HEAD', 'OPTIONS'],
      ['/.well-known/oauth-authorization-server', 'GET', 'HEAD', 'OPTIONS'],
      ['/', 'GET', 'HEAD'],
      ['/healthz', 'GET', 'HEAD'],
      ['/readyz', 'GET', 'HEAD'],
      ['/interaction/x', 'GET', 'HEAD'],
      ['/interaction/x/sign-in', 'GET', 'HEAD', 'POST'],
      ['/interaction/x/consent', 'GET', 'HEAD', 'POST'],
      ['/interaction/x/cancel', 'GET', 'HEAD', 'POST'],
      ['/robots.txt', 'GET', 'HEAD'],
    ] as const) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
        if ((allowed as readonly string[]).includes(method)) continue;
        const answer = await fetch(keyturn.issuer + path, { method });
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.equal(answer.headers.get('allow'), allowed.join(', '), path);
      }
    }
    const options = await fetch(`${keyturn.issuer}/token`, { method: 'OPTIONS' });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get('allow'), 'POST, OPTIONS');
  });
});
