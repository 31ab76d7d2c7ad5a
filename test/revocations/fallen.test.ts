import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Fallen, type Fallible } from '#src/revocations/fallen.ts';
import { epochSeconds } from '#src/units.ts';

const at = epochSeconds;
const common = { position: 1, until: at(2000) };

const person: Fallible = {
  kid: 'key',
  jti: 'token',
  sub: 'ada',
  client_id: 'web',
  iat: at(1100),
  grant_id: 'grant',
  auth_time: at(1000),
};

describe('a token has fallen', () => {
  test('if it, its authorization or its key was revoked, and not if another was', () => {
    for (const revocation of [
      { ...common, what: 'token', jti: 'token', audiences: [] },
      { ...common, what: 'authorization', id: 'grant', resources: [] },
      { ...common, what: 'key', kid: 'key' },
    ] as const) {
      const fallen = new Fallen();
      assert.equal(fallen.has(person), false);
      fallen.add(revocation);
      assert.equal(fallen.has(person), true, revocation.what);
      const other = { ...person, jti: 'x', grant_id: 'x', kid: 'x' };
      assert.equal(fallen.has(other), false, revocation.what);
    }
  });

  test('if it rests on a sign-in before those of the account count, until a later word takes that back', () => {
    const fallen = new Fallen();
    fallen.add({ ...common, what: 'sign-ins', subject: 'ada', before: at(1001) });
    assert.equal(fallen.has(person), true);
    assert.equal(fallen.has({ ...person, auth_time: at(1001) }), false);
    assert.equal(fallen.has({ ...person, sub: 'bob' }), false);
    fallen.add({ ...common, what: 'sign-ins', subject: 'ada', before: at(0) });
    assert.equal(fallen.has(person), false);
  });

  test('if it was issued before its client was registered, until a later word takes that back', () => {
    const fallen = new Fallen();
    fallen.add({ ...common, what: 'client', clientId: 'web', before: at(2001) });
    assert.equal(fallen.has(person), true);
    fallen.add({ ...common, what: 'client', clientId: 'web', before: at(1100) });
    assert.equal(fallen.has(person), false);
    assert.equal(fallen.has({ ...person, iat: at(1099) }), true);
  });

  test('for no longer than that matters, and a later word of an account lasts as long as it does itself', () => {
    const fallen = new Fallen();
    fallen.add({ ...common, what: 'token', jti: 'token', audiences: [] });
    fallen.add({ ...common, what: 'sign-ins', subject: 'bob', before: at(2001) });
    fallen.add({ ...common, until: at(2500), what: 'sign-ins', subject: 'bob', before: at(2501) });
    fallen.forget(at(1999));
    assert.equal(fallen.has(person), true);
    fallen.forget(at(2000));
    assert.equal(fallen.has(person), false);
    assert.equal(fallen.has({ ...person, sub: 'bob' }), true);
  });
});
