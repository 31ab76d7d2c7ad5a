import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from '#src/config/nearest-name.ts';
import { fc } from '#test/support/properties.ts';

const NAMES = ['port', 'host', 'lifetimes', 'lifetimes.accessToken', 'http.bodyMax'];

test('one slip in four letters is taken for a typo', () => {
  assert.equal(nearestName('prot', NAMES), 'port');
  assert.equal(nearestName('hots', NAMES), 'host');
  assert.equal(nearestName('lifetime', NAMES), 'lifetimes');
  assert.equal(nearestName('acessTokn', NAMES), 'lifetimes.accessToken');
  assert.equal(nearestName('colour', NAMES), null);
  assert.equal(nearestName('', NAMES), null);
});

test('case, separators and a missing group are no slips', () => {
  assert.equal(nearestName('LIFETIMES_ACCESS_TOKEN', NAMES), 'lifetimes.accessToken');
  assert.equal(nearestName('body-max', NAMES), 'http.bodyMax');
});

test('every name is nearest to itself', () => {
  fc.assert(fc.property(fc.constantFrom(...NAMES), (name) => assert.equal(nearestName(name, NAMES), name)));
});
