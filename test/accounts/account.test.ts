import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  claimsOf,
  erase,
  lock,
  newSubject,
  openAccount,
  unlock,
  withPassword,
  withRehashedPassword,
} from '#src/accounts/account.ts';
import { parseDisplayName } from '#src/accounts/display-name.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseMemberships } from '#src/accounts/membership.ts';
import { storedHash } from '#src/accounts/password-hash.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { systemRandom } from '#src/random.ts';
import { epochSeconds } from '#src/units.ts';

const opened = epochSeconds(1_000);
const later = epochSeconds(2_000);
const newcomer = {
  username: parseUsername('Ada'),
  email: parseEmailAddress('ada@example.com'),
  emailVerified: true,
  displayName: parseDisplayName('Ada Lovelace'),
  groups: parseMemberships(['staff']),
  roles: [],
  passwordHash: storedHash('$argon2id$one'),
};
const subject = newSubject(systemRandom);
const ada = openAccount(newcomer, subject, opened);

describe('an account', () => {
  test('has a random subject that says nothing of the person (OpenID Connect Core section 2)', () => {
    assert.match(subject, /^[\w-]{22}$/);
    assert.notEqual(newSubject(systemRandom), subject);
  });

  test('that is locked and unlocked is what it was', () => {
    const locked = lock(ada, later);
    assert.equal(locked.state, 'locked');
    assert.equal(locked.lockedAt, later);
    assert.deepEqual(unlock(locked), ada);
  });

  test('that is locked twice keeps the first time', () => {
    assert.equal(lock(lock(ada, later), epochSeconds(3_000)).lockedAt, later);
  });

  test('that is erased keeps its subject and times and nothing else', () => {
    for (const account of [ada, lock(ada, later)]) {
      assert.deepEqual(erase(account, later), {
        state: 'deleted',
        subject,
        createdAt: opened,
        deletedAt: later,
      });
    }
    assert.equal(erase(erase(ada, later), epochSeconds(3_000)).deletedAt, later);
  });

  test('with another password knows since when, and with a new hash of the same one does not', () => {
    const hash = storedHash('$argon2id$two');
    assert.equal(withPassword(ada, hash, later).passwordChangedAt, later);
    assert.equal(withPassword(lock(ada, later), hash, later).state, 'locked');
    assert.equal(withRehashedPassword(ada, hash).passwordChangedAt, opened);
    assert.equal(withRehashedPassword(ada, hash).passwordHash, hash);
  });

  test('does not show its password hash when printed', () => {
    assert.ok(!JSON.stringify(ada).includes('argon2id'));
  });
});

describe('the claims of an account', () => {
  test('are those of the scopes profile and email (OpenID Connect Core section 5.4)', () => {
    assert.deepEqual(claimsOf(ada), {
      sub: subject,
      preferred_username: 'Ada',
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      email_verified: true,
      groups: ['staff'],
      roles: [],
      updated_at: opened,
    });
  });

  test('leave out what is not known, and no address is a verified one (OpenID Connect Core section 5.3.2)', () => {
    const bare = openAccount({ ...newcomer, email: null, displayName: null }, subject, opened);
    assert.deepEqual(claimsOf(bare), {
      sub: subject,
      preferred_username: 'Ada',
      groups: ['staff'],
      roles: [],
      updated_at: opened,
    });
    assert.equal(bare.emailVerified, false);
  });

  test('of an erased account are its subject alone', () => {
    assert.deepEqual(claimsOf(erase(ada, later)), { sub: subject });
  });
});
