import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import argon2 from 'argon2';
import { PasswordHasher, preparePassword } from '#src/accounts/password.ts';
import { storedHash } from '#src/accounts/password-hash.ts';
import { systemRandom } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { seconds } from '#src/units.ts';

/** As little work as argon2 can do. */
const CHEAP = {
  memoryKiB: 8,
  iterations: 1,
  parallelism: 1,
  concurrency: 2,
  queueMax: 64,
  waitMax: seconds(60),
  random: systemRandom,
};

const hasher = new PasswordHasher(CHEAP);
const password = new Secret('correct horse battery staple');

describe('a password hash', () => {
  test('is a PHC string of argon2id with its cost, which any other implementation can verify', async () => {
    const hash = await new PasswordHasher({ ...CHEAP, memoryKiB: 32, iterations: 2, parallelism: 2 }).hash(
      password,
    );
    assert.match(hash.reveal(), /^\$argon2id\$v=19\$m=32,t=2,p=2\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.equal(await argon2.verify(hash.reveal(), password.reveal()), true);
  });

  test('made elsewhere is verified here', async () => {
    const hash = storedHash(
      await argon2.hash(password.reveal(), { memoryCost: 64, timeCost: 2, parallelism: 1 }),
    );
    assert.equal(await hasher.verify({ password, hash }), true);
    assert.equal(await hasher.verify({ password: new Secret('wrong'), hash }), false);
  });

  test('of one password is another one each time', async () => {
    assert.notEqual((await hasher.hash(password)).reveal(), (await hasher.hash(password)).reveal());
  });

  test('does not show when printed', async () => {
    assert.equal(JSON.stringify({ hash: await hasher.hash(password) }), '{"hash":"[secret]"}');
  });

  test('needs to be made anew when its cost is not the one of today, or when it cannot be read', async () => {
    const hash = await hasher.hash(password);
    assert.equal(hasher.needsRehash(hash), false);
    assert.equal(new PasswordHasher({ ...CHEAP, memoryKiB: 16 }).needsRehash(hash), true);
    assert.equal(new PasswordHasher({ ...CHEAP, iterations: 2 }).needsRehash(hash), true);
    assert.equal(new PasswordHasher({ ...CHEAP, memoryKiB: 16, parallelism: 2 }).needsRehash(hash), true);
    assert.equal(hasher.needsRehash(storedHash('')), true);
  });

  test('is not made at a cost that argon2 cannot run at', () => {
    for (const cost of [
      { memoryKiB: 7 },
      { memoryKiB: 8, parallelism: 2 },
      { iterations: 0 },
      { memoryKiB: 8.5 },
    ]) {
      assert.throws(() => new PasswordHasher({ ...CHEAP, ...cost }), RangeError);
    }
  });
});

describe('a password', () => {
  test('is refused, and nothing is thrown, when there is no hash or one that cannot be read', async () => {
    const good = (await hasher.hash(password)).reveal();
    const malformed = [
      '',
      'plain text',
      good.slice(0, -1).slice(0, 60),
      good.replace('argon2id', 'argon2i'),
      good.replace('v=19', 'v=16'),
      good.replace('m=8', 'm=7'),
      good.replace('m=8', 'm=999999999'),
      good.replace('t=1', 't=0'),
      good.replace('p=1', 'p=2'),
      `${good}$`,
      '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy',
    ];
    assert.equal(await hasher.verify({ password, hash: null }), false);
    for (const text of malformed)
      assert.equal(await hasher.verify({ password, hash: storedHash(text) }), false, text);
  });

  test('that is wrong takes the same work as one for no account (one derivation at the cost of today)', async () => {
    // With one place and no line, a second derivation at the same time is turned away: what occupies the place does work.
    const narrow = new PasswordHasher({
      ...CHEAP,
      memoryKiB: 4096,
      iterations: 4,
      concurrency: 1,
      queueMax: 0,
    });
    const hash = await narrow.hash(password);
    for (const attempt of [{ hash: null }, { hash }, { hash: storedHash('malformed') }]) {
      const [first, second] = await Promise.allSettled([
        narrow.verify({ password: new Secret('wrong'), ...attempt }),
        narrow.verify({ password: new Secret('wrong'), ...attempt }),
      ]);
      assert.deepEqual(first, { status: 'fulfilled', value: false });
      assert.equal(second.status === 'rejected' && second.reason.code, 'overloaded');
    }
  });

  test('is the same whichever way its characters are composed (NIST SP 800-63B-4 section 3.1.1.2)', async () => {
    const hash = await hasher.hash(new Secret('crème brûlée № 1'));
    assert.equal(
      await hasher.verify({ password: new Secret('crème brûlée № 1'.normalize('NFD')), hash }),
      true,
    );
    assert.equal(
      await hasher.verify({ password: new Secret('crème\u00A0brûlée\u3000No\u2003 1'), hash }),
      false,
    );
    assert.equal(
      await hasher.verify({ password: new Secret('crème\u00A0brûlée\u3000No\u20031'), hash }),
      true,
    );
  });

  test('is taken whole: no trimming, no cutting off, no change of case', async () => {
    const long = 'x'.repeat(200);
    const hash = await hasher.hash(new Secret(`${long}y`));
    for (const other of [long, `${long}Y`, `${long}z`, ` ${long}y`, `${long}y `]) {
      assert.equal(await hasher.verify({ password: new Secret(other), hash }), false);
    }
  });

  test('may contain the byte zero without ending there', async () => {
    const hash = await hasher.hash(new Secret('before\u0000after'));
    assert.equal(await hasher.verify({ password: new Secret('before\u0000other'), hash }), false);
  });

  test('keeps every space, all of one kind (RFC 8265 section 4.2.2)', () => {
    assert.equal(preparePassword(' a\u1680b  c\u202F'), ' a b  c ');
  });
});
