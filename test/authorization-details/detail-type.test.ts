import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDetailTypes } from '#src/authorization-details/detail-type.ts';
import { Refusal } from '#src/fault.ts';

const PAYMENT = {
  name: { en: 'Payment' },
  sentences: { en: 'Pay {amount}' },
  resources: ['https://bank.example'],
  schema: {
    type: 'object',
    required: ['type', 'amount'],
    additionalProperties: false,
    properties: { type: { const: 'payment' }, amount: { type: 'string', pattern: '^\\d+$' } },
  },
};

const problemsOf = (types: unknown) => {
  try {
    parseDetailTypes(types);
    return [];
  } catch (problem) {
    assert.ok(problem instanceof Refusal && problem.code === 'invalid_detail_types', String(problem));
    return problem.detail.problems as string[];
  }
};

describe('types of authorization details (RFC 9396 section 2)', () => {
  test('a detail is as its JSON Schema says, or the client is told where it is not (section 5)', () => {
    const type = parseDetailTypes({ payment: PAYMENT }).get('payment');
    assert.equal(type?.problemWith({ type: 'payment', amount: '12' }), null);
    assert.match(type?.problemWith({ type: 'payment' }) ?? '', /amount/);
    assert.match(type?.problemWith({ type: 'payment', amount: 'x' }) ?? '', /^\/amount must match pattern/);
    assert.match(type?.problemWith({ type: 'payment', amount: '1', more: 1 }) ?? '', /additional properties/);
  });

  test('what is declared wrongly is all told at once, each with its place', () => {
    for (const [types, problem] of [
      [{ 'two words': PAYMENT }, /^two words: /],
      [{ payment: { ...PAYMENT, name: {} } }, /^payment\.name: .*at least one language/],
      [{ payment: { ...PAYMENT, name: { 'not a tag': 'x' } } }, /^payment\.name/],
      [{ payment: { ...PAYMENT, name: { en: 'a\u0000b' } } }, /^payment\.name\.en: .*invisible/],
      [{ payment: { ...PAYMENT, sentences: { en: 'Pay {amount' } } }, /^payment\.sentences/],
      [{ payment: { ...PAYMENT, resources: [] } }, /^payment\.resources/],
      [{ payment: { ...PAYMENT, resources: ['bank'] } }, /absolute URI/],
      [{ payment: { ...PAYMENT, schma: {} } }, /payment/],
      [{ payment: { ...PAYMENT, schema: undefined } }, /^payment\.schema/],
      [{ payment: { ...PAYMENT, schema: { type: 'nonsense' } } }, /^payment\.schema: /],
      [
        { payment: { ...PAYMENT, schema: { tpye: 'object' } } },
        /^payment\.schema: strict mode: unknown keyword/,
      ],
      [{ payment: { ...PAYMENT, schema: { $ref: 'https://elsewhere.example' } } }, /^payment\.schema: /],
      [[], /types/],
      ['x', /types/],
    ] as const) {
      const problems = problemsOf(types);
      assert.ok(problems.length > 0, JSON.stringify(types));
      assert.match(problems.join('\n'), problem);
    }
    assert.equal(problemsOf({ a: { ...PAYMENT, resources: [] }, b: { ...PAYMENT, name: {} } }).length, 2);
  });

  test('no types at all are none', () => {
    assert.equal(parseDetailTypes(null).size, 0);
    assert.equal(parseDetailTypes({}).size, 0);
  });
});
