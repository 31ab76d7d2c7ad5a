import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BenchDocument } from '#test/bench/report/document.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

const bench = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

describe('npm run bench', () => {
  test('measures a case on a real server beside the bare library, and prints one JSON document', () => {
    const shortest = ['--quick', '--rounds', '1', '--run', '20ms', '--warm-up', '1ms', '--connections', '2'];
    const { stdout, stderr, status } = bench('--json', '--only', 'refresh', '--store', 'sqlite', ...shortest);
    assert.equal(status, 0, stderr);
    const { cases, machine, memory, start }: BenchDocument = JSON.parse(stdout);
    assert.deepEqual(
      cases.map(({ name, store, target }) => [name, store, target]),
      [
        ['refresh-rotation', 'sqlite', 0.8],
        ['refresh-rotation-both', 'sqlite', null],
        ['refresh-rotation-openid', 'sqlite', null],
      ],
    );
    for (const { ratio, perCpuSecond, p50Ms, p99Ms, met, target } of cases) {
      for (const figure of [ratio, perCpuSecond, p50Ms, p99Ms]) assert.ok(Number(figure) > 0, stdout);
      assert.equal(met, target === null ? null : Number(ratio) >= target);
    }
    assert.equal(machine.node, process.version);
    assert.equal(start[0]?.store, 'sqlite');
    assert.deepEqual(
      memory.map(({ program }) => program),
      ['keyturn', 'bare'],
    );
  });

  test('ends with 2 at what it does not understand, and says how it is used', () => {
    const { status, stdout, stderr } = bench('--only', 'nothing');
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^bench: there is no case "nothing"\n.*--only NAME/s);
  });
});
