import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AuthorizationDetail, firstBeyond } from '#src/authorization-details/detail.ts';
import { fc } from '#test/support/properties.ts';

const GRANTED: AuthorizationDetail = {
  type: 'account_information',
  locations: ['https://a.example', 'https://b.example'],
  actions: ['list', 'read'],
  limit: { amount: '10', of: ['x', 'y'] },
};

const name = fc.constantFrom(
  'type',
  'actions',
  'locations',
  'datatypes',
  'amount',
  '__proto__',
  'constructor',
);
const detail = fc
  .dictionary(name, fc.oneof(fc.jsonValue(), fc.array(fc.constantFrom('a', 'b', 'c'))))
  .map((members): AuthorizationDetail => ({ ...members, type: 'some' }));

describe('narrowing authorization details (RFC 9396 section 6.1)', () => {
  test('the same is within the same, and fewer locations, actions, datatypes or privileges are', () => {
    for (const change of [
      {},
      { actions: ['read'] },
      { actions: ['read', 'list'] },
      { locations: ['https://b.example'], actions: ['list'] },
    ])
      assert.equal(firstBeyond([{ ...GRANTED, ...change }], [GRANTED]), null, JSON.stringify(change));
  });

  test('anything else is beyond it: more, other, added, or left out, which might mean any', () => {
    const { actions: _, ...withoutActions } = GRANTED;
    for (const detail of [
      { ...GRANTED, type: 'payment' },
      { ...GRANTED, actions: ['read', 'write'] },
      { ...GRANTED, actions: [] },
      { ...GRANTED, actions: 'read' },
      { ...GRANTED, limit: { amount: '9', of: ['x', 'y'] } },
      { ...GRANTED, limit: { amount: '10', of: ['x'] } },
      { ...GRANTED, more: true },
      withoutActions,
    ])
      assert.equal(firstBeyond([GRANTED, detail], [GRANTED]), detail, JSON.stringify(detail));
    assert.equal(firstBeyond([GRANTED], []), GRANTED);
    assert.equal(firstBeyond([], [GRANTED]), null);
  });

  test('whatever is within one that was granted, is within more of them', () => {
    fc.assert(
      fc.property(detail, detail, (one, other) => {
        assert.equal(firstBeyond([one], [one]), null);
        if (firstBeyond([one], [other]) === null) assert.equal(firstBeyond([one], [GRANTED, other]), null);
      }),
    );
  });
});
