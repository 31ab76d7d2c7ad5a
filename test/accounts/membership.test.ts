import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMemberships } from '#src/accounts/membership.ts';
import { refusal } from '#test/support/refusal.ts';

const invalid = refusal('memberships_invalid');

describe('the groups or roles of an account', () => {
  test('are kept each once, in their order, in one spelling', () => {
    const names = ['staff', ' on call ', 'staff', 'Ku\u0308che', 'Küche'];
    assert.deepEqual(parseMemberships(names), ['staff', 'on call', 'Küche']);
    assert.deepEqual(parseMemberships([]), []);
  });

  for (const name of ['', '  ', 'a\nb', 'a\u0000b', 'a\u202eb', 'a\u200bb', '\ud800', 'x'.repeat(65)]) {
    test(`are not named ${JSON.stringify(name.slice(0, 8))}`, () => {
      assert.throws(() => parseMemberships(['staff', name]), invalid);
    });
  }

  test('are bounded in number and in length, so that a token can list them all', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `g${index}`);
    assert.equal(parseMemberships(many(64)).length, 64);
    assert.throws(() => parseMemberships(many(65)), invalid);
    const long = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padEnd(64, 'ü'));
    assert.throws(() => parseMemberships(long(20)), invalid);
    assert.equal(parseMemberships(['😀'.repeat(64)]).length, 1);
  });
});
