import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { failures } from '#src/http/failure.ts';
import { fixedDocument, metadata } from '#src/http/metadata.ts';
import { locales, pages, serve } from '#test/views/gallery.ts';

const KEYS = { keys: [{ kty: 'EC' }] };

/** A server with one document, which can be replaced. */
async function withDocument() {
  let read = fixedDocument(KEYS);
  const server = await serve(
    failures({ pages, locales, onFault: () => {} }),
    metadata({
      documents: { '/keys': { type: 'application/jwk-set+json', maxAge: 600, read: () => read() } },
    }),
  );
  return {
    server,
    replace: (value: object) => {
      read = fixedDocument(value);
    },
    get: (headers: Record<string, string> = {}, method = 'GET', path = '/keys') =>
      fetch(server.origin + path, { method, headers }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

suite('a public document', () => {
  test('is served with its exact type, an age and a validator (RFC 9110 section 8.8)', async () => {
    await using site = await withDocument();
    const answer = await site.get();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/jwk-set+json');
    assert.equal(answer.headers.get('cache-control'), 'public, max-age=600');
    assert.match(answer.headers.get('etag') ?? '', /^"[\w-]+"$/);
    assert.deepEqual(await answer.json(), KEYS);
  });

  test('is not sent again to whoever has it, and the answer carries the same validators (RFC 9110 section 15.4.5)', async () => {
    await using site = await withDocument();
    const first = await site.get();
    const etag = first.headers.get('etag') ?? '';
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`, `"other",${etag} , "more"`, '*']) {
      const answer = await site.get({ 'if-none-match': held, 'cache-control': 'no-cache' });
      assert.equal(answer.status, 304, held);
      for (const name of [
        'etag',
        'cache-control',
        'access-control-allow-origin',
        'cross-origin-resource-policy',
        'x-content-type-options',
      ]) {
        assert.equal(answer.headers.get(name), first.headers.get(name), name);
      }
      assert.equal(answer.headers.get('content-type'), null);
      assert.equal(await answer.text(), '');
    }
    for (const other of ['', '"other"', etag.slice(0, -1), etag.replaceAll('"', ''), 'x'.repeat(5_000)]) {
      assert.equal((await site.get({ 'if-none-match': other })).status, 200, other);
    }
  });

  test('is sent to whoever has another one, once it has changed', async () => {
    await using site = await withDocument();
    const etag = (await site.get()).headers.get('etag') ?? '';
    site.replace({ keys: [] });
    const answer = await site.get({ 'if-none-match': etag });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers.get('etag'), etag);
  });

  test('answers HEAD like GET, without the content (RFC 9110 section 9.3.2)', async () => {
    await using site = await withDocument();
    const [get, head] = [await site.get(), await site.get({}, 'HEAD')];
    assert.equal(head.status, 200);
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control'])
      assert.equal(head.headers.get(name), get.headers.get(name), name);
    assert.equal(await head.text(), '');
  });

  test('may be fetched, and revalidated, by scripts of any origin (RFC 8414 section 3)', async () => {
    await using site = await withDocument();
    const asked = await site.get(
      {
        origin: 'https://app.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'if-none-match',
      },
      'OPTIONS',
    );
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), '*');
    assert.match(asked.headers.get('access-control-allow-headers') ?? '', /^\*, Authorization$/);
    const answer = await site.get({ origin: 'https://app.example' });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.equal(answer.headers.get('access-control-expose-headers'), 'ETag');
  });

  test('takes no other method, and is kept by nobody then', async () => {
    await using site = await withDocument();
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await site.get({}, method);
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS');
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.equal(answer.headers.get('etag'), null);
    }
  });

  test('is found under its own path alone', async () => {
    await using site = await withDocument();
    for (const path of [
      '/keys/',
      '/KEYS',
      '/%6beys',
      '/constructor',
      '/__proto__',
      '/toString',
      '/hasOwnProperty',
    ]) {
      assert.equal((await site.get({}, 'GET', path)).status, 404, path);
    }
    assert.equal((await site.get({}, 'GET', '/keys?x=y')).status, 200);
  });
});
