import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Consent, Consents, joinConsents } from '#src/interaction/consent.ts';
import { days } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const names = fc.uniqueArray(fc.constantFrom('openid', 'email', 'read', 'write', 'admin'));
/** Names that an object of JavaScript has anyway are among the identifiers. */
const identifier = fc.constantFrom(
  'https://one.example.com',
  'urn:two',
  'constructor',
  '__proto__',
  'toString',
);
const resources = fc
  .array(fc.tuple(identifier, names))
  .map((entries): Consent['resources'] => Object.fromEntries(entries));
const consent: fc.Arbitrary<Consent> = fc.record({ scope: names, resources, claims: names });

const NOTHING: Consent = { scope: [], resources: {}, claims: [] };

/** A consent without its order, which means nothing. */
function asSets({ scope, resources, claims }: Consent) {
  const perResource = Object.entries(resources).map(
    ([identifier, scopes]) => [identifier, new Set(scopes)] as const,
  );
  return { scope: new Set(scope), resources: new Map(perResource), claims: new Set(claims) };
}
const assertSame = (one: Consent, other: Consent) => assert.deepEqual(asSets(one), asSets(other));

function assertWithin(part: Consent, whole: Consent) {
  const [small, large] = [asSets(part), asSets(whole)];
  assert.ok(small.scope.isSubsetOf(large.scope));
  assert.ok(small.claims.isSubsetOf(large.claims));
  for (const [identifier, scopes] of small.resources) {
    assert.ok(scopes.isSubsetOf(large.resources.get(identifier) ?? new Set()));
  }
}

describe('joining consents', () => {
  test('with themselves, or with nothing, changes nothing', () => {
    fc.assert(
      fc.property(consent, (one) => {
        assertSame(joinConsents(one, one), one);
        assertSame(joinConsents(one, NOTHING), one);
        assertSame(joinConsents(NOTHING, one), one);
      }),
    );
  });

  test('has the same outcome in every order', () => {
    fc.assert(
      fc.property(consent, consent, consent, (one, two, three) => {
        assertSame(joinConsents(one, two), joinConsents(two, one));
        assertSame(joinConsents(joinConsents(one, two), three), joinConsents(one, joinConsents(two, three)));
      }),
    );
  });

  test('only ever adds, and nothing that neither has', () => {
    fc.assert(
      fc.property(consent, consent, (one, two) => {
        const joined = joinConsents(one, two);
        assertWithin(one, joined);
        assertWithin(two, joined);
        const [union, left, right] = [asSets(joined), asSets(one), asSets(two)];
        assert.deepEqual(union.scope, left.scope.union(right.scope));
        const none: ReadonlySet<string> = new Set();
        for (const [identifier, scopes] of union.resources) {
          const [some, more] = [left, right].map((side) => side.resources.get(identifier) ?? none);
          assert.deepEqual(scopes, some?.union(more ?? none));
        }
      }),
    );
  });

  test('keeps each scope once, and those of one resource server from another', () => {
    const one = {
      scope: ['openid'],
      resources: { 'urn:one': ['read'], 'urn:two': ['read'] },
      claims: ['name'],
    };
    const two = {
      scope: ['openid', 'email'],
      resources: { 'urn:one': ['write', 'read'] },
      claims: ['email', 'name'],
    };
    assert.deepEqual(joinConsents(one, two), {
      scope: ['openid', 'email'],
      resources: { 'urn:one': ['read', 'write'], 'urn:two': ['read'] },
      claims: ['name', 'email'],
    });
  });
});

const agreedTo = (...scope: string[]): Consent => ({ scope, resources: { 'urn:api': scope }, claims: [] });

describe('a consent', () => {
  test('is remembered for good, for one person and one client', async () => {
    await using store = await openTemporaryStore();
    const consents = new Consents(store.records);
    assert.equal(await consents.find('ada', 'web'), null);
    await consents.remember('ada', 'web', agreedTo('openid'));
    store.clock.move(days(3650));
    assert.deepEqual(await consents.find('ada', 'web'), agreedTo('openid'));
    assert.equal(await consents.find('ada', 'spa'), null);
    assert.equal(await consents.find('eve', 'web'), null);
  });

  test('of one pair is not that of another whose names run together', async () => {
    await using store = await openTemporaryStore();
    const consents = new Consents(store.records);
    await consents.remember('a', 'b","c', agreedTo('openid'));
    for (const [subject, clientId] of [
      ['a","b', 'c'],
      ['ab', '","c'],
      ['b","c', 'a'],
    ] as const) {
      assert.equal(await consents.find(subject, clientId), null);
    }
  });

  test('grows by what is agreed to later', async () => {
    await using store = await openTemporaryStore();
    const consents = new Consents(store.records);
    await consents.remember('ada', 'web', agreedTo('openid', 'read'));
    await consents.remember('ada', 'web', agreedTo('read', 'write'));
    assert.deepEqual(await consents.find('ada', 'web'), agreedTo('openid', 'read', 'write'));
  });

  test('given in forty windows at once loses nothing, and a form sent twice adds nothing', async () => {
    await using store = await openTemporaryStore();
    const [one, other] = [new Consents(store.records), new Consents(store.records)];
    const scopes = Array.from({ length: 20 }, (_, index) => `scope-${index}`);
    await Promise.all(
      scopes.flatMap((scope) =>
        [one, other].map((consents) => consents.remember('ada', 'web', agreedTo(scope))),
      ),
    );
    const remembered = await one.find('ada', 'web');
    assert.deepEqual(remembered?.scope.toSorted(), scopes.toSorted());
    assert.deepEqual(remembered?.resources['urn:api']?.toSorted(), scopes.toSorted());
  });
});
