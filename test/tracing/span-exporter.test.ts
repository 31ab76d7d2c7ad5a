import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { FinishedSpan } from '#src/tracing/span.ts';
import { SpanExporter, type SpanExporterOptions } from '#src/tracing/span-exporter.ts';
import { minutes, seconds } from '#src/units.ts';
import { spansIn } from '#test/support/collector.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Receiver, startReceiver } from '#test/support/receiver.ts';
import { until, within } from '#test/support/until.ts';

const span = (name: string): FinishedSpan => ({
  context: {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    sampled: true,
    state: null,
  },
  parentSpanId: null,
  link: null,
  name,
  kind: 'internal',
  startedAt: 1_784_024_130_000.25,
  endedAt: 1_784_024_130_001.5,
  attributes: new Map<string, string | number | boolean>([
    ['text', 'a'],
    ['whole', 3],
    ['part', 0.5],
    ['flag', true],
  ]),
  failed: false,
});

describe('the exporter of spans', () => {
  let collector: Receiver;
  let exporter: SpanExporter;
  let told: string[];

  beforeEach(async () => {
    collector = await startReceiver();
    told = [];
  });
  afterEach(async () => {
    await exporter[Symbol.asyncDispose]();
    await collector[Symbol.asyncDispose]();
  });

  function open(options: Partial<SpanExporterOptions> = {}): SpanExporter {
    exporter = new SpanExporter({
      url: `${collector.origin}/v1/traces`,
      headers: [],
      resource: new Map([['service.name', 'test']]),
      every: minutes(1),
      batchMax: 2,
      queueMax: 4,
      timeout: seconds(5),
      onAway: () => told.push('away'),
      onBack: () => told.push('back'),
      ...options,
    });
    return exporter;
  }

  const add = (...names: readonly string[]) => {
    for (const name of names) exporter.add(span(name));
  };
  const taken = () => collector.received.map(({ body }) => spansIn(body).map(({ name }) => name));
  const answering = (status: number, body = '', headers: Record<string, string> = {}) =>
    collector.answer((response) => response.writeHead(status, headers).end(body));

  test('sends a batch as soon as it is full, and what is left at its end', async () => {
    open();
    add('a', 'b', 'c');
    await until('the batch', () => exporter.counts.exported === 2);
    assert.deepEqual(taken(), [['a', 'b']]);
    await exporter[Symbol.asyncDispose]();
    assert.deepEqual(taken(), [['a', 'b'], ['c']]);
    assert.deepEqual(exporter.counts, {
      waiting: 0,
      exported: 3,
      dropped: { 'queue-full': 0, refused: 0, stopped: 0 },
    });
    add('d');
    assert.equal(exporter.counts.dropped.stopped, 1);
  });

  test('sends now and then what is no whole batch', async () => {
    open({ every: seconds(1) });
    add('a');
    await until('the span', () => exporter.counts.exported === 1);
    const [only] = spansIn(collector.received[0]?.body ?? '');
    assert.deepEqual(only, {
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '00f067aa0ba902b7',
      parentSpanId: null,
      name: 'a',
      kind: 1,
      startedAt: 1_784_024_130_000_250_000n,
      endedAt: 1_784_024_130_001_500_000n,
      attributes: { text: 'a', whole: 3, part: 0.5, flag: true },
      links: [],
      state: null,
      failed: false,
      resource: { 'service.name': 'test' },
    });
  });

  test('keeps what an overloaded collector does not take, lets go of what comes on top, and tries again (OTLP/HTTP, retryable)', async () => {
    open({ every: seconds(1) });
    answering(503, '', { 'retry-after': '1' });
    add('a', 'b');
    await until('the first attempt', () => told.length === 1);
    add('c', 'd', 'e', 'f', 'g');
    assert.deepEqual(exporter.counts.dropped, { 'queue-full': 3, refused: 0, stopped: 0 });
    answering(200, '{}');
    await until('all that was kept', () => exporter.counts.exported === 4);
    assert.deepEqual(taken().slice(-2), [
      ['a', 'b'],
      ['c', 'd'],
    ]);
    assert.deepEqual(told, ['away', 'back']);
  });

  test('lets go of what a collector refuses, and goes on with the next (OTLP/HTTP, not retryable)', async () => {
    open();
    answering(400, '{"message":"no"}');
    add('a', 'b');
    await until('the refusal', () => exporter.counts.dropped.refused === 2);
    answering(200);
    await exporter[Symbol.asyncDispose]();
    assert.equal(collector.received.length, 1, 'what was refused is not sent again');
  });

  test('counts what a collector says it has not taken of a batch (OTLP/HTTP, partial success)', async () => {
    open();
    answering(200, '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one was too old"}}');
    add('a', 'b');
    await until('the answer', () => exporter.counts.exported === 1);
    assert.equal(exporter.counts.dropped.refused, 1);
  });

  test('follows no redirect: headers with credentials go to the collector alone', async () => {
    await using elsewhere = await startReceiver();
    open({ headers: [['x-api-key', 'secret']] });
    answering(307, '', { location: elsewhere.origin });
    add('a', 'b');
    await until('the attempt', () => told.length === 1);
    assert.equal(elsewhere.received.length, 0);
  });

  test('ends in time where the collector is not there', async () => {
    open({ url: `http://127.0.0.1:${await freePort()}/v1/traces` });
    add('a', 'b', 'c');
    await within('the end', exporter[Symbol.asyncDispose]());
    assert.equal(exporter.counts.dropped.stopped, 3);
  });

  test('ends in time where the collector never answers', async () => {
    open({ timeout: seconds(1) });
    collector.answer(null);
    add('a', 'b', 'c', 'd');
    await collector.next();
    await within('the end', exporter[Symbol.asyncDispose]());
    assert.equal(exporter.counts.dropped.stopped, 4);
  });

  test('ends in time where the collector takes long for each of many batches', async () => {
    open({ timeout: seconds(1), batchMax: 1, queueMax: 50 });
    collector.answer((response) => void setTimeout(() => response.end(), 300));
    for (let count = 0; count < 50; count += 1) add('a');
    await exporter[Symbol.asyncDispose]();
    const { exported, dropped } = exporter.counts;
    assert.ok(dropped.stopped > 0);
    assert.equal(exported + dropped.stopped, 50);
  });
});
