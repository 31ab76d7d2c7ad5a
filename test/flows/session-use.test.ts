import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { epochSeconds, minutes } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { type StoredSession, storedSessions, writeSession } from '#test/support/sessions.ts';

describe('what a session remembers of its use', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let other: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    other = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Other', scope: 'openid' }));
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function onlySession(): Promise<StoredSession> {
    const [session, ...more] = (await storedSessions(keyturn)).filter(({ value }) => value.accountId);
    assert.ok(session !== undefined && more.length === 0);
    return session;
  }

  /** Lets the session have been used so much earlier than it was. */
  async function used(session: StoredSession, ago: number): Promise<StoredSession> {
    const { seen } = session.value;
    assert.ok(seen);
    const value = { ...session.value, seen: { ...seen, at: epochSeconds(seen.at - ago) } };
    await writeSession(keyturn, { ...session, value });
    return onlySession();
  }

  test('is not written again for a client that it knows, and is used all the same', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const signedIn = await onlySession();
    await web.signIn(person, ada);
    const after = await onlySession();
    // The same person, and the same cookie.
    assert.equal(after.id, signedIn.id);
    // A minute may have passed on a slow machine; then it is written, once.
    const late = (after.value.seen?.at ?? 0) - (signedIn.value.seen?.at ?? 0) >= minutes(1);
    if (!late) assert.equal(after.version, signedIn.version);

    const longAgo = await used(after, minutes(10));
    await web.signIn(person, ada);
    const again = await onlySession();
    assert.ok(again.version > longAgo.version, 'nobody is told that it was used again');
    assert.ok((again.value.seen?.at ?? 0) > (longAgo.value.seen?.at ?? 0));

    await other.signIn(person, ada);
    const known = (await onlySession()).value.authorizations ?? {};
    const told = Object.values(known).filter(({ persistsLogout }) => persistsLogout === true);
    assert.equal(told.length, 2, 'a further client is not known to the session');
  });
});
