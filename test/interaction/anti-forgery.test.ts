import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AntiForgery } from '#src/interaction/anti-forgery.ts';
import { systemRandom } from '#src/random.ts';
import { fc } from '#test/support/properties.ts';

const key = systemRandom.bytes(32);
const antiForgery = new AntiForgery(key);

describe('an anti-forgery token', () => {
  test('is one for its interaction, in every process of the deployment', () => {
    fc.assert(
      fc.property(fc.string(), (uid) => {
        assert.equal(new AntiForgery(Buffer.from(key)).isTokenFor(uid, antiForgery.tokenFor(uid)), true);
      }),
    );
  });

  test('is none for another interaction', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        fc.pre(one !== other);
        assert.equal(antiForgery.isTokenFor(other, antiForgery.tokenFor(one)), false);
      }),
    );
  });

  test('of another deployment is none here', () => {
    assert.equal(
      antiForgery.isTokenFor('uid', new AntiForgery(systemRandom.bytes(32)).tokenFor('uid')),
      false,
    );
  });

  test('is none when it is cut short or made longer', () => {
    const token = antiForgery.tokenFor('uid');
    for (let length = 0; length < token.length; length += 1) {
      assert.equal(antiForgery.isTokenFor('uid', token.slice(0, length)), false);
    }
    assert.equal(antiForgery.isTokenFor('uid', `${token}AAAA`), false);
    assert.equal(antiForgery.isTokenFor('uid', token + token), false);
  });

  test('is none when it is anything else, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (presented) => {
        assert.equal(antiForgery.isTokenFor('uid', presented), false);
      }),
    );
  });

  test('is no secret that gives the key away, and can stand in an attribute', () => {
    assert.match(antiForgery.tokenFor('<"uid">'), /^[\w-]{43}$/);
  });
});
