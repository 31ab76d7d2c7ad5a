import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import type { Middleware } from 'koa';
import { pino } from 'pino';
import { answerLog, requestLog } from '#src/http/request-log.ts';
import { serve } from '#test/views/gallery.ts';

const fine: Middleware = (ctx) => {
  ctx.body = 'ok';
};

/** A server that logs, and its next line. */
async function logging(level: string, middleware: Middleware = fine) {
  const lines: string[] = [];
  let wake = () => {};
  const log = pino(
    { level },
    {
      write: (line: string) => {
        lines.push(line);
        wake();
      },
    },
  );
  const server = await serve(requestLog(answerLog(log)), middleware);
  const nextLine = async () => {
    while (lines.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return JSON.parse(lines.shift() as string) as Record<string, unknown>;
  };
  return {
    origin: server.origin,
    lines,
    nextLine,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

suite('the log of requests', () => {
  test('says of each how it ended, under an identifier that the answer carries', async () => {
    await using site = await logging('info');
    const response = await fetch(`${site.origin}/token`, { method: 'POST' });
    const { requestId, method, path, status, ms, msg, aborted } = await site.nextLine();
    assert.deepEqual(
      { method, path, status, msg, aborted },
      { method: 'POST', path: '/token', status: 200, msg: 'request', aborted: undefined },
    );
    assert.equal(typeof ms, 'number');
    assert.match(String(requestId), /^[0-9a-f-]{36}$/);
    assert.equal(response.headers.get('x-request-id'), requestId);
  });

  test('names no interaction, no query and no header', async () => {
    await using site = await logging('trace');
    for (const path of ['/interaction/Uid-1234/sign-in', '/authorize/Uid-1234']) {
      await fetch(`${site.origin}${path}?code=Uid-1234#Uid-1234`, {
        headers: { authorization: 'Uid-1234', cookie: 'Uid-1234' },
      });
      assert.doesNotMatch(JSON.stringify(await site.nextLine()), /Uid-1234/);
    }
  });

  test('is as long as we like it, not as the caller does', async () => {
    await using site = await logging('info');
    await fetch(`${site.origin}/${'x'.repeat(8_000)}`);
    assert.ok(String((await site.nextLine()).path).length <= 200);
  });

  test('takes an identifier from nobody', async () => {
    await using site = await logging('info');
    await fetch(site.origin, { headers: { 'x-request-id': 'forged' } });
    assert.notEqual((await site.nextLine()).requestId, 'forged');
  });

  test('tells of a client that hung up', async () => {
    let arrived = () => {};
    const here = new Promise<void>((resolve) => (arrived = resolve));
    await using site = await logging('info', async (ctx) => {
      arrived();
      await once(ctx.req.socket, 'close');
    });
    const socket = connect(Number(new URL(site.origin).port), '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await here;
    socket.destroy();
    assert.equal((await site.nextLine()).aborted, true);
  });

  test('is silent when it is to be', async () => {
    await using site = await logging('warn');
    await fetch(site.origin);
    assert.deepEqual(site.lines, []);
  });
});
