import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import type { DetailType, InLanguages } from '#src/authorization-details/detail-type.ts';

/** What a person is told of one authorization detail. Every value of it is in one of the two. */
export interface DetailInWords {
  readonly title: string;
  readonly type: string;
  /** In pieces, so that a page can set values apart from the words around them. */
  readonly sentences: readonly (readonly SentencePiece[])[];
  /** What no sentence says: the path of a member, and its value. */
  readonly others: readonly { readonly name: string; readonly value: string }[];
}

export type SentencePiece = { readonly words: string } | { readonly value: string };

const LANGUAGE_FALLBACK = 'en';

/**
 * Says in plain words what a client asks for: RFC 9396 section 11.1. A sentence whose values are not all there is
 * left out, and whatever no sentence says is listed by itself, so that nothing is allowed that was not shown. `type`
 * is `undefined` for a detail whose type has been taken out of the settings since.
 */
export function inWords(
  detail: AuthorizationDetail,
  type: DetailType | undefined,
  language: string,
): DetailInWords {
  const templates = type === undefined ? [] : (textIn(type.sentences, language) ?? []);
  const leaves = [...leavesOf(detail, [])];
  // A member with a dot in its name can have the path of another: neither of the two is told by a sentence.
  const tellable = new Map(
    leaves.filter(([path]) => leaves.filter(([other]) => other === path).length === 1),
  );
  const told = new Set(['type']);
  const sentences: SentencePiece[][] = [];
  for (const template of templates) {
    const pieces = piecesOf(template, tellable, language);
    if (pieces === null) continue;
    sentences.push(pieces);
    for (const [, path = ''] of template.matchAll(PLACEHOLDER)) told.add(path);
  }
  const others = leaves.filter(([path]) => !told.has(path));
  return {
    title: (type && textIn(type.name, language)) ?? detail.type,
    type: detail.type,
    sentences,
    others: others.map(([name, value]) => ({ name: visible(name), value: shown(value, language) })),
  };
}

function textIn<Text>(texts: InLanguages<Text>, language: string): Text | undefined {
  return texts.get(language) ?? texts.get(LANGUAGE_FALLBACK) ?? [...texts.values()][0];
}

const PLACEHOLDER = /\{([^{}]+)\}/g;

/** A sentence with its values; `null` if one of them is not there. */
function piecesOf(
  template: string,
  leaves: ReadonlyMap<string, unknown>,
  language: string,
): SentencePiece[] | null {
  const pieces: SentencePiece[] = [];
  let end = 0;
  for (const match of template.matchAll(PLACEHOLDER)) {
    const value = leaves.get(match[1] ?? '');
    if (value === undefined || value === null || isEmpty(value)) return null;
    if (match.index > end) pieces.push({ words: template.slice(end, match.index) });
    pieces.push({ value: shown(value, language) });
    end = match.index + match[0].length;
  }
  if (end < template.length) pieces.push({ words: template.slice(end) });
  return pieces;
}

/** The values of a detail by their paths, down to what has no members. A list of plain values is one value. */
function* leavesOf(value: unknown, path: readonly string[]): Generator<[string, unknown]> {
  const isLeaf = typeof value !== 'object' || value === null || isEmpty(value) || isPlainList(value);
  if (isLeaf) yield [path.join('.'), value];
  else for (const [name, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, name]);
}

const isEmpty = (value: unknown) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

const isPlainList = (value: object): value is unknown[] =>
  Array.isArray(value) && value.every((each) => typeof each !== 'object');

function shown(value: unknown, language: string): string {
  if (Array.isArray(value) && value.length > 0) {
    return new Intl.ListFormat(language, { type: 'unit' }).format(value.map((each) => shown(each, language)));
  }
  return typeof value === 'string' && value.trim() !== '' ? visible(value) : JSON.stringify(value);
}

/** Characters that cannot be seen, or that turn the writing around, by their number: no value hides behind them. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
