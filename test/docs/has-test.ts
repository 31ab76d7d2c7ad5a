import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '#test/docs/markdown.ts';

/** Fails unless what a table says in its last column is there: `` `test/a.test.ts` ``, and after a colon the test. */
export function assertHeldBy(heldBy: string, what: string): void {
  const [, path = '', name] = HELD_BY.exec(heldBy) ?? [];
  assert.ok(path !== '' && existsSync(join(ROOT, path)), `${what}: ${heldBy}`);
  if (name !== undefined) assert.ok(hasTest(path, name), `${what}: ${path} has no test "${name}"`);
}

const HELD_BY = /^`(test\/\S+)`(?:: (.+))?$/;

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
