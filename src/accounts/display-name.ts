import { Refusal } from '#src/fault.ts';

declare const displayName: unique symbol;

/** How a person wants to be addressed: free text on one line, NFC. The `name` claim. */
export type DisplayName = string & { readonly [displayName]: true };

/** Counted in code points. */
export const DISPLAY_NAME_LENGTH_MAX = 128;

/**
 * Controls, line breaks, halves of characters, and the marks that turn the direction of the text around them.
 */
const DISTURBING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

/**
 * Reads the name that a person wants to be shown by.
 * @throws Refusal `display_name_invalid`
 */
export function parseDisplayName(text: string): DisplayName {
  const name = text.trim().normalize('NFC');
  const length = [...name].length;
  if (length === 0 || length > DISPLAY_NAME_LENGTH_MAX || DISTURBING.test(name)) {
    throw new Refusal(
      'display_name_invalid',
      `A name is one line of at most ${DISPLAY_NAME_LENGTH_MAX} characters, without control characters.`,
    );
  }
  return name as DisplayName;
}
