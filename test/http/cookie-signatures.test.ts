import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, test } from 'node:test';
import Koa from 'koa';
import { CookieSignatures } from '#src/http/cookie-signatures.ts';

const KEYS = ['the key of today', 'the key of yesterday'];

type AppKeys = NonNullable<Koa['keys']>;

/** A request of a browser that has these cookies, to a server that signs with these keys. */
function requestWith(cookies: string, keys: AppKeys): Koa.Context {
  const app = new Koa();
  app.keys = keys;
  const request = new IncomingMessage(new Socket());
  request.headers.cookie = cookies;
  return app.createContext(request, new ServerResponse(request));
}

/** What a browser keeps that was given the cookie `a`, with its signature. */
function given(value: string, keys: AppKeys): string {
  const { cookies, response } = requestWith('', keys);
  cookies.set('a', value, { signed: true });
  return [response.get('set-cookie')]
    .flat()
    .map((each) => each.replace(/;.*/, ''))
    .join('; ');
}

const read = (cookies: string, keys: AppKeys) =>
  requestWith(cookies, keys).cookies.get('a', { signed: true });

describe('signatures of cookies', () => {
  test("are HMAC SHA-1 in base64url (RFC 2202 section 3, RFC 4648 section 5), as Koa's own are, so that what browsers have stays good", () => {
    const jefe = new CookieSignatures(['Jefe']);
    const digest = Buffer.from('effcdf6ae5eb2fa2d27416d5f184df9c259a7c79', 'hex').toString('base64url');
    assert.equal(jefe.sign('what do ya want for nothing?'), digest);
    const ours = new CookieSignatures(KEYS);
    for (const value of ['b', '', 'c'.repeat(1000)]) {
      assert.equal(given(value, ours), given(value, KEYS));
      if (value !== '') assert.equal(read(given(value, KEYS), ours), value);
    }
  });

  test('are told by the key that made them, and those of an older one are made anew', () => {
    const ours = new CookieSignatures(KEYS);
    const ofYesterday = given('b', KEYS.slice(1));
    assert.equal(ours.index('a=b', ours.sign('a=b')), 0);
    const { cookies, response } = requestWith(ofYesterday, ours);
    assert.equal(cookies.get('a', { signed: true }), 'b');
    assert.match([response.get('set-cookie')].flat().join(), new RegExp(`^a\\.sig=${ours.sign('a=b')};`));
  });

  test('of another cookie, under another key, cut short or lengthened are refused', () => {
    const ours = new CookieSignatures(KEYS);
    const good = ours.sign('a=b');
    assert.ok(ours.verify('a=b', good));
    const strangers = new CookieSignatures(['a key of nobody here']).sign('a=b');
    const bad = [
      ours.sign('a=c'),
      strangers,
      good.slice(0, -1),
      `${good}A`,
      `${good.slice(0, -1)}\u{1f36a}`,
      '',
    ];
    for (const presented of bad) assert.equal(ours.verify('a=b', presented), false, presented);
    assert.equal(read(`a=b; a.sig=${strangers}`, ours), undefined);
  });

  test('need a key', () => {
    assert.throws(() => new CookieSignatures([]), RangeError);
  });
});
