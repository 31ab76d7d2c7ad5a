import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import { failures } from '#src/http/failure.ts';
import { type Health, probes } from '#src/http/probes.ts';
import { locales, pages, serve } from '#test/views/gallery.ts';

async function probe(path: string, health: Partial<Health> = {}, method = 'GET') {
  await using server = await serve(
    failures({ pages, locales, onFault: () => {} }),
    probes({ ping: async () => {}, stopping: () => false, ...health }),
  );
  const response = await fetch(server.origin + path, { method });
  return { response, text: await response.text() };
}
const away = async () => {
  throw new StorageFault('away');
};

suite('probes', () => {
  test('a server that runs is healthy, and ready while its store answers', async () => {
    assert.deepEqual(JSON.parse((await probe('/healthz')).text), { status: 'ok' });
    const { response, text } = await probe('/readyz');
    assert.equal(response.status, 200);
    assert.deepEqual(JSON.parse(text), { status: 'ready' });
    assert.equal(response.headers.get('cache-control'), 'no-store');
  });

  test('without its store it is healthy and not ready, so that it is not restarted for the fault of another', async () => {
    assert.equal((await probe('/healthz', { ping: away })).response.status, 200);
    const { response, text } = await probe('/readyz', { ping: away });
    assert.equal(response.status, 503);
    assert.deepEqual(JSON.parse(text), { status: 'unready', reason: 'store' });
  });

  test('once it stops it is no longer ready', async () => {
    const { response, text } = await probe('/readyz', { stopping: () => true });
    assert.equal(response.status, 503);
    assert.deepEqual(JSON.parse(text), { status: 'unready', reason: 'stopping' });
  });

  test('they answer HEAD without the content, take no other method, and leave other paths alone', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const head = await probe(path, {}, 'HEAD');
      assert.equal(head.response.status, 200);
      assert.equal(head.text, '');
      const post = await probe(path, {}, 'POST');
      assert.equal(post.response.status, 405);
      assert.equal(post.response.headers.get('allow'), 'GET, HEAD');
      assert.equal((await probe(`${path}/x`)).response.status, 404);
    }
  });
});
