import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A page of documentation, taken apart. */
export interface Page {
  /** From the root of the project: `docs/settings.md`. */
  readonly path: string;
  readonly fences: readonly Fence[];
  /** The targets of its links. */
  readonly links: readonly string[];
  /** The code in its running text, in its headings and in its tables. */
  readonly inlineCode: readonly string[];
  /** What a link to each of its headings ends with, as hosting platforms make it of the title. */
  readonly anchors: ReadonlySet<string>;
  /** The rows of its tables, without their heads. */
  readonly rows: readonly (readonly string[])[];
  readonly text: string;
}

/** A block of code. */
export interface Fence {
  readonly language: string;
  readonly code: string;
  /** The file that the block repeats, if the comment before it says so. */
  readonly embeds: string | null;
}

/** Every Markdown file of the project. */
export function everyPage(): readonly Page[] {
  const paths = globSync('{*,{docs,examples,keys,src,test,views}/**/*}.md', { cwd: ROOT });
  return paths.sort().map(readPage);
}

export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const prose = text.replaceAll(FENCE, '');
  const withoutCode = prose.replaceAll(INLINE_CODE, '');
  return {
    path,
    text,
    fences: [...text.matchAll(FENCE)].map(([, embeds, language = '', code = '']) => ({
      language,
      code,
      embeds: embeds ?? null,
    })),
    links: [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target),
    inlineCode: [...prose.matchAll(INLINE_CODE)].map(([, code = '']) => code.replaceAll(/\s+/g, ' ')),
    anchors: new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title))),
    rows: [...prose.matchAll(/^\| ?(.*?) ?\|$/gm)]
      .map(([, row = '']) => row.split(' | '))
      .filter(([first = '']) => !/^-+/.test(first)),
  };
}

const FENCE = /(?:<!-- embed: (\S+) -->\n)?^```(\w*)\n(.*?)^```$/gms;
const INLINE_CODE = /`([^`]+)`/g;

/** The fragment by which a heading is linked to: small letters, no punctuation, hyphens for spaces. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
