import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Answer, AnswerReader, headerOf } from '#test/bench/load/answer.ts';

const JSON_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}';

/** What a reader answers to an answer that comes in pieces of this length. */
function inPieces(text: string, length: number): readonly (Answer | null)[] {
  const reader = new AnswerReader();
  const bytes = Buffer.from(text, 'latin1');
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    reader.add(bytes.subarray(index * length, (index + 1) * length)),
  );
}

describe('an answer', () => {
  test('is there once all of it is, however it is cut', () => {
    for (const length of [1, 5, 30, 1000]) {
      const read = inPieces(JSON_ANSWER, length);
      assert.deepEqual(
        read.slice(0, -1).filter((each) => each !== null),
        [],
      );
      assert.equal(read.at(-1)?.status, 200);
      assert.equal(read.at(-1)?.body, '{"a":1}');
    }
  });

  test('is put together from chunks (RFC 9112 section 7.1)', () => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n';
    for (const length of [1, 1000]) assert.equal(inPieces(text, length).at(-1)?.body, '{"a":1}');
  });

  test('with status 304 has no body, whatever length it tells (RFC 9110 section 15.4.5)', () => {
    const [answer] = inPieces('HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n', 1000);
    assert.equal(answer?.status, 304);
    assert.equal(answer.body, '');
  });

  test('is followed by another one on the same connection', () => {
    const reader = new AnswerReader();
    assert.equal(reader.add(Buffer.from(JSON_ANSWER))?.status, 200);
    assert.equal(reader.add(Buffer.from(JSON_ANSWER.replace('200', '400')))?.status, 400);
  });

  test('has headers by any case of their names', () => {
    const [answer] = inPieces(
      'HTTP/1.1 303 See Other\r\nLOCATION: /a?b=c\r\nContent-Length: 0\r\n\r\n',
      1000,
    );
    assert.ok(answer);
    assert.equal(headerOf(answer, 'location'), '/a?b=c');
    assert.equal(headerOf(answer, 'etag'), null);
  });

  test('without a length is refused, for its end could not be told', () => {
    assert.throws(() => inPieces('HTTP/1.1 200 OK\r\n\r\nabc', 1000), /without a length/);
  });
});
