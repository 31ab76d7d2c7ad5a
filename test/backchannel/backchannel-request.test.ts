import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BINDING_MESSAGE_LENGTH_MAX,
  isBindingMessage,
  shownOf,
} from '#src/backchannel/backchannel-request.ts';
import { fc } from '#test/support/properties.ts';

describe('a binding message (CIBA section 7.1)', () => {
  for (const text of [
    'W4SCT',
    '5 € an die Bäckerei',
    '承認番号 42',
    '👋🏽',
    '.',
    'x'.repeat(64),
    '𝕏'.repeat(64),
  ])
    test(`${text} can be shown as it is`, () => assert.ok(isBindingMessage(text)));

  const wrong = {
    'nothing at all': '',
    blanks: '   ',
    'more characters than are read': 'x'.repeat(BINDING_MESSAGE_LENGTH_MAX + 1),
    'two lines': 'two\nlines',
    'two lines of Unicode': 'two\u2028lines',
    'a text that turns round': 'turned\u202eround',
    'what nobody sees': 'zero\u200bwidth',
    'a null': 'null\0',
    'half a character': '\ud800',
    'what has no meaning of its own': '\ue000',
  };
  for (const [what, text] of Object.entries(wrong))
    test(`${what} cannot`, () => assert.ok(!isBindingMessage(text)));
});

describe('which of the requests that wait a person is shown', () => {
  /** Requests in the order in which they came, as the letters of their clients. */
  const shown = (clients: string, most: number) =>
    shownOf(
      [...clients].map((clientId, place) => ({ clientId, place })),
      most,
    )
      .map(({ clientId }) => clientId)
      .join('');

  test('the oldest, in their order, and of each client the first before the second of another', () => {
    assert.equal(shown('', 3), '');
    assert.equal(shown('ab', 3), 'ab');
    assert.equal(shown('aaaa', 3), 'aaa');
    assert.equal(shown('aaab', 3), 'aab');
    assert.equal(shown('aaabbc', 3), 'abc');
    assert.equal(shown('aaabb', 4), 'aabb');
    assert.equal(shown('abcd', 3), 'abc');
  });

  test('whoever asks, as many as may be are shown, and no client keeps another away', () => {
    const clients = fc.array(fc.constantFrom(...'abcde')).map((each) => each.join(''));
    fc.assert(
      fc.property(clients, fc.integer({ min: 1, max: 6 }), (waiting, most) => {
        const seen = shown(waiting, most);
        assert.equal(seen.length, Math.min(most, waiting.length));
        const repeated = new Set(seen).size < seen.length;
        if (repeated) assert.deepEqual(new Set(seen), new Set(waiting));
      }),
    );
  });
});
