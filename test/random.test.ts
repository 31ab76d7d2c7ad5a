import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newCredential, newIdentifier, PooledRandom } from '#src/random.ts';

describe('random bytes that are drawn in advance', () => {
  test('are as many as were asked for, also where a draw comes to its end or is too small', () => {
    const random = new PooledRandom();
    for (const count of [0, 1, 16, 64, 65, 4096, 10_000]) {
      for (let time = 0; time < 300; time += 1) assert.equal(random.bytes(count).length, count);
    }
  });

  test('are never given to two, and never blank', () => {
    const random = new PooledRandom();
    const drawn = Array.from({ length: 5000 }, () => random.bytes(16).toString('hex'));
    assert.equal(new Set(drawn).size, drawn.length);
    assert.ok(!drawn.includes(Buffer.alloc(16).toString('hex')));
  });

  test('stay what they were when more is drawn', () => {
    const random = new PooledRandom();
    const first = random.bytes(32);
    const before = first.toString('hex');
    for (let time = 0; time < 1000; time += 1) random.bytes(32);
    assert.equal(first.toString('hex'), before);
  });

  test('make identifiers of 128 bits and secrets of 256', () => {
    const random = new PooledRandom();
    assert.equal(Buffer.from(newIdentifier(random), 'base64url').length, 16);
    const text = newCredential(random, 'keyturn_cs_').slice('keyturn_cs_'.length);
    assert.equal(Buffer.from(text, 'base64url').length, 32);
  });
});
