import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Middleware } from 'koa';
import { Refusal } from '#src/fault.ts';
import { field, parseForm, readBody } from '#src/http/request-body.ts';
import { fc } from '#test/support/properties.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';
import { serve } from '#test/views/gallery.ts';

const LIMIT = 1_000;
const reading: Middleware = async (ctx) => {
  try {
    ctx.body = `read ${(await readBody(ctx.req, LIMIT)).length}`;
  } catch (problem) {
    ctx.body = problem instanceof Refusal ? problem.code : String(problem);
  }
};
const chunked = (...chunks: string[]) =>
  rawRequest('POST /', { 'Transfer-Encoding': 'chunked', Connection: 'keep-alive' }) +
  [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');

suite('a body', () => {
  test('is read up to the limit and not a byte more, however it is sent', async () => {
    await using server = await serve(reading);
    for (const [length, said] of [
      [0, 'read 0'],
      [LIMIT, `read ${LIMIT}`],
      [LIMIT + 1, 'body_too_large'],
      [5_000_000, 'body_too_large'],
    ] as const) {
      const body = 'x'.repeat(length);
      const head = rawRequest('POST /', { 'Content-Length': String(length), Connection: 'keep-alive' });
      const [whole, after] = await exchange(server.origin, head + body, rawRequest('GET /'));
      assert.deepEqual([whole?.body, after?.body], [said, 'read 0']);
      const pieces = length === 0 ? [] : [body.slice(0, 1), body.slice(1)].filter((piece) => piece !== '');
      const [piecemeal, next] = await exchange(server.origin, chunked(...pieces), rawRequest('GET /'));
      assert.equal(piecemeal?.body, said);
      assert.equal(next?.body, 'read 0', 'and the connection is good for the next request');
    }
  });

  test('that breaks off is refused', async () => {
    const arrived = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<unknown>();
    await using server = await serve(async (ctx) => {
      arrived.resolve();
      await readBody(ctx.req, LIMIT).then(heard.resolve, (problem: Refusal) => heard.resolve(problem.code));
    });
    const broken = new AbortController();
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('half')) });
    const init = { method: 'POST', body, duplex: 'half', signal: broken.signal } as RequestInit;
    const sent = assert.rejects(fetch(server.origin, init));
    await arrived.promise;
    broken.abort();
    await sent;
    assert.equal(await heard.promise, 'body_aborted');
  });
});

suite('a form', () => {
  test('says a field once or not at all', () => {
    const form = parseForm(Buffer.from('a=1&b=2&b=3&c&=x&d=%zz&e=%ff&f=+%2B&__proto__=p'));
    assert.equal(field(form, 'a'), '1');
    assert.equal(field(form, 'b'), '', 'twice');
    assert.equal(field(form, 'c'), '');
    assert.equal(field(form, 'f'), ' +');
    for (const name of ['missing', 'constructor', 'toString', 'hasOwnProperty'])
      assert.equal(field(form, name), '');
    assert.equal(({} as Record<string, unknown>).p, undefined);
  });

  test('is taken apart whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.string(), (bytes, name) => {
        assert.equal(typeof field(parseForm(Buffer.from(bytes)), name), 'string');
      }),
      { numRuns: 2_000 },
    );
  });

  test('is read up to a number of fields', () => {
    const form = parseForm(Buffer.from(`${'x=&'.repeat(5_000)}last=1`));
    assert.equal(field(form, 'last'), '');
  });
});
