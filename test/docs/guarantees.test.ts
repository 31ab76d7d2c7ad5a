import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, readPage } from '#test/docs/markdown.ts';

const HELD_BY = /^`(test\/\S+)`(?:: (.+))?$/;

test('every guarantee names a test that there is', () => {
  const rows = readPage('docs/guarantees.md').rows.filter(([what]) => what !== 'what');
  assert.ok(rows.length > 30);
  for (const [what, heldBy = ''] of rows) {
    const [, path = '', name] = HELD_BY.exec(heldBy) ?? [];
    assert.ok(existsSync(join(ROOT, path)), `${what}: ${heldBy}`);
    if (name !== undefined) assert.ok(hasTest(path, name), `${path} has no test "${name}"`);
  }
});

/** Whether a file has a test of this name. A name with `${…}` in it fits whatever may stand there. */
function hasTest(path: string, name: string): boolean {
  const source = readFileSync(join(ROOT, path), 'utf8');
  return [...source.matchAll(/\btest\(\s*(['"`])(.+?)\1,/gs)].some(([, , found = '']) =>
    new RegExp(`^${patternOf(found)}$`).test(name),
  );
}

function patternOf(name: string): string {
  return name
    .split(/\$\{.*?\}/)
    .map((part) => RegExp.escape(part))
    .join('.+');
}
