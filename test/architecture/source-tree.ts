import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, visitorKeys } from 'oxc-parser';

/** What the rules look at: every file of the program, and which packages are there when it runs. */
export interface SourceTree {
  readonly files: readonly SourceFile[];
  /** The `dependencies` of package.json, optional ones too: what an installation without development packages has. */
  readonly runtimePackages: readonly string[];
}

export interface SourceFile {
  /** From the project's root, with slashes: `src/tokens/access-token.ts`. */
  readonly path: string;
  readonly lineCount: number;
  readonly imports: readonly Import[];
  readonly globals: readonly GlobalUse[];
  /** True when the file says nothing itself: it has exports, and all of them come from other files. */
  readonly onlyReExports: boolean;
}

/** One `import`, `export … from`, `import()`, `require()` or `import('…').Type`. */
export interface Import {
  /** As written; `null` when it is computed while the program runs. */
  readonly specifier: string | null;
  /** `type` when nothing is loaded: the whole statement is about types and vanishes when types are stripped. */
  readonly kind: 'type' | 'value';
  readonly line: number;
}

export interface GlobalUse {
  readonly name: 'console' | 'process';
  readonly line: number;
}

/** Reads everything under `src` of the project at `root`. */
export function readSourceTree(root: string): SourceTree {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path.replaceAll('\\', '/')}`)
    .filter((path) => /\.[cm]?[jt]sx?$/.test(path))
    .sort();
  return {
    files: paths.map((path) => parseSource(path, readFileSync(join(root, path), 'utf8'))),
    runtimePackages: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
  };
}

/** Takes one file apart. Throws `SyntaxError` when it is not TypeScript. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new SyntaxError(`${path}: ${errors[0].message}`);

  const lineAt = (offset: number): number => text.slice(0, offset).split('\n').length;
  const imports: Import[] = [];
  const globals: GlobalUse[] = [];
  walk(program as unknown as Node, (node, parent, key) => {
    const line = lineAt(node.start);
    const imported = importOf(node);
    if (imported !== null) imports.push({ ...imported, line });
    const name = globalOf(node, parent, key);
    if (name !== null) globals.push({ name, line });
  });

  return {
    path,
    lineCount: text.replace(/\n$/, '').split('\n').length,
    imports,
    globals,
    onlyReExports: isBarrel(program.body as unknown as Node[]),
  };
}

/** A node of the syntax tree, seen only as far as the rules need: ESTree with TypeScript's additions. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly name?: string;
  readonly value?: unknown;
  readonly source?: Node | null;
  readonly callee?: Node;
  readonly arguments?: readonly Node[];
  readonly importKind?: 'type' | 'value';
  readonly exportKind?: 'type' | 'value';
  readonly declaration?: Node | null;
  readonly specifiers?: readonly { readonly local: Node }[];
  readonly object?: Node;
  readonly computed?: boolean;
}

type Visit = (node: Node, parent: Node | null, key: string) => void;

function walk(node: Node, visit: Visit, parent: Node | null = null, keyOfNode = ''): void {
  visit(node, parent, keyOfNode);
  for (const key of visitorKeys[node.type] ?? []) {
    const child = (node as unknown as Record<string, Node | readonly (Node | null)[] | null | undefined>)[
      key
    ];
    for (const each of Array.isArray(child) ? child : [child]) {
      if (each !== null && each !== undefined) walk(each, visit, node, key);
    }
  }
}

function importOf(node: Node): Omit<Import, 'line'> | null {
  switch (node.type) {
    case 'ImportDeclaration':
      return { specifier: textOf(node.source), kind: node.importKind ?? 'value' };
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      return node.source ? { specifier: textOf(node.source), kind: node.exportKind ?? 'value' } : null;
    case 'ImportExpression':
      return { specifier: textOf(node.source), kind: 'value' };
    case 'CallExpression':
      if (node.callee?.name !== 'require') return null;
      return { specifier: textOf(node.arguments?.[0]), kind: 'value' };
    case 'TSImportType':
      return { specifier: textOf(node.source), kind: 'type' };
    default:
      return null;
  }
}

function textOf(node: Node | null | undefined): string | null {
  return node?.type === 'Literal' && typeof node.value === 'string' ? node.value : null;
}

/** `process` or `console` where the word stands for the global, not for a property or a key of that name. */
function globalOf(node: Node, parent: Node | null, key: string): GlobalUse['name'] | null {
  if (node.type !== 'Identifier' || (node.name !== 'console' && node.name !== 'process')) return null;
  if (key === 'property' && parent?.computed === false && parent.object?.name !== 'globalThis') return null;
  if (key === 'key' && parent?.computed === false) return null;
  return node.name;
}

function isBarrel(body: readonly Node[]): boolean {
  const importedNames = new Set(
    body
      .flatMap((node) => (node.type === 'ImportDeclaration' ? (node.specifiers ?? []) : []))
      .map(({ local }) => local.name),
  );
  const rest = body.filter((node) => node.type !== 'ImportDeclaration');
  return (
    rest.length > 0 &&
    rest.every((node) => {
      if (node.type === 'ExportAllDeclaration') return true;
      if (node.type !== 'ExportNamedDeclaration' || node.declaration) return false;
      return node.source || (node.specifiers ?? []).every(({ local }) => importedNames.has(local.name));
    })
  );
}
