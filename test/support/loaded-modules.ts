import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeKeyturnDirectory } from '#test/support/running-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** Writes down the URL of every module that its process loads, by `import` or by `require`, when the process ends. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { writeFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  const loaded = [];
  registerHooks({
    load(url, context, next) {
      loaded.push(url);
      return next(url, context);
    },
  });
  process.on('exit', () => writeFileSync(process.env.MODULES_LOADED_INTO, JSON.stringify(loaded)));
`)}`;

export interface LoadedModules {
  /** True if a file of this package was loaded. */
  has(packageName: string): boolean;
  /** The paths of all files. */
  readonly files: readonly string[];
  /** The files of the program, as `src/….ts`. */
  readonly own: readonly string[];
}

/** What a server has loaded by the time it answers, with its default settings but for these. */
export async function modulesLoadedToServe(
  settings: Readonly<Record<string, string>> = {},
): Promise<LoadedModules> {
  await using directory = await makeTemporaryDirectory();
  const list = join(directory.path, 'loaded.json');
  const store = { KEYTURN_STORE: `sqlite:${join(directory.path, 'keyturn.db')}` };
  const watch = { NODE_OPTIONS: `--import=${WATCH}`, MODULES_LOADED_INTO: list };
  await using keyturn = await makeKeyturnDirectory({ env: { ...store, ...settings, ...watch } });
  // Nothing is compiled at a second start.
  await (await keyturn.serve()).stop();
  await (await keyturn.serve()).stop();
  const urls = JSON.parse(await readFile(list, 'utf8')) as string[];
  return {
    files: urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url)),
    has: (packageName) => urls.some((url) => url.includes(`/node_modules/${packageName}/`)),
    own: urls.flatMap((url) => /(?<!\/node_modules\/.*)\/(src\/.*\.ts)$/.exec(url)?.[1] ?? []),
  };
}
