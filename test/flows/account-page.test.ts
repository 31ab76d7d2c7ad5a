import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import { hours } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { ageSession, storedSessions } from '#test/support/sessions.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/20.0 Mobile/15E148 Safari/604.1';

let keyturn: Keyturn;
let wiki: RelyingParty;
let number = 0;

before(async () => {
  keyturn = await startKeyturnHere();
  await keyturn.addResourceServer({ name: 'Library', scopeMeanings: { read: 'Read what you borrowed' } });
  wiki = await RelyingParty.discover(
    keyturn,
    await keyturn.addClient({
      name: 'Team Wiki',
      scope: 'openid profile email offline_access read',
      clientUri: 'https://wiki.example.com/',
    }),
  );
});
after(() => keyturn[Symbol.asyncDispose]());

/** Somebody new, with a browser in which nobody is signed in yet. */
async function somebody(userAgent = FIREFOX) {
  number += 1;
  const { account, password } = await keyturn.addAccount(`person-${number}`);
  return { person: new Person({ 'user-agent': userAgent }), account, login: account.username, password };
}

const at = (path: string) => `${keyturn.issuer}/account${path}`;

async function signInAt(path: string, { person, login, password }: Awaited<ReturnType<typeof somebody>>) {
  return person.submit(await person.visit(at(path)), '/sign-in', { login, password });
}

const isActive = async (token: string) => (await wiki.introspect(token)).active;

function assertShows(page: Visit, path: string, words: RegExp): void {
  assert.equal(page.response.status, 200, page.html);
  assert.equal(page.url.pathname, `/account${path}`);
  assert.match(page.html, words);
}

describe('the page of an account', () => {
  test('asks whoever is not signed in to do so, and for no consent, and then shows who they are', async () => {
    const ada = await somebody();
    const asked = await ada.person.visit(at(''));
    assert.match(asked.url.pathname, /^\/interaction\//);
    assertShows(
      await signInAt('', ada),
      '',
      new RegExp(`signed in as.*${ada.login}.*${ada.login}@example.com`, 's'),
    );
  });

  test('leads back to the section that was asked for, and never anywhere else', async () => {
    for (const section of ['/sessions', '/applications', '/password']) {
      const ada = await somebody();
      assert.equal((await signInAt(section, ada)).url.pathname, `/account${section}`);
    }
    const ada = await somebody();
    await signInAt('', ada);
    for (const state of ['https://evil.example.com', '//evil.example.com', 'constructor', '']) {
      const { url, leftTo } = await ada.person.visit(at(`/signed-in?${new URLSearchParams({ state })}`));
      assert.deepEqual([url.pathname, leftTo], ['/account', null], state);
    }
  });

  test('wants no second sign-in of somebody who signed in for a client', async () => {
    const ada = await somebody();
    await wiki.signIn(ada.person, ada);
    assertShows(await ada.person.visit(at('')), '', /Your account/);
  });

  test('takes whoever cancels the sign-in to the front page', async () => {
    const { person } = await somebody();
    const { url } = await person.submit(await person.visit(at('')), '/cancel');
    assert.equal(url.pathname, '/');
  });

  test('goes in no circles for a browser that keeps no session', async () => {
    const { response } = await new Person().visit(at('/signed-in?code=x&state=overview'));
    assert.equal(response.status, 400);
  });

  test('speaks German to whoever prefers it', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    const { html } = await ada.person.visit(at('/sessions'), {
      headers: { 'accept-language': 'de-AT,de;q=0.9' },
    });
    assert.match(html, /Wo Sie angemeldet sind/);
  });

  test('is kept by no cache, framed by no page, and posts nowhere but to this server', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    const { response } = await ada.person.visit(at('/password'));
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /form-action 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /script-src/);
  });

  test('shows nothing to a session that has ended in any way', async () => {
    for (const end of [
      (subject: string) => keyturn.services.accounts.signOutEverywhere(subject),
      (subject: string) => keyturn.services.accounts.lock(subject),
      (subject: string) => keyturn.services.sessions.endAllOf(subject),
    ]) {
      const ada = await somebody();
      await signInAt('', ada);
      await end(ada.account.subject);
      assert.match((await ada.person.visit(at(''))).url.pathname, /^\/interaction\//);
    }
  });

  test('takes no form that it has not made for this session, and none of another kind', async () => {
    const [ada, eve] = [await somebody(), await somebody()];
    await signInAt('', ada);
    const eves = await signInAt('/sessions', eve);
    await wiki.signIn(new Person(), eve);
    const csrf =
      /name="csrf" value="([^"]+)"/.exec((await eve.person.visit(at('/sessions'))).html)?.[1] ?? '';
    assert.notEqual(csrf, '');
    assert.equal(eves.response.status, 200);
    for (const path of ['/sessions/end', '/sessions/end-others', '/applications/revoke', '/password']) {
      for (const token of ['', 'guessed', csrf]) {
        const body = new URLSearchParams({ csrf: token, session: 'x', client: 'x' });
        const { response } = await ada.person.visit(at(path), { method: 'POST', body });
        assert.equal(response.status, 403, `${path} ${token}`);
      }
      const { response } = await ada.person.visit(at(path), { method: 'POST', body: '{}' });
      assert.equal(response.status, 415, path);
    }
    for (const path of ['/sessions/end', '/sessions/end-others', '/applications/revoke']) {
      const { response } = await ada.person.visit(at(path));
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
    }
  });
});

describe('where somebody is signed in', () => {
  test('is shown with its browser, its system and its neighbourhood, this browser first and marked', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    await wiki.signIn(new Person({ 'user-agent': SAFARI }), ada);
    const { html } = await ada.person.visit(at('/sessions'));
    const text = html.replaceAll(/<[^>]+>/g, ' ');
    assert.match(text, /Firefox on Linux\s+This browser.*127\.0\.0\.0\/24.*Safari on iPhone/s);
    assert.equal(text.match(/This browser/g)?.length, 1);
  });

  test('one is ended with its tokens, the others are not', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    const phone = new Person({ 'user-agent': SAFARI });
    const onPhone = await wiki.signIn(phone, ada);
    const here = await wiki.signIn(ada.person, ada);
    const page = await ada.person.submit(await ada.person.visit(at('/sessions')), '/sessions/end');
    assertShows(page, '/sessions', /Done/);
    assert.doesNotMatch(page.html, /Safari/);
    assert.deepEqual(
      [await isActive(onPhone.access_token), await isActive(here.access_token)],
      [false, true],
    );
    const { url } = await wiki.request({ prompt: 'none' });
    assert.equal((await phone.visit(url)).leftTo?.searchParams.get('error'), 'login_required');
  });

  test('all others are ended at once, and this one stays', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    const elsewhere = await Promise.all([1, 2, 3].map(() => wiki.signIn(new Person(), ada)));
    const page = await ada.person.submit(await ada.person.visit(at('/sessions')), '/sessions/end-others');
    assertShows(page, '/sessions', /Done/);
    assert.equal((await keyturn.services.sessions.listOf(ada.account.subject)).length, 1);
    for (const { access_token } of elsewhere) assert.equal(await isActive(access_token), false);
  });

  test('a session of somebody else cannot be ended, though its identifier is known', async () => {
    const [ada, grace] = [await somebody(), await somebody()];
    await signInAt('', ada);
    await wiki.signIn(new Person(), ada);
    await signInAt('', grace);
    const [session] = await keyturn.services.sessions.listOf(grace.account.subject);
    await ada.person.submit(await ada.person.visit(at('/sessions')), '/sessions/end', {
      session: session?.uid ?? '',
    });
    assertShows(await grace.person.visit(at('')), '', /Your account/);
  });
});

describe('which applications have access', () => {
  test('is shown with what they were allowed, and this server is none of them', async () => {
    const ada = await somebody();
    await wiki.signIn(ada.person, ada, { scope: 'openid email offline_access read', prompt: 'consent' });
    const { html } = await ada.person.visit(at('/applications'));
    const text = html.replaceAll(/<[^>]+>/g, ' ');
    assert.match(text, /Team Wiki\s+wiki\.example\.com/);
    assert.match(text, /See your e-mail address.*Library.*Read what you borrowed/s);
    assert.match(text, /Goes on while you are signed out/);
    assert.doesNotMatch(html, new RegExp(ACCOUNT_CLIENT_ID));
  });

  test('access that is taken away ends every token, those for offline access too, and the consent', async () => {
    const ada = await somebody();
    const offline = await wiki.signIn(ada.person, ada, { scope: 'openid offline_access', prompt: 'consent' });
    const elsewhere = await wiki.signIn(new Person(), ada);
    const page = await ada.person.submit(await ada.person.visit(at('/applications')), '/applications/revoke');
    assertShows(page, '/applications', /No application has access/);
    for (const { access_token, refresh_token } of [offline, elsewhere]) {
      assert.equal(await isActive(access_token), false);
      await assert.rejects(wiki.refresh(refresh_token ?? ''), { error: 'invalid_grant' });
    }
    const again = await ada.person.visit((await wiki.request()).url);
    assert.match(again.html, /\/consent"/, 'it has to ask again');
  });

  test('taking it away from one leaves another alone', async () => {
    const ada = await somebody();
    const mail = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Mail' }));
    const [wikis, mails] = [await wiki.signIn(ada.person, ada), await mail.signIn(ada.person, ada)];
    const client = wiki.configuration.clientMetadata().client_id;
    await ada.person.submit(await ada.person.visit(at('/applications')), '/applications/revoke', { client });
    assert.deepEqual(
      [await isActive(wikis.access_token), (await mail.introspect(mails.access_token)).active],
      [false, true],
    );
  });
});

test('what is no application of the person is passed over, and does not get into the log', async () => {
  const ada = await somebody();
  const tokens = await wiki.signIn(ada.person, ada);
  const client = 'x'.repeat(10_000);
  await ada.person.submit(await ada.person.visit(at('/applications')), '/applications/revoke', { client });
  assert.equal(await isActive(tokens.access_token), true);
  assert.ok(!keyturn.logged.some((line) => line.includes(client)));
});

describe('changing the password', () => {
  const NEW = 'another quick brown fox';
  const change = async (person: Person, fields: Record<string, string>) =>
    person.submit(await person.visit(at('/password')), '/account/password', fields);

  test('takes the current one and the new one twice, signs out everywhere else, and stays signed in here', async () => {
    const ada = await somebody();
    await signInAt('/password', ada);
    const phone = new Person();
    const tokens = await wiki.signIn(phone, ada);
    const page = await change(ada.person, { current: ada.password, new: NEW, repeat: NEW });
    assertShows(page, '/password', /has been changed/);
    assert.equal(await isActive(tokens.access_token), false);
    assert.match((await phone.visit(at(''))).url.pathname, /^\/interaction\//);
    assertShows(await ada.person.visit(at('/sessions')), '/sessions', /This browser/);
    assert.equal((await keyturn.services.sessions.listOf(ada.account.subject)).length, 1);
    await wiki.signIn(new Person(), { ...ada, password: NEW });
    await wiki.signIn(ada.person, { ...ada, password: 'not asked for here' });
  });

  test('gives the browser another session, of which whoever had the cookie before knows nothing', async () => {
    const ada = await somebody();
    await signInAt('/password', ada);
    const before = ada.person.cookieValues();
    await change(ada.person, { current: ada.password, new: NEW, repeat: NEW });
    const [after] = ada.person.cookieValues().filter((value) => !before.includes(value));
    assert.notEqual(after, undefined);
  });

  const REFUSALS = [
    ['a wrong current password', 401, /not your current/, { current: 'wrong' }],
    ['no current password', 400, /enter your current/, { current: '' }],
    ['no new password', 400, /enter your current/, { new: '', repeat: '' }],
    ['two that differ', 400, /same way twice/, { repeat: 'another slow brown fox' }],
    ['one that is too short', 400, /at least 8/, { new: 'short', repeat: 'short' }],
    ['one that is too long', 400, /256/, { new: 'long '.repeat(60), repeat: 'long '.repeat(60) }],
    ['one that everybody has', 400, /many people/, { new: 'password123', repeat: 'password123' }],
    ['one that repeats itself', 400, /repeats itself/, { new: 'abababababab', repeat: 'abababababab' }],
  ] as const;
  for (const [what, status, words, fields] of REFUSALS) {
    test(`is refused for ${what}, and nothing has changed`, async () => {
      const ada = await somebody();
      await signInAt('/password', ada);
      const page = await change(ada.person, { current: ada.password, new: NEW, repeat: NEW, ...fields });
      assert.equal(page.response.status, status);
      assert.match(page.html, words);
      assert.doesNotMatch(page.html, new RegExp(`${ada.password}|${NEW}`), 'no password comes back');
      assertShows(await ada.person.visit(at('')), '', /Your account/);
      await wiki.signIn(new Person(), ada);
    });
  }

  test('guesses at the current password are throttled like any others', async () => {
    const ada = await somebody();
    await signInAt('/password', ada);
    for (let guess = 0; guess < 10; guess += 1) {
      await change(ada.person, { current: 'wrong', new: NEW, repeat: NEW });
    }
    const page = await change(ada.person, { current: ada.password, new: NEW, repeat: NEW });
    assert.equal(page.response.status, 429);
    assert.ok(Number(page.response.headers.get('retry-after')) > 0);
    assert.match(page.html, /too many attempts/);
  });
});

describe('a sign-in that was long ago', () => {
  test('shows the page, and is to be repeated before something is changed', async () => {
    const ada = await somebody();
    await signInAt('', ada);
    await signInAt('', { ...ada, person: new Person() });
    for (const session of await storedSessions(keyturn)) {
      if (session.value.accountId === ada.account.subject) await ageSession(keyturn, session, hours(1));
    }
    const sessions = await ada.person.visit(at('/sessions'));
    assert.equal(sessions.url.pathname, '/account/sessions');
    const asked = await ada.person.submit(sessions, '/sessions/end-others');
    assert.match(asked.url.pathname, /^\/interaction\//);
    const { login, password } = ada;
    const back = await ada.person.submit(asked, '/sign-in', { login, password });
    assert.equal(back.url.pathname, '/account/sessions');
    assert.match((await ada.person.submit(back, '/sessions/end-others')).html, /Done/);
  });
});

test('what people change is logged, with who and from where', async () => {
  const ada = await somebody();
  await signInAt('', ada);
  await wiki.signIn(new Person(), ada);
  await ada.person.submit(await ada.person.visit(at('/sessions')), '/sessions/end-others');
  const entries = keyturn.logged.map((line) => JSON.parse(line));
  const entry = entries.findLast(({ msg }) => msg === 'account page');
  assert.deepEqual([entry.subject, entry.change], [ada.account.subject, 'ended all other sessions']);
});

test(`nobody can register the client ${ACCOUNT_CLIENT_ID}, and no code that it gets is redeemed`, async () => {
  await assert.rejects(keyturn.addClient({ clientId: ACCOUNT_CLIENT_ID }), { code: 'client_id_taken' });
  const ada = await somebody();
  const asked = await ada.person.visit(at(''));
  const answered = await ada.person.submit(asked, '/sign-in', { login: ada.login, password: ada.password });
  assert.equal(answered.url.search, '', 'the code is in no address that stays');
});
