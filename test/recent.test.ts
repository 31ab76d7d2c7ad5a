import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Recent } from '#src/recent.ts';

const MAX = 10;

const filled = (keys: readonly number[]) => {
  const recent = new Recent<number, string>(MAX);
  for (const key of keys) recent.set(key, `value ${key}`);
  return recent;
};

const upTo = (count: number) => Array.from({ length: count }, (_, key) => key);

describe('a memory of what was used recently', () => {
  test('holds at least the half of its size that was used last, and never more than its size', () => {
    for (let count = 1; count <= MAX * 3; count += 1) {
      const recent = filled(upTo(count));
      assert.ok(recent.size <= MAX);
      for (const key of upTo(count).slice(-MAX / 2)) assert.equal(recent.get(key), `value ${key}`);
    }
  });

  test('forgets what was used longest ago', () => {
    assert.equal(filled(upTo(MAX * 2)).get(0), undefined);
  });

  test('may hold a single thing', () => {
    const recent = new Recent<number, string>(1);
    for (const key of upTo(3)) {
      recent.set(key, 'the only one');
      assert.equal(recent.get(key), 'the only one');
      assert.equal(recent.size, 1);
    }
  });

  test('counts it as used that something is asked for', () => {
    const recent = filled([0]);
    for (const key of upTo(MAX * 3)) {
      recent.set(key + 1, 'another');
      assert.equal(recent.get(0), 'value 0');
    }
  });

  test('holds the newest value of a key, once', () => {
    const recent = filled(upTo(MAX / 2));
    for (const key of upTo(MAX / 2)) recent.set(key, 'newer');
    assert.equal(recent.size, MAX / 2);
    assert.equal(recent.get(0), 'newer');
    recent.set(MAX, 'one more');
    recent.set(0, 'newest');
    assert.equal(recent.get(0), 'newest');
    assert.equal(recent.size, MAX / 2 + 1);
  });

  test('forgets what it is told to', () => {
    const recent = filled(upTo(MAX));
    recent.delete(0);
    recent.delete(MAX - 1);
    assert.equal(recent.get(0), undefined);
    assert.equal(recent.get(MAX - 1), undefined);
    assert.equal(recent.get(1), 'value 1');
    recent.clear();
    assert.equal(recent.size, 0);
    assert.equal(recent.get(1), undefined);
  });
});
