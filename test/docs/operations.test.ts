import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage } from '#test/docs/markdown.ts';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';

const page = readPage('docs/operations.md');

test('the metrics of the page are those of a server, all of its own', async () => {
  const port = await freePort();
  await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const measured = [...text.matchAll(/^# TYPE (keyturn_\S+)/gm)].map(([, name]) => name);
  const told = page.rows.flatMap(([first = '']) => /^`(keyturn_\w+)`$/.exec(first)?.[1] ?? []);
  assert.deepEqual(told.toSorted(), measured.toSorted());
});
