import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';

const key = Buffer.alloc(32, 7);
const subjects = new PairwiseSubjects(key);

test('a pairwise identifier is the same for one sector and one account, and different for any other two', () => {
  const pairs = [
    ['a.example.com', 'ada'],
    ['b.example.com', 'ada'],
    ['a.example.com', 'bob'],
    ['a.example.comada', ''],
    ['', 'a.example.comada'],
    ['a.example.com","ada', ''],
  ] as const;
  const identifiers = pairs.map(([sector, subject]) => subjects.of(sector, subject));
  assert.equal(new Set(identifiers).size, pairs.length);
  assert.deepEqual(
    pairs.map(([sector, subject]) => subjects.of(sector, subject)),
    identifiers,
  );
});

test('it depends on the key of the deployment, and tells nothing of the account (OpenID Connect Core section 8.1)', () => {
  const identifier = subjects.of('a.example.com', 'ada');
  assert.notEqual(new PairwiseSubjects(Buffer.alloc(32, 8)).of('a.example.com', 'ada'), identifier);
  assert.match(identifier, /^[\w-]{43}$/);
  const expected = createHmac('sha256', key).update('["a.example.com","ada"]').digest('base64url');
  assert.equal(identifier, expected, 'people would be strangers after an update that changed it');
});
