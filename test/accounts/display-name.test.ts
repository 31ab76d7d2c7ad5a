import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DISPLAY_NAME_LENGTH_MAX, parseDisplayName } from '#src/accounts/display-name.ts';
import { Refusal } from '#src/fault.ts';

const isRefused = (error: unknown) => error instanceof Refusal && error.code === 'display_name_invalid';

test('a display name is any text on one line', () => {
  assert.equal(parseDisplayName('  Ada King, Countess of Lovelace '), 'Ada King, Countess of Lovelace');
  assert.equal(parseDisplayName('Ольга 👩‍💻 李'), 'Ольга 👩‍💻 李');
});

test('a display name cannot be empty, span lines, turn the text around it, or be longer than the limit', () => {
  const tooLong = 'é'.repeat(DISPLAY_NAME_LENGTH_MAX + 1);
  for (const text of [
    '',
    '   ',
    'Ada\nLovelace',
    'Ada\u2028Lovelace',
    'Ada\u202Egnp.exe',
    'A\u0007',
    '\uDC00',
    tooLong,
  ]) {
    assert.throws(() => parseDisplayName(text), isRefused);
  }
  assert.equal([...parseDisplayName('𠮷'.repeat(DISPLAY_NAME_LENGTH_MAX))].length, DISPLAY_NAME_LENGTH_MAX);
});
