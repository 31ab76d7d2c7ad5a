import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { FinishedSpan } from '#src/tracing/span.ts';
import { Tracer } from '#src/tracing/tracer.ts';

const NOW = 1_784_024_130_000;

function newTracer(sampleRatio = 1) {
  const ended: FinishedSpan[] = [];
  const random = { bytes: randomBytes };
  return {
    ended,
    tracer: new Tracer({ sampleRatio, random, epochMs: () => NOW, onEnd: (span) => ended.push(span) }),
  };
}

describe('a tracer', () => {
  test('knows for what the running code works, however long it waits, and tells of it below that', async () => {
    const { tracer, ended } = newTracer();
    const roots = ['a', 'b'].map((name) => tracer.root(name, 'server'));
    await Promise.all(
      roots.map((root, index) =>
        tracer.within(root, async () => {
          await setImmediate();
          tracer.note({ name: `work ${index}`, kind: 'internal', ms: 2, failure: 'EIO' });
        }),
      ),
    );
    assert.equal(tracer.current, null);
    assert.deepEqual(
      ended.map(({ name, context, parentSpanId, failed }) => [name, context.traceId, parentSpanId, failed]),
      roots.map(({ context }, index) => [`work ${index}`, context.traceId, context.spanId, true]),
    );
    for (const { startedAt, endedAt } of ended) assert.ok(Math.abs(endedAt - startedAt - 2) < 0.01);
  });

  test('tells under no name of what goes on when a request has been answered', async () => {
    const { tracer, ended } = newTracer();
    const root = tracer.root('a', 'server');
    await tracer.within(root, async () => {
      await setImmediate();
      root.end();
      await setImmediate();
      assert.equal(tracer.current, null);
      tracer.note({ name: 'afterwards', kind: 'internal', ms: 1 });
    });
    root.end();
    assert.deepEqual(
      ended.map(({ name }) => name),
      ['a'],
    );
  });

  test('records so large a part of the traces as it is told, and of those that it follows what is recorded elsewhere', () => {
    for (const [ratio, least, most] of [
      [0, 0, 0],
      [1, 1, 1],
      [0.25, 0.2, 0.3],
    ] as const) {
      const { tracer } = newTracer(ratio);
      const roots = Array.from({ length: 10_000 }, () => tracer.root('a', 'server'));
      const part = roots.filter(({ recorded }) => recorded).length / roots.length;
      assert.ok(part >= least && part <= most, `${ratio}: ${part}`);
      for (const sampled of [true, false]) {
        const follows = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), sampled, state: null };
        assert.equal(tracer.root('a', 'server', { follows }).recorded, sampled);
      }
    }
  });

  test('tells whoever is called of a trace that is not recorded that it is not', () => {
    const { tracer, ended } = newTracer(0);
    const root = tracer.root('a', 'server');
    tracer.within(root, () => {
      const call = tracer.child('GET', 'client');
      assert.equal(call.context.traceId, root.context.traceId);
      assert.equal(call.context.sampled, false);
      call.end();
    });
    root.end();
    assert.deepEqual(ended, []);
  });

  test('tells no more of one request than there is room for', () => {
    const { tracer, ended } = newTracer();
    const root = tracer.root('a', 'server');
    tracer.within(root, () => {
      for (let work = 0; work < 1000; work += 1) tracer.note({ name: 'work', kind: 'internal', ms: 0 });
    });
    root.end();
    assert.equal(ended.length, 257);
    assert.equal(ended.at(-1)?.name, 'a');
  });

  test('gives each span another id, and has its times by the clock', () => {
    const { tracer, ended } = newTracer();
    for (let span = 0; span < 1000; span += 1) tracer.root('a', 'internal').end();
    assert.equal(new Set(ended.map(({ context }) => context.spanId)).size, 1000);
    assert.equal(new Set(ended.map(({ context }) => context.traceId)).size, 1000);
    for (const { context, startedAt, endedAt } of ended) {
      assert.match(`${context.traceId} ${context.spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
      assert.ok(Math.abs(startedAt - NOW) < 0.01 && endedAt >= startedAt);
    }
  });
});
