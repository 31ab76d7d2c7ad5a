import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readTraceContext, traceHeaders } from '#src/tracing/trace-context.ts';
import { fc } from '#test/support/properties.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

const stateOf = (tracestate: string) => readTraceContext({ traceparent: TRACEPARENT, tracestate })?.state;

describe('a context of a trace (W3C Trace Context)', () => {
  test('is read from traceparent, of whose flags only `sampled` is looked at (section 3.2.2.5)', () => {
    const context = { traceId: TRACE, spanId: PARENT, state: null };
    for (const [flags, sampled] of [
      ['00', false],
      ['01', true],
      ['09', true],
      ['fe', false],
    ] as const) {
      const read = readTraceContext({ traceparent: `00-${TRACE}-${PARENT}-${flags}` });
      assert.deepEqual(read, { ...context, sampled }, flags);
    }
  });

  test('of a later version is read as far as all versions are alike (section 3.2.4)', () => {
    for (const traceparent of [`cc-${TRACE}-${PARENT}-01`, `01-${TRACE}-${PARENT}-01-and-more`])
      assert.equal(readTraceContext({ traceparent })?.traceId, TRACE, traceparent);
  });

  test('is not read from what is malformed (section 3.2.2)', () => {
    for (const traceparent of [
      '',
      `ff-${TRACE}-${PARENT}-01`,
      `0-${TRACE}-${PARENT}-01`,
      `000-${TRACE}-${PARENT}-01`,
      `.0-${TRACE}-${PARENT}-01`,
      `00-${'0'.repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE}1-${PARENT}-01`,
      `00-${TRACE.slice(1)}-${PARENT}-01`,
      `00-${TRACE.slice(1)}.-${PARENT}-01`,
      `00-${TRACE.toUpperCase()}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}1-01`,
      `00-${TRACE}-${PARENT.slice(1)}-01`,
      `00-${TRACE}-${PARENT}-0`,
      `00-${TRACE}-${PARENT}-.0`,
      `00-${TRACE}-${PARENT}-001`,
      `00-${TRACE}-${PARENT}-01-`,
      `00-${TRACE}-${PARENT}-01.`,
      `cc-${TRACE}-${PARENT}-01.what-comes-later`,
      `${TRACEPARENT}, ${TRACEPARENT}`,
      ` ${TRACEPARENT}`,
      `${TRACEPARENT}\n`,
    ])
      assert.equal(readTraceContext({ traceparent }), null, traceparent);
    assert.equal(readTraceContext({ tracestate: 'a=1' }), null);
  });

  test('has the tracestate that came with it, without empty members (section 3.3.1)', () => {
    assert.equal(stateOf('congo=t61rcWkgMzE'), 'congo=t61rcWkgMzE');
    assert.equal(stateOf('a=1 ,\tb=2,, ,c@d=a b'), 'a=1,b=2,c@d=a b');
    const most = Array.from({ length: 32 }, (_, index) => `k${index}=v`);
    assert.equal(stateOf(most.join()), most.join());
    assert.equal(stateOf(''), null);
  });

  test('stands without a tracestate that is malformed (section 3.3)', () => {
    const many = Array.from({ length: 33 }, (_, index) => `k${index}=v`).join();
    for (const tracestate of [
      'A=1',
      'a',
      'a=',
      '=1',
      'a=1=2',
      'a@=1',
      '@a=1',
      'a =1',
      `a=${'x'.repeat(257)}`,
      many,
    ])
      assert.equal(stateOf(tracestate), null, tracestate);
  });

  test('is told as it was read', () => {
    const hex = (length: number) =>
      fc
        .array(fc.integer({ min: 0, max: 15 }), { minLength: length, maxLength: length })
        .map((digits) => digits.map((digit) => digit.toString(16)).join(''))
        .filter((text) => !/^0+$/.test(text));
    fc.assert(
      fc.property(
        hex(32),
        hex(16),
        fc.boolean(),
        fc.constantFrom(null, 'a=1,b=2'),
        (traceId, spanId, sampled, state) => {
          const context = { traceId, spanId, sampled, state };
          assert.deepEqual(readTraceContext(traceHeaders(context)), context);
        },
      ),
    );
  });

  test('is never read from any other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (traceparent) => {
        assert.equal(readTraceContext({ traceparent, tracestate: traceparent }), null);
      }),
    );
  });
});
