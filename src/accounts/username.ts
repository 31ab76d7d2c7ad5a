import { Refusal } from '#src/fault.ts';

declare const username: unique symbol;

/** A username as it is shown: NFKC, the case as it was typed. Compare by `usernameKey`, never as text. */
export type Username = string & { readonly [username]: true };

/** Counted in code points, after normalisation. */
export const USERNAME_LENGTH_MAX = 64;

/** Some scripts put two marks on a letter, a few put three; a tower of them is made to disturb a page. */
const MARKS_PER_LETTER_MAX = 3;

/** Normalisation grows a text at most eighteenfold; longer input is not worth normalising to be refused. */
const INPUT_LENGTH_MAX = 1024;

/** Scripts that are written without letters of another. */
const ALONE =
  'Arabic Armenian Bengali Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Hebrew Kannada Khmer ' +
  'Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan';

/**
 * The scripts in everyday use, each with those it is written together with. Letters of two of these sets in
 * one name are refused, so that a Cyrillic "а" cannot hide in a Latin name (Unicode UTS 39 section 5.2,
 * "highly restrictive", over the recommended scripts of UAX 31 table 5). Two names wholly in different
 * scripts may still look alike.
 */
const SCRIPTS = [
  ['Latin'],
  ['Latin', 'Han', 'Hiragana', 'Katakana'],
  ['Latin', 'Han', 'Bopomofo'],
  ['Latin', 'Han', 'Hangul'],
  ...ALONE.split(' ').map((script) => [script]),
];

/**
 * Modifier letters look like quotes and commas, so they are refused save the two that Japanese cannot do
 * without. Nothing invisible is a letter here: controls and zero-width characters are not letters to begin
 * with, and the rest is what Unicode calls default-ignorable.
 */
const LETTER = String.raw`[[\p{L}--\p{Lm}--\p{Default_Ignorable_Code_Point}]々ー]`;
const MARK = String.raw`[\p{M}--\p{Default_Ignorable_Code_Point}]`;
const WORD = `(?:(?:${LETTER}${MARK}{0,${MARKS_PER_LETTER_MAX}})|[0-9])+`;

/** Letters and digits, with single dots, hyphens and underscores between them. */
const SHAPE = new RegExp(`^${WORD}(?:[._\\-]${WORD})*$`, 'v');

const ONE_SCRIPT = SCRIPTS.map((scripts) => {
  const members = scripts.map((script) => `\\p{Script_Extensions=${script}}`).join('');
  return new RegExp(`^[${members}0-9._\\-]+$`, 'v');
});

/** Reads a username, or answers `null` for what can be nobody's. Surrounding white space does not count. */
export function readUsername(text: string): Username | null {
  if (text.length > INPUT_LENGTH_MAX) return null;
  const shown = text.trim().normalize('NFKC');
  if ([...shown].length > USERNAME_LENGTH_MAX) return null;
  if (!SHAPE.test(shown) || !ONE_SCRIPT.some((script) => script.test(shown))) return null;
  return shown as Username;
}

/**
 * Reads a username that somebody wants to have. It never contains "@", so it cannot be mistaken for an e-mail
 * address.
 * @throws Refusal `username_invalid`
 */
export function parseUsername(text: string): Username {
  const parsed = readUsername(text);
  if (parsed !== null) return parsed;
  throw new Refusal(
    'username_invalid',
    `A username has at most ${USERNAME_LENGTH_MAX} characters: letters of one script and the digits 0 to 9, ` +
      'with single dots, hyphens or underscores between them.',
  );
}

/**
 * What makes two usernames the same: compatibility forms and case folded away. For storage and comparison,
 * not to be shown.
 */
export function usernameKey(name: Username): string {
  // Lower-casing alone keeps "ß" apart from "SS" and "ı" from "I"; by way of upper case it is a full case
  // folding.
  return name.toUpperCase().toLowerCase().normalize('NFKC');
}
