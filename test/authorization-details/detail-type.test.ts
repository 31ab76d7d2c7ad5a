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

  test('a format is held to, and one that there is not is refused at the start (JSON Schema Validation section 7)', () => {
    const formats: Record<string, { right: string[]; wrong: string[] }> = {
      date: { right: ['2028-02-29'], wrong: ['2027-02-29', '2027-2-1', '29.02.2028', ''] },
      'date-time': {
        right: ['2028-02-29T23:59:59Z', '2028-02-29T23:59:59.5+02:00'],
        wrong: ['2028-02-29', '2028-02-29T23:59:59', '2028-02-29T25:00:00Z'],
      },
      email: { right: ['ada@example.com'], wrong: ['ada', 'ada@', 'ada lovelace@example.com'] },
      uri: {
        right: ['https://shop.example/a?b=c#d', 'urn:iso:std:20022'],
        wrong: ['shop.example', '/a', 'https://shop.example/a b', 'https://shop.example/"'],
      },
      uuid: {
        right: ['0190163d-8694-739b-aea5-966c26f8ad91'],
        wrong: ['0190163d8694739baea5966c26f8ad91', 'x'],
      },
    };
    for (const [format, { right, wrong }] of Object.entries(formats)) {
      const properties = { type: {}, it: { type: 'string', format } };
      const schema = { type: 'object', properties };
      const type = parseDetailTypes({ payment: { ...PAYMENT, schema } }).get('payment');
      for (const it of right) assert.equal(type?.problemWith({ type: 'payment', it }), null, it);
      for (const it of wrong)
        assert.equal(type?.problemWith({ type: 'payment', it }), `/it must match format "${format}"`, it);
    }
  });

  test('what is declared wrongly is all told at once, each with its place', () => {
    for (const [types, problem] of [
      [{ 'two words': PAYMENT }, /^two words: /],
      [{ 'a"b': PAYMENT }, /quotes/],
      [{ 'a\\b': PAYMENT }, /backslashes/],
      [
        { payment: { ...PAYMENT, schema: { type: 'string', format: 'dat' } } },
        /^payment\.schema: #: there is no format dat, but date, date-time, email, uri, uuid$/,
      ],
      [{ payment: { ...PAYMENT, schema: { type: 'string', format: ['date'] } } }, /^payment\.schema: /],
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
