import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { VIEWS } from '#test/support/templates.ts';
import { assets, serve } from '#test/views/gallery.ts';

suite('an asset', async () => {
  const types: Record<string, string> = {
    'keyturn.css': 'text/css; charset=utf-8',
    'post-on.js': 'text/javascript; charset=utf-8',
    'favicon.svg': 'image/svg+xml',
    'favicon.ico': 'image/x-icon',
  };

  for (const [name, type] of Object.entries(types)) {
    test(`${name} is served whole, as ${type}, to be kept for good`, async () => {
      await using server = await serve();
      const answer = await fetch(server.origin + assets.url(name));
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-type'), type);
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), readFileSync(`${VIEWS}/assets/${name}`));
    });
  }

  test('has a name with the hash of its content', () => {
    assert.match(assets.url('keyturn.css'), /^\/assets\/keyturn\.[\w-]{16}\.css$/);
    assert.throws(() => assets.url('nothing.css'), /There is no asset nothing\.css/);
  });

  test('answers HEAD like GET, without the content', async () => {
    await using server = await serve();
    const answer = await fetch(server.origin + assets.url('keyturn.css'), { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/css; charset=utf-8');
    assert.equal(
      answer.headers.get('content-length'),
      String(readFileSync(`${VIEWS}/assets/keyturn.css`).length),
    );
    assert.equal(await answer.text(), '');
  });

  test('is not sent again to who has it (RFC 9110 section 13.1.2)', async () => {
    await using server = await serve();
    const first = await fetch(server.origin + assets.url('keyturn.css'));
    await first.arrayBuffer();
    const etag = first.headers.get('etag') ?? '';
    const second = await fetch(server.origin + assets.url('keyturn.css'), {
      headers: { 'if-none-match': etag },
    });
    assert.equal(second.status, 304);
    assert.equal(second.headers.get('etag'), etag);
    assert.equal(second.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  });

  test('answers no other method, and says which it does (RFC 9110 section 15.5.6)', async () => {
    await using server = await serve();
    const answer = await fetch(server.origin + assets.url('keyturn.css'), { method: 'POST' });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get('allow'), 'GET, HEAD');
    assert.deepEqual(Object.keys((await answer.json()) as object), ['error', 'error_description']);
  });
});

test('nothing but the assets is found under /assets/, and nothing outside is left out', async () => {
  await using server = await serve((ctx) => {
    ctx.body = 'past the assets';
  });
  for (const path of [
    '/assets/',
    '/assets/keyturn.css',
    '/assets/..%2flocales%2fen.json',
    '/assets/%2e%2e/layout.pug',
    '/assets/toString',
  ]) {
    const answer = await fetch(server.origin + path);
    assert.ok(answer.status === 404 || (await answer.text()) === 'past the assets', path);
  }
  assert.equal(await (await fetch(`${server.origin}/other`)).text(), 'past the assets');
});

test('/favicon.ico is the icon, for those who ask without being told', async () => {
  await using server = await serve();
  const answer = await fetch(`${server.origin}/favicon.ico`);
  assert.equal(answer.headers.get('content-type'), 'image/x-icon');
  assert.equal(answer.headers.get('cache-control'), 'public, max-age=86400');
  assert.equal(Buffer.from(await answer.arrayBuffer()).readUInt32LE(0), 0x0001_0000);
});

test('/robots.txt keeps every crawler out (RFC 9309)', async () => {
  await using server = await serve();
  const answer = await fetch(`${server.origin}/robots.txt`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(await answer.text(), 'User-agent: *\nDisallow: /\n');
});
