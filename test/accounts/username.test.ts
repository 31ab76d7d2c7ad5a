import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseUsername, readUsername, USERNAME_LENGTH_MAX, usernameKey } from '#src/accounts/username.ts';
import { Refusal } from '#src/fault.ts';
import { fc } from '#test/support/properties.ts';

const keyOf = (text: string) => usernameKey(parseUsername(text));

describe('a username', () => {
  for (const name of [
    'ada',
    'Ada.Lovelace',
    'a',
    '7',
    'grace_hopper-1906',
    'Jürgen',
    'Ольга',
    'Ελένη',
    'नेहा',
    '李雷',
    '山田たろう',
    'ธนวัฒน์',
  ]) {
    test(`may be "${name}"`, () => {
      assert.equal(parseUsername(name), name.normalize('NFKC'));
    });
  }

  const refused: [why: string, name: string][] = [
    ['empty', ''],
    ['nothing but white space', ' \t '],
    ['an e-mail address', 'ada@example.com'],
    ['two words', 'ada lovelace'],
    ['a path', 'ada/lovelace'],
    ['markup', '<b>ada</b>'],
    ['with a control character', 'ada\u0000'],
    ['with a line break', 'ada\nlovelace'],
    ['with a zero-width space', 'a\u200Bda'],
    ['with a zero-width joiner', 'a\u200Dda'],
    ['with a soft hyphen', 'a\u00ADda'],
    ['with a change of direction', 'a\u202Eda'],
    ['with an invisible Hangul filler', 'ada\u3164'],
    ['with a variation selector', 'ada\uFE0F'],
    ['Latin with a Cyrillic letter', 'p\u0430ypal'],
    ['Latin with a Greek letter', 'g\u03BF\u03BFgle'],
    ['a letter under a tower of marks', `a${'\u0335'.repeat(4)}`],
    ['a mark alone', '\u0301'],
    ['with a modifier letter for an apostrophe', 'o\u02BCneil'],
    ['a picture', '👩‍💻'],
    ['beginning with a dot', '.ada'],
    ['ending with a hyphen', 'ada-'],
    ['with two dots in a row', 'ada..lovelace'],
    ['half a character', 'ada\uD800'],
  ];
  for (const [why, name] of refused) {
    test(`is refused when it is ${why}`, () => {
      assert.equal(readUsername(name), null);
      assert.throws(
        () => parseUsername(name),
        (error) => error instanceof Refusal && error.code === 'username_invalid',
      );
    });
  }

  test('is counted in code points', () => {
    assert.notEqual(readUsername('𠮷'.repeat(USERNAME_LENGTH_MAX)), null);
    assert.equal(readUsername('a'.repeat(USERNAME_LENGTH_MAX + 1)), null);
  });

  test('keeps the case it was typed in, and white space around it does not count', () => {
    assert.equal(parseUsername('  Ada\n'), 'Ada');
  });

  test('is the same in every case and compatibility form', () => {
    assert.equal(keyOf('Ada'), keyOf('aDA'));
    assert.equal(keyOf('ａｄａ'), keyOf('ada'));
    assert.equal(keyOf('Weiß'), keyOf('WEISS'));
    assert.equal(keyOf('José'), keyOf('Jose\u0301'));
    assert.equal(keyOf('ΟΔΥΣΣΕΥΣ'), keyOf('οδυσσευς'));
    assert.equal(keyOf('ﬁnn'), keyOf('finn'));
  });

  test('once read reads as itself, and its key as a key', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[\p{L}\p{M}0-9._-]{1,8}$/u)),
        (text) => {
          const name = readUsername(text);
          if (name === null) return;
          assert.equal(readUsername(name), name);
          assert.equal(usernameKey(usernameKey(name) as typeof name), usernameKey(name));
          assert.ok(!name.includes('@'));
          assert.ok([...name].length <= USERNAME_LENGTH_MAX);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('of Latin letters has one key however it is capitalised', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zäöüßéñ]{1,12}$/), (text) => {
        assert.equal(keyOf(text.toUpperCase()), keyOf(text));
      }),
    );
  });
});
