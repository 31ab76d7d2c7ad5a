import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Recent } from '#src/recent.ts';

describe('a memory of what was used most recently', () => {
  test('forgets what was used longest ago, and no more than it must', () => {
    const recent = new Recent<string, number>(2);
    recent.set('a', 1);
    recent.set('b', 2);
    assert.equal(recent.get('a'), 1);
    recent.set('c', 3);
    assert.equal(recent.get('b'), undefined);
    assert.equal(recent.get('a'), 1);
    assert.equal(recent.get('c'), 3);
  });

  test('holds the newest value of a key, once', () => {
    const recent = new Recent<string, number>(2);
    recent.set('a', 1);
    recent.set('a', 2);
    recent.set('b', 3);
    assert.equal(recent.get('a'), 2);
    assert.equal(recent.get('b'), 3);
  });
});
