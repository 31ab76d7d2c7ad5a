import { matchesGlob } from 'node:path';
import {
  FILE_LINES_MAX,
  GLOBAL_HOMES,
  type Home,
  LIBRARY_HOMES,
  ROOMS,
  type Room,
  VAGUE_NAMES,
} from '#test/architecture/rules.ts';
import type { Import, SourceFile, SourceTree } from '#test/architecture/source-tree.ts';

/** Something that holds for the whole of `src`, and why. */
export interface Rule {
  readonly name: string;
  readonly reason: string;
  broken(tree: SourceTree): readonly Breach[];
}

/** One place where a rule does not hold. */
export interface Breach {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

export const RULES: readonly Rule[] = [
  {
    name: 'every file has a room',
    reason: 'A file in no room could carry anything to anyone: place it, or give it a room in rules.ts.',
    broken: (tree) =>
      tree.files.filter((file) => roomOf(file.path) === null).map((file) => at(file, 1, 'is in no room')),
  },
  ...ROOMS.map(roomRule),
  ...[...LIBRARY_HOMES, ...GLOBAL_HOMES].map(homeRule),
  {
    name: 'no cycles',
    reason:
      'Files that need one another, if only for a type, can only be understood, moved and tested together.',
    broken: cycles,
  },
  {
    name: 'own files are named #src/….ts',
    reason:
      'One spelling per file, which exists, works without a build and does not change when the importer moves.',
    broken: (tree) =>
      eachImport(tree, (_file, { specifier }) =>
        specifier === null || isForeign(specifier) || isOwnFile(tree, specifier)
          ? null
          : `imports ${specifier}, which is not #src/… with the extension of a file that is there`,
      ),
  },
  {
    name: 'imports can be read',
    reason: 'What is loaded under a computed name is out of reach of every other rule.',
    broken: (tree) =>
      eachImport(tree, (file, { specifier }) =>
        specifier === null && roomOf(file.path)?.name !== 'launcher' ? 'imports a computed name' : null,
      ),
  },
  {
    name: 'packages are there when it runs',
    reason:
      'An installation without development packages, as in the image, has only `dependencies`; types may come from elsewhere.',
    broken: (tree) =>
      eachImport(tree, (_file, { specifier, kind }) =>
        kind === 'value' &&
        specifier !== null &&
        isForeign(specifier) &&
        !specifier.startsWith('node:') &&
        !tree.runtimePackages.includes(packageOf(specifier))
          ? `imports ${specifier}, which is not among the dependencies`
          : null,
      ),
  },
  {
    name: 'no barrel files',
    reason: 'A name is imported from the file that owns it; a detour hides who depends on whom.',
    broken: (tree) =>
      tree.files
        .filter((file) => file.onlyReExports)
        .map((file) => at(file, 1, 'only passes on what others export')),
  },
  {
    name: 'names say what is inside',
    reason: 'A file named for nothing in particular takes in everything.',
    broken: (tree) =>
      tree.files
        .filter((file) => file.path.split(/[/.]/).some((word) => VAGUE_NAMES.includes(word)))
        .map((file) => at(file, 1, 'has a name that says nothing')),
  },
  {
    name: 'a file is read in one sitting',
    reason: `Past ${FILE_LINES_MAX} lines it holds more than one thing.`,
    broken: (tree) =>
      tree.files
        .filter((file) => file.lineCount > FILE_LINES_MAX)
        .map((file) => at(file, file.lineCount, `has ${file.lineCount} lines`)),
  },
];

/** Every breach of every rule, each as a paragraph for the one who broke it. */
export function report(tree: SourceTree, rules: readonly Rule[] = RULES): string[] {
  return rules.flatMap((rule) =>
    rule
      .broken(tree)
      .map(
        ({ path, line, what }) => `${path}:${line} ${what}\n    rule: ${rule.name}\n    why:  ${rule.reason}`,
      ),
  );
}

function roomRule(room: Room): Rule {
  const known = [room.name, ...room.mayImport];
  return {
    name: `what ${room.name} may import`,
    reason: room.reason,
    broken: (tree) =>
      eachImport(tree, (file, { specifier, kind }) => {
        const target = specifier === null ? null : roomOf(ownPath(file, specifier));
        if (roomOf(file.path) !== room || target === null || known.includes(target.name)) return null;
        return `imports ${kind === 'type' ? 'a type of ' : ''}${specifier}: ${room.name} may import ${known.join(', ')}`;
      }),
  };
}

function homeRule({ names, files, reason }: Home): Rule {
  const isHome = (path: string): boolean => files.some((glob) => matchesGlob(path, glob));
  const where = files.length === 0 ? 'nowhere' : `only in ${files.join(', ')}`;
  return {
    name: `${names.join(', ')} ${where}`,
    reason,
    broken: (tree) => [
      ...eachImport(tree, (file, { specifier, kind }) =>
        specifier !== null && names.includes(packageOf(specifier)) && !isHome(file.path)
          ? `imports ${kind === 'type' ? 'a type of ' : ''}${specifier}`
          : null,
      ),
      ...tree.files.flatMap((file) =>
        file.globals
          .filter(({ name }) => names.includes(name) && !isHome(file.path))
          .map(({ name, line }) => at(file, line, `mentions ${name}`)),
      ),
    ],
  };
}

/** Cycles of files, each told once, from the file where it was first met. */
function cycles(tree: SourceTree): Breach[] {
  const files = new Map(tree.files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const found: Breach[] = [];
  const visit = (file: SourceFile, way: readonly string[]): void => {
    for (const { specifier, line } of file.imports) {
      const next = specifier === null ? undefined : files.get(ownPath(file, specifier));
      if (next === undefined || finished.has(next.path)) continue;
      const start = way.indexOf(next.path);
      if (start === -1) visit(next, [...way, next.path]);
      else found.push(at(file, line, `closes a cycle: ${[...way.slice(start), next.path].join(' -> ')}`));
    }
    finished.add(file.path);
  };
  for (const file of tree.files) if (!finished.has(file.path)) visit(file, [file.path]);
  return found;
}

function eachImport(
  tree: SourceTree,
  wrong: (file: SourceFile, imported: Import) => string | null,
): Breach[] {
  return tree.files.flatMap((file) =>
    file.imports.flatMap((imported) => {
      const what = wrong(file, imported);
      return what === null ? [] : [at(file, imported.line, what)];
    }),
  );
}

function at(file: SourceFile, line: number, what: string): Breach {
  return { path: file.path, line, what };
}

function roomOf(path: string): Room | null {
  return ROOMS.find((room) => room.files.some((glob) => matchesGlob(path, glob))) ?? null;
}

/** A package or a built-in module, as opposed to a file of ours. */
function isForeign(specifier: string): boolean {
  return !/^[.#/]|^file:/.test(specifier);
}

/** The path that a specifier of ours stands for; a path that is nobody's for a package. */
function ownPath(file: SourceFile, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1);
  return isForeign(specifier) ? '' : new URL(specifier, `file:///${file.path}`).pathname.slice(1);
}

function isOwnFile(tree: SourceTree, specifier: string): boolean {
  return specifier.startsWith('#src/') && tree.files.some(({ path }) => path === specifier.slice(1));
}

/** `koa` for `koa/lib/request.js`, `@koa/router` for `@koa/router/x`, `node:fs` for `node:fs/promises`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
