import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineExposition } from '#src/metrics/machine-exposition.ts';
import { readPage } from '#test/docs/markdown.ts';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';

const page = readPage('docs/operations.md');

/** What a server measures, as one of several workers. */
async function scraped(): Promise<string> {
  const port = await freePort();
  await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return machineExposition({ workers: [{ place: 1, text }], crashes: 0 });
}

test('the metrics of the page are those of a server, all of its own', async () => {
  const measured = [...(await scraped()).matchAll(/^# TYPE (keyturn_\S+)/gm)].map(([, name]) => name);
  const told = page.rows.flatMap(([first = '']) => /^`(keyturn_\w+)`$/.exec(first)?.[1] ?? []);
  assert.deepEqual(told.toSorted(), measured.toSorted());
});
