import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Rates } from '#src/cli/top/rates.ts';
import { readSamples } from '#src/cli/top/samples.ts';

/** Two samples, ten seconds apart. */
const between = (before: string, now: string) =>
  new Rates(readSamples(before, 1000), readSamples(now, 11_000));

describe('what has come to a counter', () => {
  test('is told by the second, by the values of the labels that are asked for, the most first', () => {
    const before = 'tokens{grant="a",worker="1"} 5\ntokens{grant="a",worker="2"} 0\n';
    const now =
      'tokens{worker="1",grant="a"} 15\ntokens{grant="a",worker="2"} 20\ntokens{grant="b",worker="2"} 50\n';
    assert.deepEqual(between(before, now).perSecond('tokens', ['grant']), [
      { key: ['b'], rate: 5 },
      { key: ['a'], rate: 3 },
    ]);
    assert.equal(between(before, now).total('tokens'), 8);
  });

  test('is all that it is at where it has begun anew', () => {
    assert.equal(between('tokens 100\n', 'tokens 30\n').total('tokens'), 3);
  });

  test('is nothing where nothing came, and where there is no such counter', () => {
    assert.deepEqual(between('tokens 4\n', 'tokens 4\n').perSecond('tokens', []), []);
    assert.equal(between('', '').total('tokens'), 0);
  });
});

describe('a quantile', () => {
  const histogram = (...counts: readonly [number, number, number]) =>
    counts
      .map((count, index) => `took_bucket{le="${['0.1', '1', '+Inf'][index]}",at="x"} ${count}`)
      .join('\n');

  test('is estimated within its bucket, as Prometheus does', () => {
    const rates = between(histogram(0, 0, 0), histogram(10, 20, 20));
    assert.equal(rates.quantile('took', 0.25), 0.05);
    assert.equal(rates.quantile('took', 0.5), 0.1);
    assert.ok(Math.abs((rates.quantile('took', 0.75) ?? 0) - 0.55) < 1e-9);
  });

  test('is the highest bound where what was counted is above all', () => {
    assert.equal(between(histogram(0, 0, 0), histogram(0, 0, 7)).quantile('took', 0.5), 1);
  });

  test('goes by what came since, and of what is asked for', () => {
    const rates = between(histogram(100, 100, 100), histogram(100, 110, 110));
    assert.ok((rates.quantile('took', 0.5) ?? 0) > 0.1);
    assert.equal(rates.quantile('took', 0.5, { at: 'y' }), null);
    assert.equal(between(histogram(1, 1, 1), histogram(1, 1, 1)).quantile('took', 0.5), null);
  });
});

test('samples are read with labels that hold quotes, commas and braces, and without what is no sample', () => {
  const text = '# HELP a says\na{name="x\\"y,}\\\\",b="\\n"} 1.5e3\nnot a sample\n\nplain NaN\nmost +Inf\n';
  const samples = readSamples(text, 0);
  assert.deepEqual(samples.of('a'), [{ labels: { name: 'x"y,}\\', b: '\n' }, value: 1500 }]);
  assert.ok(Number.isNaN(samples.of('plain')[0]?.value));
  assert.equal(samples.of('most')[0]?.value, Number.POSITIVE_INFINITY);
  assert.deepEqual(samples.of('missing'), []);
});
