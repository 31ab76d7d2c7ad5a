import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inSvg } from '#test/bench/report/chart.ts';
import type { BenchDocument, CaseResult } from '#test/bench/report/document.ts';
import { inText } from '#test/bench/report/table.ts';

const result = (more: Partial<CaseResult>): CaseResult => ({
  name: 'jwks',
  about: 'keys & more',
  store: 'sqlite',
  ratio: 4,
  against: 'bare',
  target: 3,
  met: true,
  perCpuSecond: 40_000,
  perSecond: 30_000,
  p50Ms: 1,
  p99Ms: 2,
  storeShare: 0,
  turnedAway: 0,
  rounds: 3,
  bare: {
    ratio: 4,
    perCpuSecond: 10_000,
    p50Ms: 2,
    p99Ms: 8,
    p99Ratio: 0.25,
    p99Target: 0.4,
    p99Met: true,
  },
  ...more,
});

const document: BenchDocument = {
  measuredAt: '2026-11-23T00:00:00.000Z',
  machine: { processor: 'Some <processor>', cores: 2, node: 'v24.0.0', pinned: 'nothing is pinned' },
  connections: 32,
  rounds: 3,
  runMs: 500,
  cases: [
    result({}),
    result({ store: 'redis', ratio: 0.6, against: 'sqlite', target: 0.7, met: false, storeShare: 0.04 }),
    result({ name: 'token-exchange', ratio: null, target: null, met: null, bare: null }),
  ],
  start: [],
  memory: [],
  passwords: [],
  limits: [],
};

describe('what was measured', () => {
  test('is drawn next to the bare library, with the target, and without what has nothing beside it', () => {
    const svg = inSvg(document);
    assert.equal(svg.match(/<rect class="(?:sqlite|redis)"[^>]*><title>/g)?.length, 2);
    assert.equal(svg.match(/<line class="target"/g)?.length, 2, 'one in the legend, one at the case');
    assert.ok(!svg.includes('token-exchange'));
    assert.ok(svg.includes('Some &lt;processor&gt;') && svg.includes('keys &amp; more'));
  });

  test('stands in a table, a row for each case and store, that says what has been missed', () => {
    const lines = inText(document).split('\n');
    const row = (begin: RegExp) => lines.find((line) => begin.test(line)) ?? '';
    assert.match(row(/^jwks +sqlite/), /40,000 +10,000 +4\.00 +3 +met +1\.0 +2\.0 +8\.0 +0\.25 met +-$/);
    assert.match(row(/^jwks +redis/), /0\.60 of sqlite +0\.7 +MISSED .* 4 %$/);
    assert.match(row(/^token-exchange/), /40,000 +- +- +- +1\.0/);
  });
});
