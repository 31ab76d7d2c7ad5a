import { z } from 'zod';
import { formatDuration, parseDuration } from '#src/config/duration.ts';
import { type Bytes, formatSize, parseSize } from '#src/config/size.ts';
import { SetupFault } from '#src/fault.ts';
import { parseKeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { Secret } from '#src/secret.ts';
import type { Seconds } from '#src/units.ts';

/**
 * How one kind of value is written, both ways, and the words that tell an operator what to write. Decoding takes
 * what a YAML or JSON file or an environment variable holds; encoding gives what could stand in such a file.
 */
export interface Format<T> {
  readonly expects: string;
  readonly codec: z.ZodType<T>;
  /** True for what must never be shown. */
  readonly secret: boolean;
}

/** What a value may look like in a file. */
export type Written = string | number | boolean | readonly string[];

/** What came of reading a value. `wrong` continues a sentence that began with the value: "is out of range". */
export type Reading<T> = { readonly value: T } | { readonly wrong: string };

const NOT_UNDERSTOOD = { wrong: 'is not understood' };
const OUT_OF_RANGE = { wrong: 'is out of range' };

/** The longest part of a wrong value that an error repeats, in UTF-16 code units. */
const QUOTE_LENGTH_MAX = 80;

/** Makes a format of a reader, which sees a value as text or as a list of texts, and a writer. */
export function format<T>(
  expects: string,
  read: (raw: string | readonly string[]) => Reading<T>,
  write: (value: T) => Written,
  secret = false,
): Format<T> {
  const codec = z.codec(z.unknown(), z.custom<T>(), {
    decode(raw, context) {
      const written = asWritten(raw);
      const reading = written === null ? NOT_UNDERSTOOD : read(written);
      if ('value' in reading) return reading.value;
      context.issues.push({
        code: 'custom',
        message: `${secret ? 'the value' : quoted(raw)} ${reading.wrong}; give ${expects}`,
        input: undefined,
      });
      return z.NEVER;
    },
    encode: write,
  });
  return { expects, codec, secret };
}

/** As `format`, for values that are never lists. */
export function textFormat<T>(
  expects: string,
  read: (text: string) => Reading<T>,
  write: (value: T) => Written,
  secret = false,
): Format<T> {
  return format(expects, (raw) => (typeof raw === 'string' ? read(raw) : NOT_UNDERSTOOD), write, secret);
}

/** A whole number within bounds, both included. */
export function wholeNumber(bounds: { min: number; max: number }): Format<number> {
  return textFormat(
    `a whole number from ${bounds.min} to ${bounds.max}`,
    (text) => (/^\d+$/.test(text) ? within(Number(text), bounds) : NOT_UNDERSTOOD),
    (value) => value,
  );
}

/** A whole number within bounds, both included, or `auto` for what the machine suggests. */
export function wholeNumberOrAuto(bounds: { min: number; max: number }): Format<number | 'auto'> {
  const number = `a whole number from ${bounds.min} to ${bounds.max}`;
  return textFormat<number | 'auto'>(
    `${number}, or \`auto\``,
    (text) => {
      if (text === 'auto') return { value: 'auto' };
      return /^\d+$/.test(text) ? within(Number(text), bounds) : NOT_UNDERSTOOD;
    },
    (value) => value,
  );
}

/** A length of time within bounds, both included and written as durations themselves. `because` explains the bounds. */
export function duration(bounds: { min: string; max: string; because?: string }): Format<Seconds> {
  const limits = { min: durationOf(bounds.min), max: durationOf(bounds.max) };
  const because = bounds.because === undefined ? '' : ` (${bounds.because})`;
  return textFormat(
    `a duration from ${bounds.min} to ${bounds.max}, written like 90s or 5m${because}`,
    (text) => {
      const length = parseDuration(text);
      return length === null ? NOT_UNDERSTOOD : within(length, limits);
    },
    formatDuration,
  );
}

/** An amount of data within bounds, both included and written as sizes themselves. */
export function size(bounds: { min: string; max: string }): Format<Bytes> {
  const limits = { min: sizeOf(bounds.min), max: sizeOf(bounds.max) };
  return textFormat(
    `a size from ${bounds.min} to ${bounds.max}, written like 16KiB`,
    (text) => {
      const amount = parseSize(text);
      return amount === null ? NOT_UNDERSTOOD : within(amount, limits);
    },
    formatSize,
  );
}

export const flag: Format<boolean> = textFormat(
  '`true` or `false`',
  (text) => (text === 'true' || text === 'false' ? { value: text === 'true' } : NOT_UNDERSTOOD),
  (value) => value,
);

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]): Format<Word> {
  return textFormat(
    `one of ${words.join(', ')}`,
    (text) => {
      const word = words.find((candidate) => candidate === text);
      return word === undefined ? NOT_UNDERSTOOD : { value: word };
    },
    (value) => value,
  );
}

/** Some of a few words, at least one unless told otherwise, none twice. Their order is kept. */
export function choices<const Word extends string>(
  words: readonly Word[],
  { orNone = false } = {},
): Format<readonly Word[]> {
  return format(
    `a list of ${orNone ? 'any' : 'at least one'} of ${words.join(', ')}, each once`,
    (raw) => {
      const chosen: Word[] = [];
      for (const item of asList(raw)) {
        const word = words.find((candidate) => candidate === item);
        if (word === undefined) return { wrong: `names ${quoted(item)}, which is not known` };
        if (chosen.includes(word)) return { wrong: `names ${word} twice` };
        chosen.push(word);
      }
      return chosen.length === 0 && !orNone ? { wrong: 'is an empty list' } : { value: chosen };
    },
    (value) => value,
  );
}

/** The name of an authentication context, which stands in lists with spaces between them: OpenID Connect Core section 2. */
export const acrValue: Format<string> = textFormat(
  'a name without spaces, such as a URI',
  (text) => (/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(text) ? { value: text } : NOT_UNDERSTOOD),
  (value) => value,
);

/** The path of a folder. */
export const folder: Format<string> = textFormat(
  'the path of a folder',
  (text) => (text === '' || text.includes('\0') ? NOT_UNDERSTOOD : { value: text }),
  (value) => value,
);

/** The path of a file. */
export const file: Format<string> = textFormat(
  'the path of a file',
  (text) => (text === '' || text.includes('\0') ? NOT_UNDERSTOOD : { value: text }),
  (value) => value,
);

/** A password. It must not be printed, and an error never repeats it. */
export const secretText: Format<Secret> = textFormat(
  'a text that is not empty',
  (text) => (text === '' || text.includes('\0') ? NOT_UNDERSTOOD : { value: new Secret(text) }),
  (value) => value.toString(),
  true,
);

/** The text of key-encryption keys. It must not be printed, and an error never repeats it. */
export const keyEncryptionKeys: Format<Secret> = textFormat(
  'what a `.kek` file holds, one line that begins with `keyturn_kek_`, or several to change keys',
  (text) => {
    const secret = new Secret(text);
    return areKeyEncryptionKeys(secret) ? { value: secret } : { wrong: 'is not a key-encryption key' };
  },
  (value) => value.toString(),
  true,
);

/** The items of a list, which a variable writes with commas between them. */
export function asList(raw: string | readonly string[]): readonly string[] {
  if (typeof raw !== 'string') return raw;
  return raw === '' ? [] : raw.split(',').map((item) => item.trim());
}

/** A value as an error repeats it: bounded, on one line, and without the password that a URL may carry. */
export function quoted(raw: unknown): string {
  const written = asWritten(raw);
  if (written === null) return 'a group of settings';
  const text = typeof written === 'string' ? written : written.join(', ');
  const shown = text.replaceAll(/\/\/.*@/g, '//[secret]@');
  return JSON.stringify(shown.length > QUOTE_LENGTH_MAX ? `${shown.slice(0, QUOTE_LENGTH_MAX)}…` : shown);
}

function asWritten(raw: unknown): string | readonly string[] | null {
  if (!Array.isArray(raw)) return asText(raw);
  const items = raw.map(asText);
  return items.every((item) => item !== null) ? items : null;
}

function asText(raw: unknown): string | null {
  if (typeof raw === 'string') return raw;
  return typeof raw === 'number' || typeof raw === 'boolean' ? String(raw) : null;
}

function areKeyEncryptionKeys(text: Secret): boolean {
  try {
    return parseKeyEncryptionKeys(text, 'the setting').length > 0;
  } catch (error) {
    if (error instanceof SetupFault) return false;
    throw error;
  }
}

function within<N extends number>(value: N, { min, max }: { min: number; max: number }): Reading<N> {
  return value >= min && value <= max ? { value } : OUT_OF_RANGE;
}

function durationOf(text: string): Seconds {
  const length = parseDuration(text);
  if (length === null) throw new TypeError(`not a duration: ${text}`);
  return length;
}

function sizeOf(text: string): Bytes {
  const amount = parseSize(text);
  if (amount === null) throw new TypeError(`not a size: ${text}`);
  return amount;
}
