import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RULES, report } from '#test/architecture/rule.ts';
import { FILE_LINES_MAX } from '#test/architecture/rules.ts';
import { parseSource, readSourceTree, type SourceTree } from '#test/architecture/source-tree.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the program keeps its architecture', () => {
  const breaches = report(readSourceTree(root));
  assert.ok(breaches.length === 0, `\n\n${breaches.join('\n\n')}\n`);
});

/** What each rule is for, as the smallest program that breaks it: rule, sentence, files. */
const BREACHES: readonly (readonly [rule: string, sentence: string, files: Record<string, string>])[] = [
  ['every file has a room', 'a file outside the rooms', { 'src/stray.ts': 'export const a = 1;' }],
  ['every file has a room', 'a folder that nobody knows', { 'src/attic/a.ts': 'export const a = 1;' }],
  [
    'what leaves may import',
    'a leaf that knows a domain',
    {
      'src/clock.ts': `import '#src/tokens/a.ts';`,
      'src/tokens/a.ts': 'export const a = 1;',
    },
  ],
  ...['storage', 'oidc', 'config', 'cli', 'http'].map(
    (room) =>
      [
        'what domains may import',
        `a domain that knows ${room}`,
        {
          'src/accounts/account.ts': `import { a } from '#src/${room}/a.ts';`,
          [`src/${room}/a.ts`]: 'export const a = 1;',
        },
      ] as const,
  ),
  [
    'what domains may import',
    'a domain that knows a type of its own routes',
    {
      'src/interaction/step.ts': `import type { A } from '#src/interaction/routes.ts';`,
      'src/interaction/routes.ts': 'export type A = 1;',
    },
  ],
  [
    'what domains may import',
    'a type that is imported in passing',
    {
      'src/tokens/a.ts': `export const a = (b: import('#src/oidc/b.ts').B) => b;`,
      'src/oidc/b.ts': 'export type B = 1;',
    },
  ],
  [
    'what domains may import',
    'a domain that hands on what storage exports',
    {
      'src/tokens/a.ts': `export { b } from '#src/storage/b.ts'; export const a = 1;`,
      'src/storage/b.ts': 'export const b = 1;',
    },
  ],
  [
    'what routes may import',
    'routes that know the store',
    {
      'src/interaction/sign-in-routes.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const a = 1;',
    },
  ],
  [
    'what storage may import',
    'a store that knows the protocol',
    {
      'src/storage/a.ts': `import '#src/oidc/b.ts';`,
      'src/oidc/b.ts': 'export const b = 1;',
    },
  ],
  [
    'what oidc may import',
    'a provider that opens a store',
    {
      'src/oidc/a.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const b = 1;',
    },
  ],
  [
    'what http may import',
    'HTTP that reads the configuration',
    {
      'src/http/app.ts': `import '#src/config/load.ts';`,
      'src/config/load.ts': 'export const b = 1;',
    },
  ],
  [
    'what config may import',
    'a configuration that starts the server',
    {
      'src/config/load.ts': `import '#src/server.ts';`,
      'src/server.ts': 'export const b = 1;',
    },
  ],
  [
    'what cli may import',
    'a command that opens a store by itself',
    {
      'src/cli/keys.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const b = 1;',
    },
  ],
  [
    'what server may import',
    'a server that knows the command line',
    {
      'src/server.ts': `import '#src/cli/serve.ts';`,
      'src/cli/serve.ts': 'export const b = 1;',
    },
  ],
  [
    'what server may import',
    'a server that opens a store by itself',
    {
      'src/server.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const b = 1;',
    },
  ],
  [
    'what services may import',
    'services that know the protocol',
    {
      'src/services.ts': `import type { A } from '#src/oidc/provider.ts';`,
      'src/oidc/provider.ts': 'export type A = 1;',
    },
  ],
  [
    'what pkcs11 may import',
    'a token that knows the settings',
    {
      'src/pkcs11/token.ts': `import type { A } from '#src/config/schema.ts';`,
      'src/config/schema.ts': 'export type A = 1;',
    },
  ],
  [
    'what metrics may import',
    'a measure that opens the store',
    {
      'src/metrics/a.ts': `import type { Store } from '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export type Store = 1;',
    },
  ],
  [
    'what tracing may import',
    'a span that knows how requests are answered',
    {
      'src/tracing/a.ts': `import type { Way } from '#src/http/shortcut.ts';`,
      'src/http/shortcut.ts': 'export type Way = 1;',
    },
  ],
  [
    'what workers may import',
    'a supervisor that opens the store',
    {
      'src/workers/supervisor.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const b = 1;',
    },
  ],
  [
    'what main may import',
    'an entry that puts things together',
    {
      'src/main.ts': `import '#src/storage/open-store.ts';`,
      'src/storage/open-store.ts': 'export const b = 1;',
    },
  ],
  [
    'what launcher may import',
    'a launcher that an older Node cannot read',
    { 'src/keyturn.js': `import '#src/clock.ts';`, 'src/clock.ts': 'export const b = 1;' },
  ],
  ...(
    [
      ['oidc-provider', 'src/server.ts'],
      ['node:sqlite', 'src/tokens/a.ts'],
      ['ioredis', 'src/throttle/a.ts'],
      ['node:cluster', 'src/cli/serve.ts'],
      ['argon2', 'src/accounts/account.ts'],
      ['koffi', 'src/pkcs11/token-process.ts'],
      ['prom-client', 'src/tokens/token-model.ts'],
      ['pug', 'src/http/pages.ts'],
      ['ajv', 'src/config/load.ts'],
      ['koa', 'src/interaction/step.ts'],
      ['@koa/router', 'src/accounts/account.ts'],
      ['koa-compose', 'src/cli/serve.ts'],
      ['zod', 'src/signing/key-ring.ts'],
      ['yaml', 'src/cli/clients.ts'],
      ['commander', 'src/main.ts'],
      ['pino', 'src/tokens/a.ts'],
      ['jose', 'src/oidc/a.ts'],
      ['nodemailer', 'src/accounts/account.ts'],
      ['openid-client', 'src/oidc/provider.ts'],
    ] as const
  ).flatMap(([library, path]) => [
    [ruleAbout(library), `${library} away from home`, { [path]: `import a from '${library}';` }] as const,
    [
      ruleAbout(library),
      `a type of ${library} away from home`,
      { [path]: `import type { A } from '${library}';` },
    ] as const,
    [
      ruleAbout(library),
      `${library} loaded when it is needed`,
      { [path]: `const { A } = require('${library}');` },
    ] as const,
    [
      ruleAbout(library),
      `a file inside ${library}`,
      { [path]: `await import('${library}/lib/a.js');` },
    ] as const,
  ]),
  ...[
    'process.exit(1);',
    'export const env = globalThis.process.env;',
    'const { process } = globalThis;',
    `import { env } from 'node:process';`,
  ].map((text) => [ruleAbout('process'), text, { 'src/cli/a.ts': text }] as const),
  ...[`console.log('a');`, 'export const log = console.log;', `import { Console } from 'node:console';`].map(
    (text) => [ruleAbout('console'), text, { 'src/main.ts': text }] as const,
  ),
  [
    'no cycles',
    'two files that need one another',
    {
      'src/tokens/a.ts': `import '#src/tokens/b.ts';`,
      'src/tokens/b.ts': `import '#src/tokens/a.ts';`,
    },
  ],
  [
    'no cycles',
    'a ring of files over two domains, closed by a type',
    {
      'src/accounts/a.ts': `import '#src/tokens/b.ts';`,
      'src/tokens/b.ts': `import '#src/tokens/c.ts';`,
      'src/tokens/c.ts': `import type { A } from '#src/accounts/a.ts';`,
    },
  ],
  ...['./b.ts', '#src/tokens/b', '#src/tokens/b.js', '#src/tokens/absent.ts', '#test/tokens/b.ts'].map(
    (specifier) =>
      [
        'own files are named #src/….ts',
        `an import of ${specifier}`,
        { 'src/tokens/a.ts': `import '${specifier}';`, 'src/tokens/b.ts': 'export const b = 1;' },
      ] as const,
  ),
  [
    'imports can be read',
    'a computed import',
    { 'src/tokens/a.ts': `export const load = (name: string) => import(name);` },
  ],
  [
    'packages are there when it runs',
    'a development package that the program loads',
    { 'src/tokens/a.ts': `import fc from 'fast-check';` },
  ],
  [
    'packages are there when it runs',
    'a development package that is loaded although only a type of it is named',
    { 'src/tokens/a.ts': `import { type Arbitrary } from 'fast-check';` },
  ],
  [
    'no barrel files',
    'export … from alone',
    { 'src/tokens/a.ts': `export * from '#src/clock.ts';`, 'src/clock.ts': '' },
  ],
  [
    'no barrel files',
    'imports that are exported again',
    { 'src/tokens/a.ts': `import { b } from '#src/clock.ts'; export { b };`, 'src/clock.ts': '' },
  ],
  ['names say what is inside', 'a folder of helpers', { 'src/tokens/helpers/a.ts': 'export const a = 1;' }],
  ['names say what is inside', 'a file of types', { 'src/tokens/types.ts': 'export const a = 1;' }],
  [
    'a file is read in one sitting',
    'a file of one line too many',
    { 'src/tokens/a.ts': 'export {};\n'.repeat(FILE_LINES_MAX + 1) },
  ],
];

describe('the checker', () => {
  for (const [name, sentence, files] of BREACHES) {
    test(`objects to ${sentence} (${name})`, () => {
      const rule = RULES.find((each) => each.name === name);
      assert.ok(rule, `there is no rule "${name}"`);
      assert.notDeepEqual(report(treeOf(files), [rule]), []);
    });
  }

  test('has a rule broken by an example above for every rule', () => {
    const untried = RULES.filter((rule) => !BREACHES.some(([name]) => name === rule.name));
    assert.deepEqual(
      untried.map(({ name }) => name),
      [],
    );
  });

  test('is content with a program that keeps the rules', () => {
    const tree = treeOf({
      'src/units.ts': 'export type Seconds = number;',
      'src/clock.ts': `import type { Seconds } from '#src/units.ts'; export const now = (): Seconds => 1;`,
      'src/accounts/account.ts': `import { now } from '#src/clock.ts'; export const account = { process: now, console: 1 };`,
      'src/accounts/password.ts': `import argon2 from 'argon2'; export const hash = argon2.hash;`,
      'src/interaction/step.ts': `import { account } from '#src/accounts/account.ts'; export const step = account.process;`,
      'src/interaction/routes.ts': `import Router from '@koa/router'; import '#src/interaction/step.ts'; import '#src/http/templates.ts';`,
      'src/http/templates.ts': `import pug from 'pug'; import type { Middleware } from 'koa'; export const a = 1;`,
      'src/storage/open-store.ts': `import 'node:sqlite'; import '#src/clock.ts';`,
      'src/oidc/provider.ts': `import Provider from 'oidc-provider'; import type { A } from 'only-for-types';`,
      'src/config/load.ts': `import { z } from 'zod'; export const env = process.env;`,
      'src/services.ts': `import '#src/storage/open-store.ts'; import '#src/accounts/account.ts';`,
      'src/server.ts': `import '#src/services.ts'; import '#src/oidc/provider.ts'; import '#src/interaction/routes.ts';`,
      'src/cli/serve.ts': `import { Command } from 'commander'; import '#src/server.ts'; import '#src/config/load.ts';`,
      'src/main.ts': `import '#src/cli/serve.ts'; process.exitCode = 0;`,
      'src/keyturn.js': `await import(new URL('./main.ts', import.meta.url).href); process.exit();`,
      'src/tokens/a.ts': `export { now } from '#src/clock.ts'; export const mimeTypes = 'process.env, console.log';`,
    });
    assert.deepEqual(report(tree), []);
  });

  test('names the place, the rule and its reason', () => {
    const [breach] = report(treeOf({ 'src/tokens/a.ts': `\n\nimport type { Hash } from 'argon2';` }));
    assert.match(
      breach ?? '',
      /^src\/tokens\/a\.ts:3 imports a type of argon2\n {4}rule: argon2 only in .+\n {4}why: {2}\S/,
    );
  });

  test('refuses a file that it cannot read', () => {
    assert.throws(() => parseSource('src/tokens/a.ts', 'import {'), SyntaxError);
  });
});

/** The rule over a library or a global, whose full name lists where it may be. */
function ruleAbout(name: string): string {
  return RULES.find((rule) => rule.name.split(/[, ]+/).includes(name))?.name ?? `about ${name}`;
}

function treeOf(files: Record<string, string>): SourceTree {
  return {
    files: Object.entries(files).map(([path, text]) => parseSource(path, text)),
    runtimePackages: ['@koa/router', 'argon2', 'commander', 'koa', 'oidc-provider', 'pug', 'zod'],
  };
}
