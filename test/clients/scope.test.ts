import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatScope, isOpenIdScope, parseScope, SCOPE_LENGTH_MAX, SCOPES_MAX } from '#src/clients/scope.ts';
import { fc } from '#test/support/properties.ts';
import { refusal } from '#test/support/refusal.ts';

/** scope-token of RFC 6749 section 3.3, written as the range of characters that it is. */
const scopeToken = fc.stringMatching(/^[!#-[\]-~]{1,20}$/);

describe('a scope (RFC 6749 section 3.3)', () => {
  test('comes back from its text as it went in', () => {
    fc.assert(
      fc.property(fc.uniqueArray(scopeToken, { maxLength: SCOPES_MAX }), (scopes) => {
        assert.deepEqual(parseScope(formatScope(scopes)), scopes);
      }),
    );
  });

  test('is a set: each name once, in the order of the first mention, however many spaces are between', () => {
    assert.deepEqual(parseScope('  read openid  read write '), ['read', 'openid', 'write']);
    assert.deepEqual(parseScope(''), []);
  });

  test('is case-sensitive', () => {
    assert.deepEqual(parseScope('read Read'), ['read', 'Read']);
  });

  for (const text of [
    'say"',
    'back\\slash',
    'tab\tbed',
    'line\nbreak',
    'é',
    'no\u00a0break',
    '\u0000',
    '\u007f',
  ]) {
    test(`has no name such as ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseScope(`read ${text}`), refusal('invalid_scope'));
    });
  }

  test('whatever the text, is read or refused, and what is read has only scope-tokens', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let scopes: readonly string[];
        try {
          scopes = parseScope(text);
        } catch (problem) {
          return assert.ok(refusal('invalid_scope')(problem));
        }
        for (const scope of scopes) assert.match(scope, /^[!#-[\]-~]+$/);
      }),
    );
  });

  test('may be as long and have as many names as the limits say, and no more', () => {
    const names = Array.from({ length: SCOPES_MAX + 1 }, (_, index) => `s${index}`);
    assert.equal(parseScope(formatScope(names.slice(1))).length, SCOPES_MAX);
    assert.throws(() => parseScope(formatScope(names)), refusal('invalid_scope'));
    assert.equal(parseScope('a'.repeat(SCOPE_LENGTH_MAX)).length, 1);
    assert.throws(() => parseScope('a'.repeat(SCOPE_LENGTH_MAX + 1)), refusal('invalid_scope'));
  });

  test('belongs to OpenID Connect or to a resource server', () => {
    assert.deepEqual(['openid', 'offline_access', 'OpenID', 'read'].map(isOpenIdScope), [
      true,
      true,
      false,
      false,
    ]);
  });
});
