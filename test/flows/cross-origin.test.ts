import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';

const APP = 'https://app.example.com';
const PROTOCOL = ['/token', '/userinfo', '/introspect', '/revoke', '/par'];
const PUBLIC = ['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];

describe('scripts of other origins (Fetch section 3.2)', () => {
  let keyturn: Keyturn;
  let clientId: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    const spa = await keyturn.addClient({
      name: 'SPA',
      authenticationMethod: 'none',
      redirectUris: [`${APP}/cb`, 'com.example.app:/cb'],
      scope: 'openid',
    });
    clientId = spa.client.clientId;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const call = (path: string, origin: string, fields: Record<string, string> = {}) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      headers: { origin },
      body: new URLSearchParams({
        client_id: clientId,
        grant_type: 'refresh_token',
        refresh_token: 'x',
        token: 'x',
        ...fields,
      }),
    });

  test('may ask whether they may call the endpoints that they need', async () => {
    for (const path of [...PROTOCOL, ...PUBLIC]) {
      const method = PUBLIC.includes(path) ? 'GET' : 'POST';
      const response = await fetch(keyturn.issuer + path, {
        method: 'OPTIONS',
        headers: {
          origin: APP,
          'access-control-request-method': method,
          'access-control-request-headers': 'authorization, dpop',
        },
      });
      assert.equal(response.status, 204, path);
      assert.ok([APP, '*'].includes(response.headers.get('access-control-allow-origin') ?? ''), path);
      assert.ok(response.headers.get('access-control-allow-methods')?.includes(method), path);
      assert.equal(response.headers.get('access-control-allow-credentials'), null);
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(await response.text(), '');
    }
  });

  test('may call as a client from where it is registered to be called back, and read the answer', async () => {
    for (const path of ['/token', '/revoke']) {
      const response = await call(path, APP);
      assert.equal(response.headers.get('access-control-allow-origin'), APP, path);
      assert.equal(response.headers.get('access-control-allow-credentials'), null);
      assert.match(response.headers.get('vary') ?? '', /Origin/i);
    }
  });

  test('may not from anywhere else, and learn nothing from the answer', async () => {
    for (const origin of [
      'https://evil.example',
      'https://app.example.com.evil.example',
      'https://app.example.com:8443',
      'http://app.example.com',
      'https://APP.example.com',
      'null',
      'com.example.app:',
      'com.example.app://',
      'https://app.example.com/',
      'x',
      '*',
      'https://app.example.com https://evil.example',
    ]) {
      for (const path of ['/token', '/revoke', '/par']) {
        const response = await call(path, origin);
        assert.equal(response.status, 400, `${origin} ${path}`);
        assert.equal(response.headers.get('access-control-allow-origin'), null, `${origin} ${path}`);
        assert.equal(((await response.json()) as { error: string }).error, 'invalid_request');
      }
    }
  });

  test('read keys and metadata from anywhere', async () => {
    for (const path of PUBLIC) {
      for (const origin of ['https://evil.example', 'null']) {
        const response = await fetch(keyturn.issuer + path, { headers: { origin } });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('access-control-allow-origin'), '*');
        assert.equal(response.headers.get('cross-origin-resource-policy'), 'cross-origin');
      }
    }
  });

  test('never read the pages', async () => {
    for (const path of ['/', '/authorize', '/logout', '/interaction/x', '/assets/x', '/healthz']) {
      const response = await fetch(keyturn.issuer + path, { headers: { origin: APP } });
      assert.equal(response.headers.get('access-control-allow-origin'), null, path);
    }
  });
});
