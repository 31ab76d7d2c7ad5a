import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '#test/support/free-port.ts';
import { exchange, rawRequest } from '#test/support/raw-http.ts';
import { startKeyturn } from '#test/support/running-server.ts';
import { workersOf } from '#test/support/worker-processes.ts';

const REQUESTS = 40;

test('what two workers have measured is told at one port, whoever served what, and no count falls when one is killed or replaced', async () => {
  const port = await freePort();
  const env = {
    KEYTURN_WORKERS: '2',
    KEYTURN_METRICS_PORT: String(port),
    KEYTURN_HTTP_KEEP_ALIVE_TIMEOUT: '1s',
  };
  await using keyturn = await startKeyturn({ env });
  const scrape = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  /** Scrapes until the sum of what matches is as expected; the test times out if it never is. */
  const until = async (series: RegExp, expected: number) => {
    for (;;) {
      const text = await scrape();
      if (sumOf(text, series) === expected) return text;
      await setTimeout(50);
    }
  };

  const connections = Array.from({ length: REQUESTS }, () =>
    exchange(keyturn.issuer, rawRequest('GET /jwks')),
  );
  for (const [answer] of await Promise.all(connections)) assert.equal(answer?.status, 200);
  const served = /^keyturn_http_request_duration_seconds_count\{worker="[12]",endpoint="jwks",status="2xx"\}/;
  const text = await until(served, REQUESTS);
  assert.equal(sumOf(text, /^keyturn_worker_up\{worker="[12]"\}/), 2);
  const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assert.deepEqual(families, [...new Set(families)]);
  for (const worker of [1, 2])
    assert.match(text, new RegExp(`^process_resident_memory_bytes\\{worker="${worker}"\\} `, 'm'));

  const [first] = await workersOf(keyturn.pid);
  process.kill(first as number, 'SIGKILL');
  await until(/^keyturn_worker_crashes_total /, 1);
  await until(/^keyturn_worker_up\{worker="[12]"\}/, 2);
  assert.equal(sumOf(await scrape(), served), REQUESTS, 'what the killed worker had told is gone');

  // What nobody has scraped is told by the workers that end.
  for (let request = 0; request < REQUESTS; request += 1)
    assert.equal((await exchange(keyturn.issuer, rawRequest('GET /jwks')))[0]?.status, 200);
  process.kill(keyturn.pid, 'SIGHUP');
  await keyturn.printed(/"msg":"all workers have been replaced"/);
  const replaced = await until(/^keyturn_workers_leaving /, 0);
  assert.equal(sumOf(replaced, served), 2 * REQUESTS);
  assert.equal(sumOf(replaced, /^keyturn_worker_up\{/), 2);
  assert.equal(sumOf(replaced, /^keyturn_build_info\{/), 2);
});

function sumOf(text: string, series: RegExp): number {
  const values = text
    .split('\n')
    .filter((line) => series.test(line))
    .map((line) => Number(line.split(' ').at(-1)));
  return values.reduce((sum, value) => sum + value, 0);
}
