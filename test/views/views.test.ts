import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { createLocales } from '#src/http/locale.ts';
import { createPages } from '#src/http/pages.ts';
import { templates, VIEWS } from '#test/support/templates.ts';
import { assets, locales, renderSample, SERVER_NAME } from '#test/views/gallery.ts';
import { checkReferences, readMarkup } from '#test/views/markup.ts';
import { EVERY_SAMPLE } from '#test/views/samples.ts';

suite('every view in every language', () => {
  for (const language of locales.languages) {
    for (const sample of EVERY_SAMPLE) {
      test(`${sample.page} shows ${sample.what} in ${language}`, () => {
        const { html } = renderSample(sample, language);
        const markup = readMarkup(html);
        checkReferences(markup);
        const root = markup.elements[0]?.attributes;
        assert.equal(root?.get('lang'), language);
        assert.equal(root?.get('dir'), 'ltr');
        assert.doesNotMatch(markup.text, /undefined|null|NaN|\[object|[{}]/);
      });
    }
  }
});

suite('the texts', () => {
  const texts = readTexts();

  test('are the same in every language, and take the same values', () => {
    for (const [language, entries] of texts) {
      const shape = (of: Record<string, string>) =>
        Object.fromEntries(Object.entries(of).map(([key, text]) => [key, valuesOf(text).sort()]));
      assert.deepEqual(shape(entries), shape(texts.get('en') ?? {}), language);
    }
  });

  test('are plain and never empty', () => {
    for (const [language, entries] of texts) {
      for (const [key, text] of Object.entries(entries)) {
        assert.match(text, /^[^\s<>&][^<>&]*$/, `${key} in ${language}`);
      }
    }
  });

  // A language in which every text is its own key shows which of them are used, and what is said without one.
  const keys = Object.keys(texts.get('en') ?? {});
  const spoken = (key: string) => `⟦${key}⟧${valuesOf(texts.get('en')?.[key] ?? '').join('')}`;
  const revealing = createPages({
    templates,
    locales: createLocales({ en: Object.fromEntries(keys.map((key) => [key, spoken(key)])) }),
    assets,
    serverName: SERVER_NAME,
  });
  const revealed = EVERY_SAMPLE.map(({ page, what, locals }) => ({
    what: `${page}: ${what}`,
    said: new Set([...stringsOf(locals), SERVER_NAME, 'wiki.example.com']),
    text: readMarkup(revealing.render(page, locals as never, { language: 'en' }).html).text,
  }));

  test('are all used, and none is missing', () => {
    const used = revealed.flatMap(({ text }) => [...text.matchAll(/⟦([^⟧]+)⟧/g)].map(([, key = '']) => key));
    assert.deepEqual([...new Set(used)].sort(), keys.sort());
  });

  test('are all that a page says, besides what it was told', () => {
    for (const { what, said, text } of revealed) {
      const longestFirst = [...said].sort((a, b) => b.length - a.length);
      const rest = longestFirst.reduce(
        (left, told) => left.replaceAll(escaped(told), ' '),
        text.replaceAll(/⟦[^⟧]+⟧/g, ' '),
      );
      assert.doesNotMatch(rest, /\p{L}{2,}/u, what);
    }
  });
});

test('the style sheet and the script stay small, and the sheet asks for nothing from elsewhere', () => {
  const sheet = readFileSync(`${VIEWS}/assets/keyturn.css`, 'utf8');
  assert.ok(sheet.length < 15_000);
  assert.doesNotMatch(sheet, /url\(|@import|@font-face/);
  assert.ok(readFileSync(`${VIEWS}/assets/post-on.js`).length < 1_000);
});

function readTexts(): Map<string, Record<string, string>> {
  return new Map(
    readdirSync(`${VIEWS}/locales`).map((file) => [
      file.replace(/\.json$/, ''),
      JSON.parse(readFileSync(`${VIEWS}/locales/${file}`, 'utf8')),
    ]),
  );
}

function valuesOf(text: string): string[] {
  return text.match(/\{\w+\}/g) ?? [];
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
}
