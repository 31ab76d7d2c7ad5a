import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { hours, minutes } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { ageSession, type StoredSession, storedSessions } from '#test/support/sessions.ts';

/** What a slow machine may take between two steps of a test, in seconds. */
const SLACK = 60;

describe('how long a sign-in in the browser lasts (lifetimes.session)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_LIFETIMES_SESSION: '12h',
      KEYTURN_LIFETIMES_INTERACTION: '30m',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const sessions = () => storedSessions(keyturn);

  /** The session that a sign-in of this person begins. */
  async function sessionOf(person: Person): Promise<StoredSession> {
    const before = new Set((await sessions()).map(({ value }) => value.uid));
    await web.signIn(person, ada);
    const [session] = (await sessions()).filter(({ value }) => !before.has(value.uid));
    assert.ok(session);
    return session;
  }

  async function withUid(uid: string): Promise<StoredSession> {
    const session = (await sessions()).find(({ value }) => value.uid === uid);
    assert.ok(session);
    return session;
  }

  async function askSilently(person: Person): Promise<string | null | undefined> {
    const { url } = await web.request({ prompt: 'none' });
    return (await person.visit(url)).leftTo?.searchParams.get('error');
  }

  test('is counted from the sign-in, however often it is used', async () => {
    const person = new Person();
    const session = await sessionOf(person);
    await ageSession(keyturn, session, hours(11));
    assert.equal(await askSilently(person), null);
    const used = await withUid(session.value.uid);
    const ends = (session.value.loginTs ?? Number.NaN) + hours(1);
    assert.ok(Math.abs((used.expiresAt ?? 0) - ends) <= 1, `${used.expiresAt} is not ${ends}`);
    await ageSession(keyturn, used, hours(1));
    assert.equal(await askSilently(person), 'login_required');
    await web.signIn(person, ada);
    assert.equal(await askSilently(person), null);
  });

  test('lets somebody answer who was asked as it ended, however long that takes', async () => {
    const person = new Person();
    const session = await sessionOf(person);
    await ageSession(keyturn, session, hours(12));
    const { url, checks } = await web.request();
    const page = await person.visit(url);
    assert.match(page.html, /sign-in"/);
    const { expiresAt } = await withUid(session.value.uid);
    assert.ok((expiresAt ?? 0) >= systemClock.now() + minutes(30) - SLACK, 'not as long as the page');
    const { leftTo } = await person.submit(page, '/sign-in', ada);
    assert.ok(leftTo);
    await web.redeem(leftTo, checks);
  });

  test('no longer than the pages, where nobody has signed in', async () => {
    const before = new Set((await sessions()).map(({ id }) => id));
    await (await fetch(`${keyturn.issuer}/logout`)).text();
    const [anonymous, ...others] = (await sessions()).filter(({ id }) => !before.has(id));
    assert.equal(others.length, 0);
    assert.ok((anonymous?.expiresAt ?? Number.NaN) <= systemClock.now() + minutes(30));
  });
});
