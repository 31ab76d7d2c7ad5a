import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Middleware } from 'koa';
import { Refusal, StorageFault } from '#src/fault.ts';
import { failures } from '#src/http/failure.ts';
import { assertDiscreet } from '#test/support/refused.ts';
import { locales, pages, serve } from '#test/views/gallery.ts';

/** What a server that does `middleware` answers, and what it told its log. */
async function answerTo(middleware: Middleware, headers: Record<string, string> = {}, method = 'GET') {
  const faults: unknown[] = [];
  await using server = await serve(
    async (ctx, next) => {
      ctx.state.requestId = 'request-1';
      await next();
    },
    failures({ pages, locales, onFault: (_ctx, error) => faults.push(error) }),
    middleware,
  );
  const response = await fetch(`${server.origin}/somewhere`, { headers, method });
  return { response, text: await response.text(), faults };
}

const throwing =
  (error: unknown): Middleware =>
  () => {
    throw error;
  };
const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

suite('whatever is thrown is answered for once', () => {
  const refusals: [string, number, string][] = [
    ['body_too_large', 413, 'invalid_request'],
    ['forged_form', 403, 'invalid_request'],
    ['interaction_ended', 400, 'session_not_found'],
    ['method_not_allowed', 405, 'invalid_request'],
    ['not_a_form', 415, 'invalid_request'],
    ['overloaded', 503, 'temporarily_unavailable'],
    ['anything_else', 400, 'invalid_request'],
  ];
  for (const [code, status, error] of refusals) {
    test(`the refusal ${code} is a ${status} to programs and to people`, async () => {
      const refusal = new Refusal(code, 'what was wrong', { secret: 'for the log alone' });
      const program = await answerTo(throwing(refusal));
      assert.equal(program.response.status, status);
      assert.deepEqual(JSON.parse(program.text), { error, error_description: 'what was wrong' });
      assert.equal(program.response.headers.get('cache-control'), 'no-store');
      const person = await answerTo(throwing(refusal), HTML);
      assert.equal(person.response.status, status);
      assert.match(person.response.headers.get('content-type') ?? '', /^text\/html/);
      assert.match(person.response.headers.get('content-security-policy') ?? '', /form-action 'none'/);
      assert.match(person.text, /request-1/, 'what to tell the administrator');
      for (const { text } of [program, person]) assert.doesNotMatch(text, /for the log alone/);
      assert.equal(program.faults.length, status >= 500 ? 1 : 0);
    });
  }

  test('a store that is away is a 503, which says when to come back (RFC 9110 section 15.6.4)', async () => {
    for (const headers of [{}, HTML]) {
      const { response, text, faults } = await answerTo(
        throwing(new StorageFault('SQLITE_IOERR: /var/lib/x.db', { cause: new Error('disk') })),
        headers,
      );
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('retry-after'), '2');
      assert.doesNotMatch(text, /SQLITE|x\.db|disk/);
      assert.equal(faults.length, 1);
    }
  });

  test('a fault is a 500 that says nothing of the inside', async () => {
    for (const fault of [
      new TypeError('x is not a function'),
      new Error('SELECT * FROM secrets'),
      'a text',
      undefined,
      { status: 200 },
      Object.assign(new Error('exposed?'), { status: 500, expose: true }),
    ]) {
      for (const headers of [{}, HTML]) {
        const { response, text, faults } = await answerTo(throwing(fault), headers);
        assert.equal(response.status, 500);
        assertDiscreet(text);
        assert.doesNotMatch(text, /not a function|exposed/);
        assert.equal(faults.length, 1);
      }
    }
    assert.equal(JSON.parse((await answerTo(throwing(new Error('x')))).text).error, 'server_error');
  });

  test("what Koa and its libraries say of a bad request is the sender's mistake", async () => {
    const { response, text, faults } = await answerTo((ctx) =>
      ctx.throw(413, 'entity.too.large at /src/x.ts:1:1'),
    );
    assert.equal(response.status, 413);
    assert.deepEqual(JSON.parse(text), {
      error: 'invalid_request',
      error_description: 'the request could not be understood',
    });
    assert.deepEqual(faults, []);
    assert.equal((await answerTo(throwing(new URIError('malformed')))).response.status, 400);
  });

  test('what nobody answers for is not there', async () => {
    const program = await answerTo(() => {});
    assert.equal(program.response.status, 404);
    assert.equal(JSON.parse(program.text).error, 'not_found');
    assert.match((await answerTo(() => {}, HTML)).text, /<main>/);
    assert.equal((await answerTo(() => {}, {}, 'HEAD')).text, '');
  });

  test('what was answered already is left alone, a 404 with words of its own too', async () => {
    const { response, text } = await answerTo((ctx) => {
      ctx.status = 404;
      ctx.body = 'words of its own';
    });
    assert.equal(response.status, 404);
    assert.equal(text, 'words of its own');
  });

  test('a page speaks the language of its reader, and anything may be asked for', async () => {
    const german = await answerTo(() => {}, { ...HTML, 'accept-language': 'de-AT, en;q=0.5' });
    assert.match(german.text, /<html lang="de"/);
    for (const accept of ['', '*/*', 'text/plain', 'nonsense', ';;;', 'text/html;q=x', 'x'.repeat(5_000)]) {
      assert.equal(
        (await answerTo(() => {}, { accept, 'accept-language': accept })).response.status,
        404,
        accept,
      );
    }
  });
});
