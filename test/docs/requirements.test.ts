import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertHeldBy } from '#test/docs/has-test.ts';
import { readPage } from '#test/docs/markdown.ts';

const PAGE = 'test/flows/README.md';

describe(PAGE, () => {
  test('names for every requirement a test that there is', () => {
    const rows = readPage(PAGE).rows.filter(([section]) => section !== 'section');
    assert.ok(rows.length > 400);
    for (const [section = '', requirement = '', heldBy = '', ...more] of rows) {
      assert.deepEqual(more, [], requirement);
      assertHeldBy(heldBy, `${section} ${requirement}`);
    }
  });

  test('says each thing of a specification once', () => {
    for (const specification of readPage(PAGE).text.split(/^## /m)) {
      const said = [...specification.matchAll(/^\| (?!section)(.+) \| `test/gm)].map(([, row]) => row);
      assert.equal(new Set(said).size, said.length, specification.split('\n', 1)[0]);
    }
  });
});
