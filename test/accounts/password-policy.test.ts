import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommonPasswords } from '#src/accounts/common-passwords.ts';
import { PasswordPolicy, type PasswordProblemCode } from '#src/accounts/password-policy.ts';
import { Refusal } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';
import { fc } from '#test/support/properties.ts';

const policy = new PasswordPolicy({
  minLength: 8,
  maxLength: 256,
  serviceNames: ['Keyturn', 'id.example.org'],
  commonPasswords: new CommonPasswords(),
});

const ada = { username: 'ada.lovelace', email: 'countess@engines.example', displayName: 'Augusta King' };

const codeFor = (password: string, owner = ada) => policy.problem(new Secret(password), owner)?.code ?? null;

describe('a password is taken', () => {
  for (const password of [
    'correct horse battery staple',
    'tr0ub4dor&3',
    'пароль не из списка',
    'emoji 🔑🔑🔒🔓 ok',
    'wholelowercaseword',
    'quite","ordinary',
    'my friend ada.lovelace is kind',
    '8315690427',
  ]) {
    test(`when it is "${password}"`, () => {
      assert.equal(codeFor(password), null);
    });
  }

  test('from the shortest to the longest length, counted in code points (NIST SP 800-63B-4 section 3.1.1.2)', () => {
    assert.equal(codeFor('𝒳🔑🔒🔓🗝🚪🏠🧱'), null);
    assert.equal(codeFor('🔑🔒🔓🗝🚪🏠🧱'), 'password_too_short');
    const long = Array.from({ length: 256 }, (_, index) =>
      String.fromCodePoint(0x4e00 + ((index * 7919) % 5000)),
    ).join('');
    assert.equal(codeFor(long), null);
    assert.equal(codeFor(`${long}!`), 'password_too_long');
  });

  test('without any rule of composition', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{24}$/), (password) => {
        assert.equal(codeFor(password), null);
      }),
    );
  });
});

describe('a password is refused', () => {
  const refused: [why: string, code: PasswordProblemCode, passwords: string[]][] = [
    ['when it is too short', 'password_too_short', ['', 'x7$kQ2!', '       ']],
    [
      'when nobody can type it',
      'password_characters',
      ['line\nbreak here', 'null\u0000 byte here', 'half \uD800 of one'],
    ],
    [
      'when it is one that many people use, in any case',
      'password_common',
      ['password1', 'PASSWORD1', 'qwertyuiop', 'iloveyou', 'letmein123', 'trustno1', '1qaz2wsx'],
    ],
    [
      'when it is an expected word in ornament',
      'password_common',
      ['Password123!', '!!Welcome2026', 'administrator', 'drowssap99'],
    ],
    [
      'when it is one character, a short unit or a sequence over and over',
      'password_repetitive',
      [
        'aaaaaaaa',
        '12121212',
        'abcabcabc',
        'Ab1!Ab1!Ab1!',
        '🔑🔑🔑🔑🔑🔑🔑🔑',
        '23456789',
        '4567890123',
        '9876543210',
        'abcdefghij',
        'zyxwvuts',
      ],
    ],
    [
      'when it is made from the username, the e-mail address or the name',
      'password_personal',
      [
        'ada.lovelace',
        'ADA.LOVELACE1815',
        'adalovelace!',
        'ecalevol.ada',
        'countess',
        '!Countess99',
        'countess@engines.example',
        'engines.example',
        'augusta1815',
        'Augusta King',
      ],
    ],
    [
      'when it is made from the name of the service',
      'password_personal',
      ['keyturn1', 'Keyturn-2026', 'nrutyek!', 'keyturnkeyturn', 'id.example.org'],
    ],
  ];
  for (const [why, code, passwords] of refused) {
    test(why, () => {
      for (const password of passwords) assert.equal(codeFor(password), code, password);
    });
  }

  test('by a full-width or decomposed spelling of a common one too', () => {
    assert.equal(codeFor('ｐａｓｓｗｏｒｄ１'), 'password_common');
  });

  test("not for the owner's sake when nothing is known of the owner", () => {
    assert.equal(codeFor('ada.lovelace', { username: 'x', email: '', displayName: '' }), null);
  });

  test('with a code for programs and a sentence for the person, which does not repeat the password', () => {
    assert.throws(
      () => policy.demand(new Secret('password1'), ada),
      (error) =>
        error instanceof Refusal &&
        error.code === 'password_common' &&
        error.message.endsWith('.') &&
        !JSON.stringify([error.message, error.detail]).includes('password1'),
    );
    policy.demand(new Secret('correct horse battery staple'), ada);
  });
});
