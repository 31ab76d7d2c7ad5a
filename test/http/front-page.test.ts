import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { failures } from '#src/http/failure.ts';
import { frontPage } from '#src/http/front-page.ts';
import { locales, pages, serve } from '#test/views/gallery.ts';

const locals = {
  issuer: 'https://id.example.com',
  links: { openidConfiguration: '/openid', authorizationServer: '/oauth', jwks: '/keys' },
};

async function visit(path: string, init: RequestInit = {}) {
  await using server = await serve(
    failures({ pages, locales, onFault: () => {} }),
    frontPage({ pages, locales, locals }),
  );
  const response = await fetch(server.origin + path, init);
  return { response, html: await response.text() };
}

suite('the front page', () => {
  test('says what this server is, and links its metadata and keys', async () => {
    const { response, html } = await visit('/');
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    for (const text of [locals.issuer, ...Object.values(locals.links)]) assert.ok(html.includes(text), text);
  });

  test('speaks the language of its reader, and says that it does', async () => {
    const { response, html } = await visit('/?x=y', { headers: { 'accept-language': 'de' } });
    assert.match(html, /<html lang="de"/);
    assert.match(response.headers.get('vary') ?? '', /Accept-Language/i);
  });

  test('is at / alone, for GET and HEAD', async () => {
    assert.equal((await visit('/', { method: 'HEAD' })).html, '');
    assert.equal((await visit('/', { method: 'POST' })).response.status, 405);
    assert.equal((await visit('/index.html')).response.status, 404);
  });
});
