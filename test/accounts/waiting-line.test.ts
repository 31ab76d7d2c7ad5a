import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WaitingLine } from '#src/accounts/waiting-line.ts';
import { Refusal } from '#src/fault.ts';
import { seconds } from '#src/units.ts';

const isOverloaded = (error: unknown) => error instanceof Refusal && error.code === 'overloaded';

/** A task that ends when told to, and notes that it has begun. */
function makeTask(began: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<string>();
  return {
    finish: () => resolve(name),
    run: () => {
      began.push(name);
      return promise;
    },
  };
}

describe('a waiting line', () => {
  test('runs as many tasks at once as it may, and the others in the order they came', async () => {
    const line = new WaitingLine({ concurrency: 2, queueMax: 10, waitMax: seconds(60) });
    const began: string[] = [];
    const [a, b, c, d] = [
      makeTask(began, 'a'),
      makeTask(began, 'b'),
      makeTask(began, 'c'),
      makeTask(began, 'd'),
    ];
    const results = [a, b, c, d].map((task) => line.whenFree(task.run));
    assert.deepEqual(began, ['a', 'b']);
    b.finish();
    assert.equal(await results[1], 'b');
    assert.deepEqual(began, ['a', 'b', 'c']);
    for (const task of [a, c, d]) task.finish();
    assert.deepEqual(await Promise.all(results), ['a', 'b', 'c', 'd']);
    assert.deepEqual(began, ['a', 'b', 'c', 'd']);
  });

  test('turns away at once whoever finds it full', async () => {
    const line = new WaitingLine({ concurrency: 1, queueMax: 1, waitMax: seconds(60) });
    const began: string[] = [];
    const [running, waiting, late] = [
      makeTask(began, 'running'),
      makeTask(began, 'waiting'),
      makeTask(began, 'late'),
    ];
    const first = line.whenFree(running.run);
    const second = line.whenFree(waiting.run);
    await assert.rejects(line.whenFree(late.run), isOverloaded);
    running.finish();
    waiting.finish();
    await Promise.all([first, second]);
    assert.deepEqual(began, ['running', 'waiting']);
  });

  test('turns away whoever has waited too long, and goes on with the next', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const line = new WaitingLine({ concurrency: 1, queueMax: 5, waitMax: seconds(5) });
    const began: string[] = [];
    const [running, tired, fresh] = [
      makeTask(began, 'running'),
      makeTask(began, 'tired'),
      makeTask(began, 'fresh'),
    ];
    const first = line.whenFree(running.run);
    const second = line.whenFree(tired.run);
    t.mock.timers.tick(4_999);
    const third = line.whenFree(fresh.run);
    t.mock.timers.tick(1);
    await assert.rejects(second, isOverloaded);
    running.finish();
    fresh.finish();
    await Promise.all([first, third]);
    assert.deepEqual(began, ['running', 'fresh']);
  });

  test('goes on after a task that fails', async () => {
    const line = new WaitingLine({ concurrency: 1, queueMax: 5, waitMax: seconds(60) });
    const failing = line.whenFree(() => Promise.reject(new Error('out of memory')));
    const next = line.whenFree(() => Promise.resolve('done'));
    await assert.rejects(failing, /out of memory/);
    assert.equal(await next, 'done');
    assert.equal(await line.whenFree(() => Promise.resolve('again')), 'again');
  });
});
