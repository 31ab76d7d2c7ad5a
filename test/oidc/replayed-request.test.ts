import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { readBody } from '#src/http/request-body.ts';
import { replayed } from '#src/oidc/replayed-request.ts';

/** Has a real server take one request, and answers with what `look` finds in it. */
async function receive<T>(body: string, look: (request: IncomingMessage) => Promise<T>): Promise<T> {
  let seen: Promise<T> | undefined;
  const server = createServer((request, response) => {
    seen = look(request).finally(() => response.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-kept': 'kept' };
  await (
    await fetch(`http://127.0.0.1:${port}/introspect?a=b`, { method: 'POST', body, headers })
  ).arrayBuffer();
  server.close();
  await once(server, 'close');
  assert.ok(seen !== undefined);
  return seen;
}

describe('a replayed request', () => {
  test('has the new body, as often as it is read, and its length', async () => {
    const sent = await receive('token=a.b.c', async (request) => {
      assert.equal((await readBody(request, 100)).toString(), 'token=a.b.c');
      const again = replayed(request, Buffer.from('token=a~b~c&more=é'));
      const bodies = [await readBody(again, 100), await readBody(again, 100)].map(String);
      return { bodies, length: again.headers['content-length'], readable: again.readable };
    });
    assert.deepEqual(sent, {
      bodies: ['token=a~b~c&more=é', 'token=a~b~c&more=é'],
      length: String(Buffer.byteLength('token=a~b~c&more=é')),
      readable: true,
    });
  });

  test('is otherwise the request that it was, methods and all', async () => {
    await receive('token=a.b.c', async (request) => {
      await readBody(request, 100);
      const again = replayed(request, Buffer.alloc(0));
      assert.deepEqual(
        [again.method, again.url, again.headers['x-kept']],
        ['POST', '/introspect?a=b', 'kept'],
      );
      assert.equal(again.socket.remoteAddress, '127.0.0.1');
      assert.equal(again.socket, request.socket);
      assert.equal(again.listenerCount('close'), request.listenerCount('close'));
      let closed = 0;
      again.once('close', () => {
        closed += 1;
      });
      request.emit('close');
      assert.equal(closed, 1);
    });
  });
});
