import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import { parseDetailTypes } from '#src/authorization-details/detail-type.ts';
import { type DetailInWords, inWords } from '#src/authorization-details/words.ts';
import { fc } from '#test/support/properties.ts';

const TYPES = parseDetailTypes({
  payment: {
    name: { en: 'Payment', de: 'Zahlung' },
    sentences: {
      en: ['Pay {amount.value} {amount.currency} to {creditor}', 'For {purposes}', 'Every {interval}'],
      de: '{amount.value} {amount.currency} an {creditor} zahlen',
    },
    resources: ['https://bank.example'],
    schema: { type: 'object' },
  },
});

const told = (detail: object, language = 'en') =>
  inWords({ type: 'payment', ...detail } as AuthorizationDetail, TYPES.get('payment'), language);

const textOf = ({ sentences }: DetailInWords) =>
  sentences.map((pieces) => pieces.map((piece) => ('words' in piece ? piece.words : piece.value)).join(''));

describe('authorization details in plain words (RFC 9396 section 11.1)', () => {
  test('a sentence has its values filled in, in the language of the reader or else in English', () => {
    const detail = {
      amount: { value: '12.50', currency: 'EUR' },
      creditor: 'Ada',
      purposes: ['rent', 'heat'],
    };
    assert.deepEqual(textOf(told(detail)), ['Pay 12.50 EUR to Ada', 'For rent, heat']);
    assert.deepEqual(textOf(told(detail, 'de')), ['12.50 EUR an Ada zahlen']);
    assert.equal(told(detail, 'de').title, 'Zahlung');
    assert.equal(told(detail, 'fr').title, 'Payment');
    assert.deepEqual(told(detail).others, []);
  });

  test('what no sentence says is listed, so that nothing is allowed that was not shown', () => {
    const detail = {
      amount: { value: '12.50', currency: 'EUR', fee: 3 },
      creditor: 'Ada',
      extra: [{ a: true }, { b: null }],
      none: {},
      nobody: [],
      empty: '',
    };
    assert.deepEqual(told(detail).others, [
      { name: 'amount.fee', value: '3' },
      { name: 'extra.0.a', value: 'true' },
      { name: 'extra.1.b', value: 'null' },
      { name: 'none', value: '{}' },
      { name: 'nobody', value: '[]' },
      { name: 'empty', value: '""' },
    ]);
  });

  test('a sentence that lacks a value is left out, and what it would have said is listed', () => {
    const { sentences, others } = told({ amount: { value: '12.50', currency: null }, creditor: 'Ada' });
    assert.deepEqual(sentences, []);
    assert.deepEqual(
      others.map(({ name }) => name),
      ['amount.value', 'amount.currency', 'creditor'],
    );
  });

  test('a member whose name has a dot cannot stand for another, nor hide it', () => {
    const { sentences, others } = told({
      amount: { value: '9999', currency: 'EUR' },
      'amount.value': '1',
      creditor: 'Ada',
    });
    assert.deepEqual(sentences, []);
    assert.deepEqual(
      others.filter(({ name }) => name === 'amount.value').map(({ value }) => value),
      ['9999', '1'],
    );
  });

  test('characters that nobody sees are shown by their number', () => {
    const { sentences, others } = told({
      amount: { value: '1\u202e000', currency: 'EUR' },
      creditor: 'A\u0000\u2028b\u200b',
      'na\u200bme': 'x',
    });
    assert.deepEqual(textOf({ sentences } as DetailInWords), [
      'Pay 1\\u{202e}000 EUR to A\\u{0}\\u{2028}b\\u{200b}',
    ]);
    assert.deepEqual(others, [{ name: 'na\\u{200b}me', value: 'x' }]);
  });

  test('a type that is no longer in the settings has everything listed', () => {
    const words = inWords({ type: 'gone', a: 1 }, undefined, 'en');
    assert.deepEqual(words, {
      title: 'gone',
      type: 'gone',
      sentences: [],
      others: [{ name: 'a', value: '1' }],
    });
  });

  test('every value of whatever detail is somewhere in the words', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string({ minLength: 1, unit: 'grapheme-ascii' }),
        (members, creditor) => {
          const detail = { ...members, amount: { value: 7, currency: 'EUR' }, creditor };
          const words = told(detail);
          const all = JSON.stringify([textOf(words), words.others]);
          for (const value of leaves(detail))
            assert.ok(all.includes(JSON.stringify(value).slice(1, -1)), `${value} is not in ${all}`);
        },
      ),
    );
  });
});

/** The plain texts and numbers in a value. */
function* leaves(value: unknown): Generator<string> {
  if (typeof value === 'string' && /^[!-~]+$/.test(value)) yield value;
  else if (typeof value === 'number') yield JSON.stringify(value);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) yield* leaves(inner);
}
