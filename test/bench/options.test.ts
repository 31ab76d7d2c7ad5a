import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readOptions, UsageError } from '#test/bench/options.ts';

describe('the options of the benchmark', () => {
  test('are for a thorough run unless it is to be quick', () => {
    const thorough = readOptions([]);
    const quick = readOptions(['--quick']);
    assert.ok(thorough !== 'help' && quick !== 'help');
    assert.deepEqual(thorough.stores, ['sqlite', 'redis']);
    assert.deepEqual(thorough.only, []);
    assert.ok(quick.runMs * quick.rounds + quick.warmUpMs < thorough.runMs * thorough.rounds);
    assert.ok(quick.casesMaxMs < 4 * 60_000 && quick.casesMaxMs < thorough.casesMaxMs);
  });

  test('say which cases, on which store, how often and how long', () => {
    const read = readOptions(
      ['--only=jwks', '--only=refresh', '--store=redis', '--rounds=2', '--run=1m', '--warm-up=50ms'].concat(
        '--connections=8',
        '--at-most=30s',
      ),
    );
    assert.ok(read !== 'help');
    const { only, stores, rounds, runMs, warmUpMs, connections, casesMaxMs } = read;
    assert.deepEqual([only, stores], [['jwks', 'refresh'], ['redis']]);
    assert.deepEqual([rounds, runMs, warmUpMs, connections, casesMaxMs], [2, 60_000, 50, 8, 30_000]);
  });

  test('say what else is measured, one thing at a time', () => {
    const modeOf = (...args: string[]) => {
      const read = readOptions(args);
      return read === 'help' ? null : read.mode;
    };
    assert.deepEqual(modeOf(), { is: 'cases' });
    assert.deepEqual(modeOf('--scaling'), { is: 'scaling' });
    assert.deepEqual(modeOf('--big', '1000'), { is: 'big', tokens: 1000 });
    assert.deepEqual(modeOf('--soak', '10m'), { is: 'soak', forMs: 600_000 });
    assert.throws(() => modeOf('--scaling', '--soak', '1m'), UsageError);
  });

  test('that are not understood are refused, each by name', () => {
    const refused = {
      '--only=x': 'x',
      '--store=tape': 'tape',
      '--rounds=0': '--rounds',
      '--run=soon': '--run',
      '--big=all': '--big',
    };
    for (const [option, told] of Object.entries({ ...refused, '--fast': '--fast', further: 'further' }))
      assert.throws(
        () => readOptions([option]),
        (problem) => problem instanceof UsageError && problem.message.includes(told),
      );
  });
});
