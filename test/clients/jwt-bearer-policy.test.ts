import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { saysWhatIsAsked } from '#src/clients/jwt-bearer-policy.ts';

describe('what an assertion must say (RFC 7523 section 3)', () => {
  const says = (claims: Record<string, unknown>, asked: Record<string, string[]>) =>
    saysWhatIsAsked({ issuer: 'https://ci.example.com', claims: asked }, claims);

  test('of each claim one of the values, as a text, a number, a truth or in a list', () => {
    const asked = { sub: ['a', 'b'], run: ['7'], protected: ['true'], groups: ['release'] };
    const right = { sub: 'b', run: 7, protected: true, groups: ['dev', 'release'], more: 'x' };
    assert.equal(says(right, asked), true);
    for (const name of Object.keys(asked))
      assert.equal(says({ ...right, [name]: undefined }, asked), false, name);
    for (const odd of ['', 'B', 'ab', null, {}, { a: 'a' }, [['a']], ['c']])
      assert.equal(says({ ...right, sub: odd }, asked), false, JSON.stringify(odd));
  });

  test('nothing, where nothing is asked', () => assert.equal(says({}, {}), true));

  test('itself, and not by a name that every object has', () => {
    assert.equal(says({}, { toString: ['x'], constructor: ['y'] }), false);
    assert.equal(says(JSON.parse('{"__proto__":{"sub":"a"}}'), { sub: ['a'] }), false);
  });
});
