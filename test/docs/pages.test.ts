import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { SETTINGS } from '#src/config/catalogue.ts';
import { CONFIG_VARIABLE } from '#src/config/environment.ts';
import { loadConfig } from '#src/config/load.ts';
import { everyPage, type Page, ROOT, readPage } from '#test/docs/markdown.ts';

const pages = everyPage();
const fileText = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('the documentation', () => {
  test('is there', () => {
    const paths = pages.map(({ path }) => path);
    for (const path of ['README.md', 'docs/client-developers.md', 'src/README.md', 'keys/README.md']) {
      assert.ok(paths.includes(path), `${path} is among ${paths.join(' ')}`);
    }
  });

  test('has no link that leads nowhere', () => {
    const broken = pages.flatMap((page) =>
      page.links.filter((link) => !leadsSomewhere(page, link)).map((link) => `${page.path}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  test('shows its examples as they are in their files', () => {
    const embedded = pages.flatMap(({ fences }) => fences.filter(({ embeds }) => embeds !== null));
    assert.ok(embedded.length >= 5);
    for (const { embeds, code } of embedded) {
      assert.equal(code, fileText(embeds ?? ''), `copy ${embeds} into the page`);
    }
  });

  test('names only scripts of npm that there are', () => {
    const { scripts } = JSON.parse(fileText('package.json'));
    for (const { path, text } of pages) {
      for (const [, run, start] of text.matchAll(
        /\bnpm (?:run (?:-s |--silent )?([\w:-]+)|(start|test)\b)/g,
      )) {
        const name = run ?? start ?? '';
        assert.ok(name in scripts, `${path}: npm run ${name}`);
      }
    }
  });

  test('names for the tests the packages that the continuous integration installs', () => {
    const [, listed = ''] = /^for program in (.*); do$/m.exec(fileText('.ci/run')) ?? [];
    const [, installed = ''] = /^apt-get install -y (.*)$/m.exec(readPage('README.md').text) ?? [];
    assert.ok(listed !== '' && installed !== '');
    assert.deepEqual(installed.split(' '), listed.split(' '));
  });
});

describe('settings in the documentation', () => {
  const variables = new Set([
    CONFIG_VARIABLE,
    ...SETTINGS.flatMap(({ variable, about }) =>
      about.secret ? [variable, `${variable}_FILE`] : [variable],
    ),
  ]);

  test('are settings that there are', () => {
    const names = new Set(SETTINGS.map(({ name }) => name));
    const groups = new Set([...names].filter((name) => name.includes('.')).map((name) => name.split('.')[0]));
    for (const { path, text, inlineCode } of pages) {
      for (const [variable] of text.matchAll(/\bKEYTURN_[A-Z][A-Z_]*[A-Z]\b/g)) {
        assert.ok(variables.has(variable) || OF_KUBERNETES.has(variable), `${path}: ${variable}`);
      }
      for (const code of inlineCode) {
        const [group = ''] = /^\w+(?=\.\w+$)/.exec(code) ?? [];
        assert.ok(!groups.has(group) || names.has(code) || OF_OPENTELEMETRY.has(code), `${path}: ${code}`);
      }
    }
  });

  test('have values that the server accepts', () => {
    let checked = 0;
    for (const { path, fences } of pages) {
      for (const { code } of fences) {
        const given = [...code.matchAll(/\b(KEYTURN_[A-Z_]+[A-Z])(?:=|: )([^\s…]+)(?=\s)/g)]
          .map(([, variable = '', value = '']) => [variable, value] as const)
          .filter(([variable]) => !variable.endsWith('_FILE') && variables.has(variable));
        checked += given.length;
        assert.doesNotThrow(() => loadConfig({ env: Object.fromEntries(given) }), path);
      }
    }
    assert.ok(checked > 5);
  });

  test('in files for the server are accepted by it, and every other YAML is well-formed', () => {
    for (const { path, fences } of pages) {
      for (const { code } of fences.filter(({ language }) => language === 'yaml')) {
        const document = parseYaml(code);
        if (!('issuer' in document)) continue;
        assert.doesNotThrow(() => loadConfig({ file: 'keyturn.yaml', env: {}, readFile: () => code }), path);
      }
    }
  });
});

/** Attributes of spans that are called like settings. */
const OF_OPENTELEMETRY = new Set(['http.route']);

/** What Kubernetes puts into containers beside a service that is called `keyturn`. */
const OF_KUBERNETES = new Set(['KEYTURN_SERVICE_HOST']);

function leadsSomewhere(from: Page, link: string): boolean {
  if (/^(https?|mailto):/.test(link)) return URL.canParse(link);
  const [file = '', anchor] = link.split('#');
  const path = file === '' ? from.path : normalize(join(dirname(from.path), file));
  if (!existsSync(join(ROOT, path))) return false;
  if (anchor === undefined) return true;
  return path.endsWith('.md') && readPage(path).anchors.has(anchor);
}
