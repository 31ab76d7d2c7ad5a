import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertHeldBy } from '#test/docs/has-test.ts';
import { readPage } from '#test/docs/markdown.ts';

test('every guarantee names a test that there is', () => {
  const rows = readPage('docs/guarantees.md').rows.filter(([what]) => what !== 'what');
  assert.ok(rows.length > 30);
  for (const [what = '', heldBy = ''] of rows) assertHeldBy(heldBy, what);
});
