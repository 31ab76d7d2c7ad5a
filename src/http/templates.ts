import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { PAGE_NAMES, type PageName } from '#src/http/page-names.ts';

/** Makes a page of what it is told. */
export type Template = (locals: object) => string;

export type Templates = Readonly<Record<PageName, Template>>;

export interface TemplateFolders {
  readonly views: string;
  /**
   * Where compiled templates are kept from one start to the next; as much part of the program as its own files, so
   * nobody may write there who may not write those. A folder that cannot be written to is one that keeps nothing.
   */
  readonly compiled: string;
}

/**
 * The templates of all pages. Compiling them takes longer than everything else at a start, and needs the compiler in
 * memory, so that is done once for every state of their sources. @throws for a template that is broken
 */
export async function loadTemplates({ views, compiled }: TemplateFolders): Promise<Templates> {
  const file = join(compiled, `pages-${await digestOf(views)}.js`);
  try {
    return run(await readFile(file, 'utf8'));
  } catch {
    // Nothing has been kept there, or nothing that can be read.
  }
  const script = await compile(views);
  await keep(file, script).catch(() => {});
  return run(script);
}

function run(script: string): Templates {
  return runInThisContext(script) as Templates;
}

/** Of everything that the compiled pages follow from. */
async function digestOf(views: string): Promise<string> {
  const digest = createHash('sha256');
  const compiler = createRequire(import.meta.url).resolve('pug/package.json');
  const sources = (await readdir(views)).filter((name) => name.endsWith('.pug')).toSorted();
  for (const path of [compiler, ...sources.map((name) => join(views, name))]) {
    const text = await readFile(path);
    digest.update(`${path} ${text.byteLength}\n`).update(text);
  }
  return digest.digest('hex');
}

/** A script that comes to all pages, each a function that needs nothing but its locals. */
async function compile(views: string): Promise<string> {
  const { default: pug } = await import('pug');
  const pages = PAGE_NAMES.map((page) => {
    const source = pug.compileFileClient(join(views, `${page}.pug`), { compileDebug: false });
    return `${JSON.stringify(page)}: (() => {\n${source}\nreturn template;\n})()`;
  });
  return `({\n${pages.join(',\n')}\n});\n`;
}

/** Written beside its place first, so that nobody ever reads half of it. */
async function keep(file: string, script: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = await mkdtemp(join(dirname(file), 'draft-'));
  try {
    await writeFile(join(draft, 'pages.js'), script);
    await rename(join(draft, 'pages.js'), file);
  } finally {
    await rm(draft, { recursive: true });
  }
}
