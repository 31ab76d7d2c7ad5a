import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { chooseLanguage, createLocales } from '#src/http/locale.ts';
import { fc } from '#test/support/properties.ts';

const languages = ['en', 'de', 'pt-BR'];
const chosen = (uiLocales?: string, acceptLanguage?: string) =>
  chooseLanguage({ uiLocales, acceptLanguage }, languages);

suite('the language of a page', () => {
  test('is the first of ui_locales that there is (OpenID Connect Core section 3.1.2.1)', () => {
    assert.equal(chosen('fr-CA de en'), 'de');
    assert.equal(chosen('pt-br'), 'pt-BR');
  });

  test('is found without the last subtags of a wish, and never with more of them (RFC 4647 section 3.4)', () => {
    assert.equal(chosen('de-Latn-AT'), 'de');
    assert.equal(chosen('pt'), 'en');
  });

  test('follows ui_locales before Accept-Language, and Accept-Language when those fit nothing', () => {
    assert.equal(chosen('en', 'de'), 'en');
    assert.equal(chosen('fr', 'de'), 'de');
  });

  test('follows the weights of Accept-Language (RFC 9110 section 12.5.4)', () => {
    assert.equal(chosen(undefined, 'de-AT,de;q=0.9,en;q=0.8'), 'de');
    assert.equal(chosen(undefined, 'en;q=0.2, pt-BR;q=0.7, de;q=0.5'), 'pt-BR');
    assert.equal(chosen(undefined, 'de;q=0'), 'en');
    assert.equal(chosen(undefined, 'de;q=nonsense, pt-BR;q=0.1'), 'pt-BR');
  });

  test('is English when nothing fits, or when nothing is asked for', () => {
    for (const header of [undefined, '', '*', 'fr', ';q=1', ',,,'])
      assert.equal(chosen(header, header), 'en');
  });

  test('is always one that there is, whatever is asked for', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string({ unit: fc.constantFrom(...'de-AT,;q=.019 *') }),
        (uiLocales, acceptLanguage) => {
          assert.ok(languages.includes(chosen(uiLocales, acceptLanguage)));
        },
      ),
    );
  });

  test('is chosen in a time that does not grow with what is sent', () => {
    assert.equal(chosen('-'.repeat(1_000_000), ','.repeat(1_000_000)), 'en');
    assert.equal(chosen(undefined, `${'fr,'.repeat(20)}de`), 'en');
  });
});

suite('a text', () => {
  const locales = createLocales({
    de: { greeting: 'Hallo, {name}!', 'wait.one': '{count} Minute', 'wait.other': '{count} Minuten' },
    en: { greeting: 'Hello, {name}!', 'wait.one': '{count} minute', 'wait.other': '{count} minutes' },
  });

  test('comes with its values filled in, and a value is never read as a text', () => {
    assert.equal(locales.locale('de').text('greeting', { name: 'Ada' }), 'Hallo, Ada!');
    assert.equal(locales.locale('en').text('greeting', { name: '{name} $& {' }), 'Hello, {name} $& {!');
  });

  test('comes in pieces, so that values can be set apart', () => {
    assert.deepEqual(locales.locale('en').pieces('greeting', { name: 'Ada' }), [
      { words: 'Hello, ' },
      { value: 'Ada' },
      { words: '!' },
    ]);
  });

  test('has the plural form of its language', () => {
    assert.equal(locales.locale('de').counted('wait', 1), '1 Minute');
    assert.equal(locales.locale('de').counted('wait', 3), '3 Minuten');
  });

  test('is in English where the language is not known', () => {
    assert.equal(locales.locale('tlh').language, 'en');
    assert.deepEqual(locales.languages, ['en', 'de']);
  });

  test('that is missing, or lacks a value, is a mistake of ours and is thrown', () => {
    assert.throws(() => locales.locale('en').text('farewell'), /There is no text farewell in en/);
    assert.throws(() => locales.locale('en').text('greeting'), /needs a value for name/);
    assert.throws(() => locales.locale('en').text('toString'), /There is no text/);
    assert.throws(() => createLocales({ de: {} }), /There are no texts for en/);
  });

  test('knows the direction that its language is written in', () => {
    const { locale } = createLocales({ en: {}, ar: {}, 'he-IL': {} });
    assert.deepEqual(
      ['en', 'ar', 'he-IL'].map((language) => locale(language).direction),
      ['ltr', 'rtl', 'rtl'],
    );
  });
});
