import assert from 'node:assert/strict';
import { appendFile, cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PAGE_NAMES } from '#src/http/page-names.ts';
import { loadTemplates } from '#src/http/templates.ts';
import { VIEWS } from '#test/support/templates.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** Templates of one's own, to be changed. */
async function folders() {
  const { path, ...directory } = await makeTemporaryDirectory();
  const views = join(path, 'views');
  await cp(VIEWS, views, { recursive: true });
  for (const page of PAGE_NAMES) await writeFile(join(views, `${page}.pug`), `p.${page}= word\n`);
  return { views, compiled: join(path, 'a', 'compiled'), ...directory };
}

test('templates are compiled once, and the next start finds them', async () => {
  await using own = await folders();
  const first = await loadTemplates(own);
  assert.equal(first.consent({ word: '<a>' }), '<p class="consent">&lt;a&gt;</p>');
  const [file = '', ...others] = await readdir(own.compiled);
  assert.deepEqual(others, []);
  await writeFile(join(own.compiled, file), '({ consent: () => "found" })');
  assert.equal((await loadTemplates(own)).consent({}), 'found');
});

test('a template that was changed is compiled anew', async () => {
  await using own = await folders();
  await loadTemplates(own);
  await appendFile(join(own.views, 'consent.pug'), 'p more\n');
  assert.equal((await loadTemplates(own)).consent({ word: 1 }), '<p class="consent">1</p><p>more</p>');
  await loadTemplates(own);
  assert.equal((await readdir(own.compiled)).length, 2);
});

test('what is kept but cannot be read is as if it were not there', async () => {
  await using own = await folders();
  await loadTemplates(own);
  const [file = ''] = await readdir(own.compiled);
  await writeFile(join(own.compiled, file), '({');
  assert.equal((await loadTemplates(own)).error({ word: 1 }), '<p class="error">1</p>');
});

test('where nothing can be kept, there are templates all the same', async () => {
  await using own = await folders();
  await writeFile(join(own.views, '..', 'a'), 'no folder');
  assert.equal((await loadTemplates(own)).error({ word: 1 }), '<p class="error">1</p>');
});

test('a broken template is told of, and kept nowhere', async () => {
  await using own = await folders();
  await writeFile(join(own.views, 'consent.pug'), 'p(');
  await assert.rejects(loadTemplates(own), /consent\.pug/);
  await assert.rejects(readdir(own.compiled), { code: 'ENOENT' });
});
