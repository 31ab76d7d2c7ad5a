import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GatheredReads } from '#src/storage/redis/gathered-reads.ts';

/** Reads that are answered with what they were asked for, in capitals. */
function capitals() {
  const questions: string[][] = [];
  const reads = new GatheredReads(async (names) => {
    const asked = names.map((name) => name.toString());
    questions.push(asked);
    if (asked.includes('fault')) throw new Error('the store is away');
    return asked.map((name) => name.toUpperCase());
  });
  return { questions, one: (name: string) => reads.one(Buffer.from(name)) };
}

describe('reads that are gathered', () => {
  test('are one question for a turn of the event loop, and each has its own answer', async () => {
    const { questions, one } = capitals();
    const afterOthers = Promise.resolve().then(() => one('c'));
    assert.deepEqual(await Promise.all([one('a'), one('b'), one('a'), afterOthers]), ['A', 'B', 'A', 'C']);
    assert.deepEqual(questions, [['a', 'b', 'a', 'c']]);
    assert.equal(await one('d'), 'D');
    assert.equal(questions.length, 2);
  });

  test('fail together, and nobody after them', async () => {
    const { one } = capitals();
    const outcomes = await Promise.allSettled([one('a'), one('fault')]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await one('b'), 'B');
  });

  test('are several questions where they are many', async () => {
    const { questions, one } = capitals();
    const names = Array.from({ length: 300 }, (_, number) => `name ${number}`);
    assert.deepEqual(
      await Promise.all(names.map(one)),
      names.map((name) => name.toUpperCase()),
    );
    assert.deepEqual(
      questions.map(({ length }) => length),
      [128, 128, 44],
    );
  });
});
