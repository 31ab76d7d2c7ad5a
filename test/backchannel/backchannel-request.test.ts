import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BINDING_MESSAGE_LENGTH_MAX, isBindingMessage } from '#src/backchannel/backchannel-request.ts';

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
