import type { Page } from '#test/docs/markdown.ts';

/** A command line of `keyturn` that a page shows. */
export interface ShownCommand {
  readonly page: string;
  /** What stands behind `keyturn`. */
  readonly args: readonly string[];
  /** True where it stands in a sentence, and may name a command without all that it needs. */
  readonly mentioned: boolean;
}

/** What runs `keyturn`, in the ways that the pages show. What begins with a path is a checkout's own file. */
const PROGRAMS: readonly RegExp[] = [
  /^keyturn$/,
  /^npm run (--silent )?keyturn --$/,
  /^docker (compose )?exec (-it )?keyturn keyturn$/,
  /^(sudo -u keyturn )?\S+\/keyturn\.js$/,
];

/** Every command line of `keyturn` on a page, in its order. */
export function shownCommands({ path, fences, inlineCode }: Page): readonly ShownCommand[] {
  const shell = fences.filter(({ language }) => language === 'sh');
  const shown = shell.flatMap(({ code }) => commandLines(code)).map(argsOf);
  const mentioned = inlineCode.flatMap(commandLines).map(argsOf);
  return [
    ...shown.flatMap((args) => (args === null ? [] : [{ page: path, args, mentioned: false }])),
    ...mentioned.flatMap((args) => (args === null ? [] : [{ page: path, args, mentioned: true }])),
  ];
}

/** The single commands of a piece of shell, each as its words. Knows quotes, continued lines, `&&` and `|`. */
function commandLines(shell: string): string[][] {
  return shell
    .replaceAll('\\\n', ' ')
    .split(/\n| && | \| /)
    .map((line) => [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => unquoted(word)));
}

const unquoted = (word: string) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2');

/** What stands behind `keyturn`; `null` for another program, or `keyturn` without anything. */
function argsOf(words: readonly string[]): readonly string[] | null {
  for (let length = 1; length < words.length; length += 1) {
    const program = words.slice(0, length).join(' ');
    if (PROGRAMS.some((pattern) => pattern.test(program))) return words.slice(length);
  }
  return null;
}
