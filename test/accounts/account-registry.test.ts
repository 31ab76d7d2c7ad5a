import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LivingAccount } from '#src/accounts/account.ts';
import type { AccountRecords, AccountRegistry, AccountRequest } from '#src/accounts/account-registry.ts';
import { parseDisplayName } from '#src/accounts/display-name.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { Refusal, StorageFault } from '#src/fault.ts';
import { Consents, NO_CONSENT } from '#src/interaction/consent.ts';
import type { RecordKind } from '#src/records.ts';
import { Secret } from '#src/secret.ts';
import { minutes } from '#src/units.ts';
import { openAccounts } from '#test/accounts/open-accounts.ts';

const password = new Secret('correct horse battery staple');
const other = new Secret('another battery, another staple');

const adaRequest: AccountRequest = {
  username: parseUsername('Ada'),
  email: parseEmailAddress('ada@example.com'),
  displayName: parseDisplayName('Ada Lovelace'),
  password,
};

const named = (username: string): AccountRequest => ({ username: parseUsername(username), password });

const refusal = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

describe('an account that was added', () => {
  test('is found by its subject, its username and its e-mail address, in any spelling', async () => {
    await using store = await openAccounts();
    const ada = await store.accounts.add(adaRequest);
    assert.equal(ada.state, 'active');
    for (const found of [
      await store.accounts.findBySubject(ada.subject),
      await store.accounts.findByLogin(' aDA '),
      await store.accounts.findByLogin('ADA@Example.com'),
    ]) {
      assert.deepEqual(withoutHash(found as LivingAccount), withoutHash(ada));
    }
  });

  test('is not found by another subject or login, nor by what is no login', async () => {
    await using store = await openAccounts();
    await store.accounts.add(adaRequest);
    assert.equal(await store.accounts.findBySubject('ada'), null);
    for (const login of ['eve', 'eve@example.com', '', 'ada lovelace', 'username:ada', 'x'.repeat(100_000)]) {
      assert.equal(await store.accounts.findByLogin(login), null);
    }
  });

  test('keeps its name from others, in every spelling', async () => {
    await using store = await openAccounts();
    await store.accounts.add(adaRequest);
    await assert.rejects(store.accounts.add(named('ADA')), refusal('username_taken'));
    await assert.rejects(store.accounts.add(named('ａｄａ')), refusal('username_taken'));
    await assert.rejects(
      store.accounts.add({ ...named('eve'), email: parseEmailAddress('Ada@EXAMPLE.com') }),
      refusal('email_taken'),
    );
    assert.equal(await store.accounts.findByLogin('eve'), null);
  });

  test('won the race when twenty ask for one name at once', async () => {
    await using store = await openAccounts();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => store.accounts.add(named('ada'))),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 19);
    assert.ok(lost.every(({ reason }) => refusal('username_taken')(reason)));
    assert.equal((await store.accounts.list({ limit: 100 })).accounts.length, 1);
  });

  test('may be without an e-mail address, as any number of others', async () => {
    await using store = await openAccounts();
    await store.accounts.add(named('ada'));
    assert.equal((await store.accounts.add(named('eve'))).email, null);
  });

  test('is never written over by one whose subject happens to be the same', async () => {
    await using store = await openAccounts();
    const stuck = store.another({ random: { bytes: (count) => Buffer.alloc(count, 7) } });
    const ada = await stuck.add(named('ada'));
    await assert.rejects(stuck.add(named('eve')), StorageFault);
    assert.equal((await store.accounts.findByLogin('ada'))?.subject, ada.subject);
    assert.equal(await store.accounts.findByLogin('eve'), null);
  });

  test('has a password that the policy takes', async () => {
    await using store = await openAccounts();
    const weak = (text: string) => store.accounts.add({ ...adaRequest, password: new Secret(text) });
    await assert.rejects(weak('short'), refusal('password_too_short'));
    await assert.rejects(weak('password1'), refusal('password_common'));
    await assert.rejects(weak('ada@example.com1'), refusal('password_personal'));
    assert.equal(await store.accounts.findByLogin('ada'), null);
  });
});

describe('signing in', () => {
  test('succeeds with the username or the e-mail address and the password', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    for (const login of ['ada', 'Ada@example.com']) {
      const answer = await store.accounts.authenticate(login, password);
      assert.equal(answer.outcome === 'authenticated' && answer.account.subject, subject);
    }
  });

  test('is refused for an unknown login, a wrong password and a locked account, for reasons that the log alone sees', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    assert.deepEqual(await store.accounts.authenticate('eve', password), {
      outcome: 'refused',
      reason: 'unknown_login',
      subject: null,
    });
    assert.deepEqual(await store.accounts.authenticate('no login', password), {
      outcome: 'refused',
      reason: 'unknown_login',
      subject: null,
    });
    assert.deepEqual(await store.accounts.authenticate('ada', other), {
      outcome: 'refused',
      reason: 'wrong_password',
      subject,
    });
    await store.accounts.lock(subject);
    assert.deepEqual(await store.accounts.authenticate('ada', password), {
      outcome: 'refused',
      reason: 'account_locked',
      subject,
    });
    await store.accounts.unlock(subject);
    assert.equal((await store.accounts.authenticate('ada', password)).outcome, 'authenticated');
    await store.accounts.remove(subject);
    assert.deepEqual(await store.accounts.authenticate('ada', password), {
      outcome: 'refused',
      reason: 'unknown_login',
      subject: null,
    });
  });

  test('costs a hash in each of these cases, so that the time tells nothing', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    // Where nobody may hash, whoever wants to is turned away.
    const closed = store.another({ hashing: { concurrency: 0, queueMax: 0 } });
    for (const login of ['ada', 'eve', 'no login']) {
      await assert.rejects(closed.authenticate(login, other), refusal('overloaded'));
    }
    await store.accounts.lock(subject);
    await assert.rejects(closed.authenticate('ada', password), refusal('overloaded'));
  });

  test('with a password that is changed, or to an account that is locked or removed, meanwhile is refused', async () => {
    const meanwhile: [
      reason: string,
      happens: (accounts: AccountRegistry, subject: string) => Promise<unknown>,
    ][] = [
      ['account_changed', (accounts, subject) => accounts.setPassword(subject, other)],
      ['account_changed', (accounts, subject) => accounts.remove(subject)],
      ['account_locked', (accounts, subject) => accounts.lock(subject)],
    ];
    for (const [reason, happens] of meanwhile) {
      await using store = await openAccounts();
      const { records } = store;
      const { subject } = await store.accounts.add(adaRequest);
      const overtaken = store.another({
        records: {
          ...pathsTo(records),
          findByAlias: async <T>(kind: RecordKind, alias: string) => {
            const record = await records.findByAlias<T>(kind, alias);
            await happens(store.accounts, subject);
            return record;
          },
        },
      });
      assert.deepEqual(await overtaken.authenticate('ada', password), {
        outcome: 'refused',
        reason,
        subject,
      });
    }
  });

  test('succeeds with the hash as it was when the line is full at the moment of hashing anew', async () => {
    await using store = await openAccounts();
    const { records } = store;
    const { subject } = await store.accounts.add(adaRequest);
    let filling: Promise<unknown> = Promise.resolve();
    const crowded = store.another({
      hashing: { memoryKiB: 16, concurrency: 1, queueMax: 0 },
      records: {
        ...pathsTo(records),
        find: async <T>(kind: RecordKind, id: string) => {
          const record = await records.find<T>(kind, id);
          filling = crowded.add(named('eve'));
          return record;
        },
      },
    });
    assert.equal((await crowded.authenticate('ada', password)).outcome, 'authenticated');
    await filling;
    assert.match(await hashOf(store.accounts, subject), /\$m=8,/);
  });

  test('hashes the password anew when the cost has changed, which is no change of password', async () => {
    await using store = await openAccounts();
    const { subject, passwordChangedAt } = await store.accounts.add(adaRequest);
    store.clock.move(minutes(5));
    const dearer = store.another({ hashing: { memoryKiB: 16 } });
    assert.equal((await dearer.authenticate('ada', other)).outcome, 'refused');
    assert.match(await hashOf(store.accounts, subject), /\$m=8,/);
    assert.equal((await dearer.authenticate('ada', password)).outcome, 'authenticated');
    assert.match(await hashOf(store.accounts, subject), /\$m=16,/);
    const ada = (await store.accounts.findBySubject(subject)) as LivingAccount;
    assert.equal(ada.passwordChangedAt, passwordChangedAt);
    const settled = await hashOf(store.accounts, subject);
    assert.equal((await dearer.authenticate('ada', password)).outcome, 'authenticated');
    assert.equal(await hashOf(store.accounts, subject), settled);
  });
});

describe('an account', () => {
  test('that got another password answers to that one alone, and knows since when', async () => {
    await using store = await openAccounts();
    const { subject, createdAt } = await store.accounts.add(adaRequest);
    store.clock.move(minutes(5));
    const changed = await store.accounts.setPassword(subject, other);
    assert.equal(changed.passwordChangedAt, createdAt + minutes(5));
    assert.equal((await store.accounts.authenticate('ada', password)).outcome, 'refused');
    assert.equal((await store.accounts.authenticate('ada', other)).outcome, 'authenticated');
    await assert.rejects(
      store.accounts.setPassword(subject, new Secret('Ada@example.com')),
      refusal('password_personal'),
    );
  });

  test('that is locked while its password is set is locked and has the new password', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    await Promise.all([
      store.accounts.setPassword(subject, other),
      store.accounts.lock(subject),
      store.accounts.lock(subject),
    ]);
    assert.equal((await store.accounts.findBySubject(subject))?.state, 'locked');
    await store.accounts.unlock(subject);
    assert.equal((await store.accounts.authenticate('ada', other)).outcome, 'authenticated');
  });

  test('that is changed by many at once loses none of their changes', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    const passwords = Array.from({ length: 8 }, (_, index) => new Secret(`another good passphrase ${index}`));
    await Promise.all([
      store.accounts.lock(subject),
      ...passwords.map((each) => store.accounts.setPassword(subject, each)),
    ]);
    await store.accounts.unlock(subject);
    const answers = await Promise.all(passwords.map((each) => store.accounts.authenticate('ada', each)));
    assert.equal(answers.filter(({ outcome }) => outcome === 'authenticated').length, 1);
  });

  test('that is removed takes along what its person has agreed to, and nothing of anybody else', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    const consents = new Consents(store.records);
    const agreed = { ...NO_CONSENT, scope: ['openid', 'email'] };
    for (const clientId of ['web', 'mail']) await consents.remember(subject, clientId, agreed);
    await consents.remember('grace', 'web', agreed);
    await store.accounts.remove(subject);
    assert.deepEqual(await Array.fromAsync(consents.listOf(subject)), []);
    assert.equal(await consents.find(subject, 'web'), null);
    assert.deepEqual(await Array.fromAsync(consents.listOf('grace')), [{ clientId: 'web', consent: agreed }]);
  });

  test('that is removed leaves its subject taken, its names free and nothing personal behind', async () => {
    await using store = await openAccounts();
    const { subject, createdAt } = await store.accounts.add(adaRequest);
    store.clock.move(minutes(5));
    await store.accounts.remove(subject);
    const remains = { state: 'deleted', subject, createdAt, deletedAt: createdAt + minutes(5) };
    assert.deepEqual(await store.accounts.findBySubject(subject), remains);
    assert.deepEqual((await store.records.find('account', subject))?.value, remains);
    assert.equal(await store.accounts.findByLogin('ada'), null);
    assert.equal(await store.accounts.findByLogin('ada@example.com'), null);
    const next = await store.accounts.add(adaRequest);
    assert.notEqual(next.subject, subject);
  });

  test('that is not there, or no more, cannot be changed', async () => {
    await using store = await openAccounts();
    const { subject } = await store.accounts.add(adaRequest);
    await store.accounts.remove(subject);
    for (const gone of [subject, 'nobody']) {
      await assert.rejects(store.accounts.lock(gone), refusal('account_not_found'));
      await assert.rejects(store.accounts.unlock(gone), refusal('account_not_found'));
      await assert.rejects(store.accounts.setPassword(gone, other), refusal('account_not_found'));
      await assert.rejects(store.accounts.remove(gone), refusal('account_not_found'));
    }
  });

  test('is listed once while it belongs to somebody, a page at a time', async () => {
    await using store = await openAccounts();
    const names = Array.from({ length: 7 }, (_, index) => `user${index}`);
    const added = await Promise.all(names.map((name) => store.accounts.add(named(name))));
    await store.accounts.remove(added[3]?.subject ?? '');
    await store.accounts.lock(added[4]?.subject ?? '');
    const listed: string[] = [];
    let after: string | null = null;
    do {
      const page = await store.accounts.list({ limit: 2, ...(after === null ? {} : { after }) });
      assert.ok(page.accounts.length <= 2);
      listed.push(...page.accounts.map(({ username }) => username));
      after = page.next;
    } while (after !== null);
    assert.deepEqual(
      listed.sort(),
      names.filter((name) => name !== 'user3'),
    );
  });
});

/** The store as it is, for a test that puts something in the way of one call. */
function pathsTo(records: AccountRecords): AccountRecords {
  return {
    find: (kind, id) => records.find(kind, id),
    findByAlias: (kind, alias) => records.findByAlias(kind, alias),
    put: (record) => records.put(record),
    list: (kind, page) => records.list(kind, page),
    settled: () => records.settled(),
  };
}

async function hashOf(accounts: AccountRegistry, subject: string): Promise<string> {
  const account = await accounts.findBySubject(subject);
  assert.ok(account !== null && account.state !== 'deleted');
  return account.passwordHash.reveal();
}

function withoutHash({ passwordHash, ...rest }: LivingAccount) {
  return { ...rest, hash: passwordHash.reveal() };
}
