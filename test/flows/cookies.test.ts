import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startKeyturnHere } from '#test/support/keyturn.ts';

const form = (fields: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(fields) });

describe('cookies', () => {
  test('under https they are Secure, HttpOnly, SameSite=Lax and bound to this host (RFC 6265bis section 4.1)', async () => {
    const issuer = 'https://id.example.com';
    await using keyturn = await startKeyturnHere({ KEYTURN_ISSUER: issuer });
    const { password } = await keyturn.addAccount('ada');
    const { client } = await keyturn.addClient({
      name: 'SPA',
      authenticationMethod: 'none',
      scope: 'openid',
    });
    const origin = `http://127.0.0.1:${keyturn.services.config.port}`;
    const jar = new Map<string, string>();
    const seen: string[] = [];
    const send = async (path: string, init: RequestInit = {}) => {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(origin + path, {
        ...init,
        headers: { cookie, accept: 'text/html' },
        redirect: 'manual',
      });
      for (const set of response.headers.getSetCookie()) {
        seen.push(set);
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
        jar.set(name, value);
      }
      assert.match(response.headers.get('strict-transport-security') ?? '', /max-age=\d+/);
      return response;
    };
    const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
    const query = new URLSearchParams({
      client_id: client.clientId,
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:4000/callback',
      scope: 'openid',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    });
    let next = (await send(`/authorize?${query}`)).headers.get('location') ?? '';
    for (let hop = 0; hop < 8 && !next.includes('code='); hop += 1) {
      assert.ok(next.startsWith('/') || next.startsWith(`${issuer}/`), next);
      const path = next.replace(issuer, '');
      const page = await send(path);
      next = page.headers.get('location') ?? '';
      if (next !== '') continue;
      const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
      const step = hop < 2 ? 'sign-in' : 'consent';
      next =
        (await send(`${path}/${step}`, form({ csrf, login: 'ada', password }))).headers.get('location') ?? '';
    }
    assert.match(next, /^http:\/\/127\.0\.0\.1:4000\/callback\?code=/);
    assert.ok(seen.some((cookie) => cookie.startsWith('__Host-keyturn-session=')));
    const page = await send('/account/password');
    const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
    const renewed = 'another quick brown fox';
    const change = form({ csrf, current: password, new: renewed, repeat: renewed });
    assert.equal((await send('/account/password', change)).headers.get('location'), '/account/password?done');
    assert.equal(
      (await send('/account/password?done')).status,
      200,
      'the session that was begun anew counts',
    );
    for (const cookie of seen) {
      assert.match(cookie, /^__(Host|Secure)-keyturn-/);
      assert.match(cookie, /; secure/i);
      assert.match(cookie, /; httponly/i);
      assert.match(cookie, /; samesite=lax/i);
      assert.doesNotMatch(cookie, /; domain=/i);
      if (cookie.startsWith('__Host-')) assert.match(cookie, /; path=\/(;|$)/i);
    }
  });
});
