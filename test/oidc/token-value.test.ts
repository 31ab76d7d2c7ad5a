import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carried, jwtIn } from '#src/oidc/token-value.ts';
import { fc } from '#test/support/properties.ts';

const part = fc.base64String().map((text) => Buffer.from(text, 'base64').toString('base64url') || 'A');
const jwt = fc.tuple(part, part, part).map((parts) => parts.join('.'));
const DOORS = ['introspection', 'revocation'];

describe('a JWT at introspection and revocation', () => {
  test('comes through the door as something that does not look like a JWT, and comes out as it went in', () => {
    fc.assert(
      fc.property(jwt, (value) => {
        assert.ok(!carried(value).includes('.'));
        for (const route of DOORS) assert.equal(jwtIn(carried(value), route), value);
      }),
    );
  });

  test('is what was sent, for nothing else that is sent comes out as one', () => {
    const text = fc.stringMatching(/^[\w.~-]{0,20}$/);
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (value) => {
        for (const route of DOORS) {
          const out = jwtIn(carried(value), route);
          if (out !== null && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(out)) assert.equal(out, value);
        }
      }),
      { numRuns: 2_000 },
    );
    for (const disguised of ['a~b~c', '~a~b~c', 'a.b~c', 'a~~b~~c']) {
      for (const route of DOORS)
        assert.doesNotMatch(jwtIn(carried(disguised), route) ?? '', /^[\w-]+\.[\w-]+\.[\w-]+$/);
    }
  });
});

describe('a token elsewhere', () => {
  test('is a JWT if it has dots, and wears no disguise', () => {
    for (const route of ['token', 'userinfo', 'end_session']) {
      assert.equal(jwtIn('a.b.c', route), 'a.b.c');
      assert.equal(jwtIn('a~b~c', route), null);
    }
  });

  test('is opaque without dots, behind the door too', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w-]{1,50}$/), (value) => {
        assert.equal(carried(value), value);
        for (const route of [...DOORS, 'userinfo']) assert.equal(jwtIn(value, route), null);
      }),
    );
  });
});
