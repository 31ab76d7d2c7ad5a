import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';
import { assertRefused, refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const FORM = 'application/x-www-form-urlencoded';
const BODY_MAX = 56 * 1024;
/** Every endpoint that takes a form and answers a program. */
const ENDPOINTS = ['/token', '/introspect', '/revoke', '/par', '/userinfo'];

describe('bad input gets the error of the RFC, and does no harm', () => {
  let keyturn: Keyturn;
  let service: RelyingParty;
  let authorization: string;
  let clientId: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    await keyturn.addResourceServer();
    const added = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read write',
    });
    clientId = added.client.clientId;
    service = await RelyingParty.discover(keyturn, added);
    authorization = `Basic ${Buffer.from(`${clientId}:${added.secret}`).toString('base64')}`;
  });
  after(() => stopFaultless(keyturn));

  const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      body,
      headers: { 'content-type': FORM, authorization, ...headers },
    });
  const worksStill = async () =>
    assert.ok((await oauth.clientCredentialsGrant(service.configuration)).access_token);

  test('a body that is no form is refused (RFC 6749 section 3.2)', async () => {
    const json = JSON.stringify({ grant_type: 'client_credentials', token: ['a'], client_id: { a: 1 } });
    for (const path of ENDPOINTS) {
      for (const type of [
        'application/json',
        'text/plain',
        'multipart/form-data; boundary=x',
        'application/xml',
        'nonsense',
        ';;;',
      ]) {
        const { status } = await refusalOf(await post(path, json, { 'content-type': type }));
        assert.ok(status === 400 || status === 401, `${path} ${type} ${status}`);
      }
    }
    for (const path of ['/authorize', '/logout']) {
      const response = await post(path, json, { 'content-type': 'application/json' });
      assert.equal(response.status, 415);
    }
  });

  test('a form in a character set that is not there, or compressed, is refused', async () => {
    for (const type of [`${FORM}; charset=klingon`, `${FORM}; charset=utf-16le`, `${FORM}; charset=`]) {
      for (const path of ENDPOINTS)
        assertRefused((await post(path, 'grant_type=none', { 'content-type': type })).status, '');
    }
    for (const path of ENDPOINTS) {
      assertRefused(
        (await post(path, Buffer.from([31, 139, 8, 0, 0]), { 'content-encoding': 'gzip' })).status,
        '',
      );
    }
  });

  test('a parameter that comes twice is refused (RFC 6749 section 3.2)', async () => {
    for (const [path, body] of [
      ['/token', 'grant_type=client_credentials&grant_type=client_credentials'],
      ['/token', 'grant_type=client_credentials&scope=read&scope=write'],
      ['/token', `grant_type=client_credentials&client_id=${'a'}&client_id=b`],
      ['/introspect', 'token=a&token=b'],
      ['/introspect', 'token=a.b.c&token=a.b.c'],
      ['/revoke', 'token=a&token_type_hint=x&token_type_hint=x'],
      ['/par', 'response_type=code&response_type=code'],
    ] as const) {
      assert.deepEqual(
        await refusalOf(await post(path, body)),
        { status: 400, error: 'invalid_request' },
        body,
      );
    }
  });

  test('parameters that nobody knows are passed over, whatever they are called (RFC 6749 section 3.2)', async () => {
    const names = [
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      '__proto__[polluted]',
      'a[b][c]',
      'a.b',
      '[]',
      '',
      '%00',
      'hasOwnProperty',
    ];
    const more = names.map((name) => `${name === '%00' ? name : encodeURIComponent(name)}=yes`).join('&');
    const answer = await post('/token', `${more}&grant_type=client_credentials&${more}`);
    assert.equal(answer.status, 200, await answer.text());
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
    for (const path of ENDPOINTS.slice(1)) assertRefused((await post(path, more)).status, '');
  });

  test('values that are names of what every object has are values like any other', async () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'valueOf']) {
      assert.equal(
        (await refusalOf(await post('/token', `grant_type=${name}`))).error,
        'unsupported_grant_type',
      );
      assert.equal(
        (await refusalOf(await post('/token', `grant_type=client_credentials&scope=${name}`))).error,
        'invalid_scope',
      );
      assert.equal(
        (await refusalOf(await post('/token', `grant_type=client_credentials&resource=${name}`))).error,
        'invalid_target',
      );
      const hinted = await post('/introspect', `token=x&token_type_hint=${name}`);
      assert.deepEqual(await hinted.json(), { active: false });
      assert.equal((await fetch(`${keyturn.issuer}/${name}`)).status, 404);
      assert.equal((await fetch(`${keyturn.issuer}/.well-known/${name}`)).status, 404);
      assert.equal((await fetch(`${keyturn.issuer}/assets/${name}`)).status, 404);
    }
  });

  test('a form with thousands of fields is answered', async () => {
    const many = Array.from({ length: 9_000 }, (_, index) => `f${index}=`)
      .join('&')
      .slice(0, BODY_MAX - 100);
    assert.equal((await post('/token', `grant_type=client_credentials&${many}`)).status, 200);
    const same = 'scope=read&'.repeat(4_000);
    assert.equal(
      (await refusalOf(await post('/token', `grant_type=client_credentials&${same}`))).error,
      'invalid_request',
    );
  });

  test('broken percent-encodings, broken UTF-8 and NUL are no trouble', async () => {
    for (const value of [
      '%',
      '%zz',
      '%f',
      '%ff%fe',
      '%c3%28',
      '%ed%a0%80',
      '%00',
      'a%00b',
      '%u0041',
      '+',
      '%2B',
      '\u0000',
      '\u00ff',
    ]) {
      const body = Buffer.from(`grant_type=client_credentials&scope=${value}`, 'latin1');
      const answer = await post('/token', body);
      if (answer.status !== 200) assert.equal((await refusalOf(answer)).error, 'invalid_scope', value);
      for (const [path, known] of [
        ['/introspect', 200],
        ['/revoke', 200],
        ['/par', 400],
      ] as const) {
        const asked = await post(path, Buffer.from(`token=${value}&client_id=${clientId}`, 'latin1'));
        assert.equal(asked.status, known, `${path} ${value} ${await asked.text()}`);
      }
    }
  });

  test('the wrong shape of an Authorization header is refused, and never a fault', async () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const header of [
      'Basic',
      'Basic ',
      'Basic !!!',
      'Basic =',
      'Basic YQ',
      'Basic YTpi=',
      'basic',
      'Bearer',
      'Bearer ',
      'Bearer x y',
      'Digest a="b"',
      'Negotiate',
      'DPoP',
      'DPoP x',
      'x',
      ':',
      'Basic a b c',
      `${authorization}, ${authorization}`,
      `Basic  ${authorization.slice(6)}`,
      basic(''),
      basic(':'),
      basic('nobody'),
      basic('nobody:'),
      basic(':secret'),
      basic('nobody:secret'),
      basic('%zz:%zz'),
      basic('a\u0000b:c'),
      basic('\u{1f600}:\u{1f600}'),
      basic(`${clientId}:`),
      basic(`${clientId}:wrong`),
      basic(`${clientId}:${'x'.repeat(8_000)}`),
      basic('rs_nobody:x'),
      basic('__proto__:x'),
      `Basic ${Buffer.from([255, 254, 58, 255]).toString('base64')}`,
    ]) {
      for (const path of ENDPOINTS) {
        const answer = await post(path, 'grant_type=client_credentials&token=x', { authorization: header });
        const { status, error } = await refusalOf(answer);
        assert.ok(status === 400 || status === 401, `${path} ${header} ${status} ${error}`);
        if (status === 401) assert.ok(answer.headers.has('www-authenticate'), `${path} ${header}`);
      }
    }
    const [odd] = await exchange(
      keyturn.issuer,
      rawRequest(
        'POST /token',
        { 'Content-Type': FORM, Authorization: 'Basic \u00e9\u00ff' },
        'grant_type=client_credentials',
      ),
    );
    assertRefused(odd?.status ?? 0, odd?.body ?? '');
  });

  test('a client that is not there and one with the wrong secret are told the same (RFC 6749 section 5.2)', async () => {
    const told = async (id: string) => {
      const wrong = `Basic ${Buffer.from(`${id}:wrong`).toString('base64')}`;
      const answer = await post('/token', 'grant_type=client_credentials', { authorization: wrong });
      return {
        status: answer.status,
        body: await answer.text(),
        challenge: answer.headers.get('www-authenticate'),
      };
    };
    assert.deepEqual(await told(clientId), await told('nobody'));
    assert.deepEqual(await told('rs_nobody'), await told('nobody'));
    assert.equal((await told('nobody')).status, 401);
  });

  test('authentication by two methods at once is refused (RFC 6749 section 2.3)', async () => {
    const twice = await post('/token', 'grant_type=client_credentials&client_secret=x');
    assert.deepEqual(await refusalOf(twice), { status: 400, error: 'invalid_request' });
  });

  test('a body beyond the limit is refused with 413, and the connection stays good for the next request', async () => {
    const length = 2 * 1024 * 1024;
    const big = 'x'.repeat(length);
    const chunked = `${length.toString(16)}\r\n${big}\r\n0\r\n\r\n`;
    const headers = {
      Host: 'localhost',
      'Content-Type': FORM,
      Authorization: authorization,
      Connection: 'keep-alive',
    };
    for (const path of [...ENDPOINTS, '/authorize', '/logout', '/logout/confirm']) {
      for (const [extra, body] of [
        [{}, big],
        [{ 'Transfer-Encoding': 'chunked', 'Content-Length': '' }, chunked],
      ] as const) {
        const all = Object.fromEntries(
          Object.entries({ 'Content-Length': String(length), ...headers, ...extra }).filter(
            ([, value]) => value !== '',
          ),
        );
        const [refused, next] = await exchange(
          keyturn.issuer,
          rawRequest(`POST ${path}`, all) + body,
          rawRequest('GET /healthz'),
        );
        assert.equal(refused?.status, 413, path);
        assert.equal(JSON.parse(refused?.body ?? '').error, 'invalid_request');
        assert.equal(next?.body, '{"status":"ok"}', `${path}: the next request is answered`);
      }
    }
  });

  test('a body that never comes whole is given up', async () => {
    const short = `${rawRequest('POST /token', { 'Content-Type': FORM, 'Content-Length': '100' })}grant`;
    const { hostname, port } = new URL(keyturn.issuer);
    const { connect } = await import('node:net');
    const socket = connect({ host: hostname, port: Number(port), family: 4 });
    socket.end(short);
    await new Promise((resolve) => socket.resume().once('close', resolve));
    await worksStill();
  });
});
