import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * The texts of the pages, in every language there is. One file per language, named by its BCP 47 tag; all of them
 * hold the same keys, which a test sees to. Texts are plain: no markup, only `{name}` where a value goes.
 */
export interface Locales {
  /** The tags of the languages there are, `LANGUAGE_FALLBACK` first. */
  readonly languages: readonly string[];

  /** The best language for this reader. Always one of `languages`. */
  choose(wish: LanguageWish): string;

  /** The texts of a language; those of `LANGUAGE_FALLBACK` if there is no such language. */
  locale(language: string): Locale;
}

/** What a reader asked for, as it came over the wire: both are untrusted, and may be anything. */
export interface LanguageWish {
  /** `ui_locales`: BCP 47 tags by preference, separated by spaces. OpenID Connect Core section 3.1.2.1. */
  readonly uiLocales?: string | undefined;
  /** The header `Accept-Language`. RFC 9110 section 12.5.4. */
  readonly acceptLanguage?: string | undefined;
}

export interface Locale {
  readonly language: string;
  readonly direction: 'ltr' | 'rtl';

  /** True if there is such a text. */
  has(key: string): boolean;

  /** The text with its values filled in. Throws a `TypeError` for a key or a value that is missing. */
  text(key: string, values?: TextValues): string;

  /** The text in pieces, for a template that sets values apart from the words around them. Throws like `text`. */
  pieces(key: string, values?: TextValues): readonly TextPiece[];

  /** The text in the plural form that the language has for `count`, from `key.one`, `key.other` and so on. */
  counted(key: string, count: number): string;
}

export type TextValues = Readonly<Record<string, string | number>>;

export type TextPiece = { readonly words: string } | { readonly value: string };

const LANGUAGE_FALLBACK = 'en';

/** More wishes than any browser sends; what comes after them is not read. */
const WISHES_MAX = 20;
const WISH_CHARACTERS_MAX = 1_000;

/** Reads every `TAG.json` of a directory. Throws if one cannot be read, or if `LANGUAGE_FALLBACK` is not among them. */
export function loadLocales(directory: string): Locales {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return createLocales(
    Object.fromEntries(
      files.map((file) => [basename(file, '.json'), JSON.parse(readFileSync(join(directory, file), 'utf8'))]),
    ),
  );
}

/** The same from texts in memory: language, then key. */
export function createLocales(texts: Readonly<Record<string, Readonly<Record<string, string>>>>): Locales {
  const locales = new Map(
    Object.entries(texts).map(([language, entries]) => [
      language,
      createLocale(language, new Map(Object.entries(entries))),
    ]),
  );
  const fallback = locales.get(LANGUAGE_FALLBACK);
  if (fallback === undefined) throw new TypeError(`There are no texts for ${LANGUAGE_FALLBACK}`);
  const languages = [...locales.keys()].sort(
    (a, b) => Number(b === LANGUAGE_FALLBACK) - Number(a === LANGUAGE_FALLBACK) || a.localeCompare(b, 'en'),
  );
  return {
    languages,
    choose: (wish) => chooseLanguage(wish, languages),
    locale: (language) => locales.get(language) ?? fallback,
  };
}

/**
 * The first wish for which there is a language: `ui_locales` before `Accept-Language`, the first of `languages` when
 * nothing fits. A wish also fits without its last subtags, so `de-AT` gets `de`. RFC 4647 section 3.4.
 */
export function chooseLanguage(wish: LanguageWish, languages: readonly string[]): string {
  const byLowerCase = new Map(languages.map((language) => [language.toLowerCase(), language]));
  for (const range of [...uiLocalesWishes(wish.uiLocales), ...acceptLanguageWishes(wish.acceptLanguage)]) {
    const subtags = range.toLowerCase().split('-');
    for (let length = subtags.length; length > 0; length--) {
      const found = byLowerCase.get(subtags.slice(0, length).join('-'));
      if (found !== undefined) return found;
    }
  }
  return languages[0] ?? LANGUAGE_FALLBACK;
}

function uiLocalesWishes(uiLocales = ''): readonly string[] {
  return uiLocales.slice(0, WISH_CHARACTERS_MAX).split(' ').filter(Boolean).slice(0, WISHES_MAX);
}

/** The ranges of the header, the most wanted first; those with a weight of zero, or of none that can be read, left out. */
function acceptLanguageWishes(header = ''): readonly string[] {
  return header
    .slice(0, WISH_CHARACTERS_MAX)
    .split(',', WISHES_MAX)
    .map((entry) => {
      const [range = '', ...parameters] = entry.split(';').map((part) => part.trim());
      const weight = parameters.find((parameter) => /^q=/i.test(parameter))?.slice('q='.length) ?? '1';
      return { range, weight: /^[01](\.\d{0,3})?$/.test(weight) ? Number(weight) : 0 };
    })
    .filter(({ range, weight }) => range !== '' && range !== '*' && weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(({ range }) => range);
}

function createLocale(language: string, texts: ReadonlyMap<string, string>): Locale {
  const plural = new Intl.PluralRules(language);

  const pieces = (key: string, values: TextValues = {}): readonly TextPiece[] => {
    const text = texts.get(key);
    if (text === undefined) throw new TypeError(`There is no text ${key} in ${language}`);
    // Splitting on a capture group puts the names of the values at the odd places.
    return text.split(/\{(\w+)\}/).map((piece, place) => {
      if (place % 2 === 0) return { words: piece };
      const value = Object.hasOwn(values, piece) ? values[piece] : undefined;
      if (value === undefined) throw new TypeError(`The text ${key} needs a value for ${piece}`);
      return { value: String(value) };
    });
  };
  const text = (key: string, values?: TextValues): string =>
    pieces(key, values)
      .map((piece) => ('words' in piece ? piece.words : piece.value))
      .join('');

  return {
    language,
    direction: new Intl.Locale(language).getTextInfo().direction === 'rtl' ? 'rtl' : 'ltr',
    has: (key) => texts.has(key),
    text,
    pieces,
    counted: (key, count) => {
      const form = `${key}.${plural.select(count)}`;
      return text(texts.has(form) ? form : `${key}.other`, { count });
    },
  };
}
