import { stripVTControlCharacters, styleText } from 'node:util';

/** Where a command reads from and writes to. `isTTY` is true of a terminal. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & {
    readonly isTTY?: boolean;
    /** Has each key passed on as it is typed, unseen. */
    setRawMode?(raw: boolean): unknown;
  };
  readonly stdout: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    /** Where it can be written to without it. */
    readonly fd?: number;
    readonly columns?: number;
    readonly rows?: number;
  };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** How a piece of text stands out. */
export type Emphasis = 'strong' | 'faint' | 'good' | 'bad' | 'notable';

/** Gives text its emphasis where it will be seen in colours, and leaves it alone elsewhere. */
export type Style = (emphasis: Emphasis, text: string) => string;

const FORMATS = {
  strong: 'bold',
  faint: 'dim',
  good: 'green',
  bad: 'red',
  notable: 'yellow',
} as const;

const COLUMNS_USUAL = 80;
const ROWS_USUAL = 24;
/** More would be a drawing that nobody can take in at a glance. */
const COLUMNS_MAX = 120;

/** The terminal, or the pipes in its place: the only door through which commands say anything. */
export class Terminal {
  readonly streams: Streams;

  constructor(streams: Streams) {
    this.streams = streams;
  }

  /** True if somebody is there to answer a question. */
  get interactive(): boolean {
    return this.streams.stdin.isTTY === true && this.streams.stderr.isTTY === true;
  }

  /** True if what is printed is read by a person as it comes. */
  get watched(): boolean {
    return this.streams.stdout.isTTY === true;
  }

  /** How many columns a drawing may have. */
  get columns(): number {
    return Math.min(COLUMNS_MAX, this.streams.stdout.columns ?? COLUMNS_USUAL);
  }

  /** How many lines are seen at once. */
  get rows(): number {
    return this.streams.stdout.rows ?? ROWS_USUAL;
  }

  /** For what is printed. Follows NO_COLOR and FORCE_COLOR. */
  readonly style: Style = (emphasis, text) =>
    styleText(FORMATS[emphasis], text, { stream: this.streams.stdout });

  /** For what is told beside the output. */
  readonly asideStyle: Style = (emphasis, text) =>
    styleText(FORMATS[emphasis], text, { stream: this.streams.stderr });

  /** Prints the output of a command, or a part of it. */
  print(text: string): void {
    this.streams.stdout.write(`${text}\n`);
  }

  /** Tells what does not belong to the output: errors, notes, questions. */
  tell(text: string): void {
    this.streams.stderr.write(`${text}\n`);
  }
}

/** The text with whatever could move the cursor, change colours or turn the reading direction made visible. */
export function visible(text: string): string {
  // Controls, line separators, and invisible characters save those that join letters and emoji.
  return text.replace(
    /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]--[\n\u200c\u200d]]/gv,
    (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Made when it is needed first, as its tables are large. */
let graphemes: Intl.Segmenter | undefined;

/** How many columns a text fills in a terminal. */
export function columnsOf(text: string): number {
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  let columns = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text))) {
    if (!isZeroWidth(segment)) columns += isWide(segment) ? 2 : 1;
  }
  return columns;
}

function isZeroWidth(grapheme: string): boolean {
  return /^[\p{M}\p{Cf}\p{Cc}]+$/u.test(grapheme);
}

/** Letters of the scripts that fill two columns, fullwidth forms, and emoji: Unicode UAX 11. */
function isWide(grapheme: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u.test(
    grapheme,
  );
}
