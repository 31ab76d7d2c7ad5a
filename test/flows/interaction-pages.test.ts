import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { assertDiscreet, assertRefused } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const form = (fields: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(fields) });
const csrfOf = (page: Visit) => /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
const uidOf = (page: Visit) => /\/interaction\/([^/"]+)/.exec(page.html)?.[1] ?? '';
const sessionOf = (response: Response) =>
  response.headers.getSetCookie().find((cookie) => /^(__Host-)?keyturn-session=/.test(cookie));

describe('the sign-in and consent pages', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let other: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_TRUST_PROXY: '1' });
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid profile' }));
    other = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Other', scope: 'openid' }));
  });
  after(() => stopFaultless(keyturn));

  /** A person before the sign-in page. */
  async function arrive(parameters: Record<string, string> = {}, party = web) {
    const person = new Person();
    const { url, checks } = await party.request(parameters);
    const page = await person.visit(url);
    assert.match(page.html, /\/sign-in"/);
    return { person, page, url, checks, uid: uidOf(page) };
  }
  const at = (path: string) => `${keyturn.issuer}${path}`;

  function assertPage({ response, html, leftTo }: Visit, status: number) {
    assert.equal(leftTo, null);
    assertRefused(response.status, html);
    assert.equal(response.status, status, html);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
  }

  test('a form without its anti-forgery token, or with one of another interaction, does nothing', async () => {
    const { person, page, uid } = await arrive();
    const elsewhere = await arrive();
    const right = csrfOf(page);
    for (const csrf of [
      '',
      'x',
      right.slice(1),
      right.toUpperCase(),
      `${right}A`,
      csrfOf(elsewhere.page),
      '\u0000',
      '__proto__',
    ]) {
      for (const action of ['sign-in', 'consent', 'cancel']) {
        assertPage(await person.visit(at(`/interaction/${uid}/${action}`), form({ ...ada, csrf })), 403);
      }
    }
    const twice = new URLSearchParams([
      ['csrf', right],
      ['csrf', right],
      ['login', 'ada'],
      ['password', ada.password],
    ]);
    assertPage(await person.visit(at(`/interaction/${uid}/sign-in`), { method: 'POST', body: twice }), 403);
    assertPage(
      await person.visit(at(`/interaction/${uid}/cancel`), {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      }),
      415,
    );
    const agreed = await person.submit(page, '/sign-in', ada);
    assert.ok(agreed.leftTo !== null || agreed.html.includes('/consent"'), 'and the right one still works');
  });

  test("another browser's interaction is none of one's own, with its anti-forgery token or without", async () => {
    const { person, page, uid } = await arrive();
    const stranger = new Person();
    const withOwn = (await arrive()).person;
    for (const thief of [stranger, withOwn]) {
      assertPage(await thief.visit(at(`/interaction/${uid}`)), 400);
      for (const action of ['sign-in', 'consent', 'cancel']) {
        assertPage(
          await thief.visit(at(`/interaction/${uid}/${action}`), form({ ...ada, csrf: csrfOf(page) })),
          400,
        );
      }
      assertPage(await thief.visit(at(`/authorize/${uid}`)), 400);
    }
    assert.ok((await person.visit(at(`/interaction/${uid}`))).html.includes('/sign-in"'));
  });

  test('a form sent twice, at once or after the end, does no harm', async () => {
    const { person, page, checks } = await arrive();
    const [first, second] = await Promise.all([
      person.submit(page, '/sign-in', ada),
      person.submit(page, '/sign-in', ada),
    ]);
    for (const { response, html } of [first, second]) {
      assert.ok(response.status < 500, html);
      assertDiscreet(html);
    }
    const consent = [first, second].find(({ html }) => html.includes('/consent"'));
    assert.ok(consent);
    const { leftTo } = await person.submit(consent, '/consent');
    assert.ok(leftTo);
    await web.redeem(leftTo, checks);
    assertPage(await person.submit(page, '/sign-in', ada), 400);
    assertPage(await person.submit(page, '/cancel'), 400);
    assertPage(await person.submit(consent, '/consent'), 400);
  });

  test("going back, reloading and opening a form's own address show the page that is due, and in the end a friendly one", async () => {
    const { person, page, uid } = await arrive();
    const wrong = await person.submit(page, '/sign-in', { login: 'ada', password: 'guessed' });
    assert.equal(wrong.response.status, 401);
    for (const path of [
      `/interaction/${uid}`,
      `/interaction/${uid}/sign-in`,
      `/interaction/${uid}/consent`,
      `/interaction/${uid}/cancel`,
    ]) {
      const again = await person.visit(at(path));
      assert.equal(again.response.status, 200, path);
      assert.match(again.html, /\/sign-in"/);
    }
    const { leftTo } = await person.submit(page, '/sign-in', ada);
    assert.ok(leftTo, 'the consent of before is remembered');
    for (const path of [`/interaction/${uid}`, `/interaction/${uid}/sign-in`, `/authorize/${uid}`])
      assertPage(await person.visit(at(path)), 400);
  });

  test('whoever declines is sent back to the client with access_denied (RFC 6749 section 4.1.2.1)', async () => {
    const { person, page, checks } = await arrive();
    const { leftTo } = await person.submit(page, '/cancel');
    assert.equal(leftTo?.searchParams.get('error'), 'access_denied');
    assert.equal(leftTo?.searchParams.get('state'), checks.expectedState);
    assert.equal(leftTo?.searchParams.get('iss'), keyturn.issuer);
    assertPage(await person.submit(page, '/sign-in', ada), 400);
  });

  test('the answer does not tell whether there is such an account', async () => {
    await keyturn.addAccount('locked').then(({ account }) => keyturn.services.accounts.lock(account.subject));
    const told = async (login: string) => {
      const { person, page, uid } = await arrive();
      const { response, html } = await person.submit(page, '/sign-in', {
        login,
        password: 'guessed, and wrong',
      });
      const headers = Object.fromEntries(
        [...response.headers].filter(([name]) => !['x-request-id', 'date', 'set-cookie'].includes(name)),
      );
      return {
        status: response.status,
        headers,
        html: html
          .replaceAll(uid, 'UID')
          .replaceAll(csrfOf({ html } as Visit), 'CSRF')
          .replaceAll(login, 'LOGIN'),
      };
    };
    const known = await told('ada');
    assert.equal(known.status, 401);
    const length = (it: typeof known) => Number(it.headers['content-length']);
    for (const login of [
      'nobody',
      'locked',
      'no@body.example',
      'nobody\u0000',
      '\u{1f600}',
      "' OR 1=1 --",
      '__proto__',
    ]) {
      const unknown = await told(login);
      assert.equal(unknown.status, known.status, login);
      assert.deepEqual(
        { ...unknown.headers, 'content-length': '' },
        { ...known.headers, 'content-length': '' },
      );
      if (/^[\w@.]+$/.test(login)) {
        assert.equal(unknown.html, known.html, login);
        assert.equal(length(unknown) - length(known), login.length - 'ada'.length);
      }
    }
  });

  test('what is typed comes back as text and never as markup, and the password never', async () => {
    const { person, page } = await arrive();
    const typed = '"><script>alert(1)</script>';
    const { html } = await person.submit(page, '/sign-in', { login: typed, password: 'a secret word' });
    assert.doesNotMatch(html, /<script>alert/);
    assert.doesNotMatch(html, /a secret word/);
  });

  test('empty, missing, doubled and enormous fields are asked for again', async () => {
    const { person, page, uid } = await arrive();
    for (const [fields, status] of [
      [{ login: '', password: '' }, 400],
      [{ login: 'ada', password: '' }, 400],
      [{ login: ' ', password: 'x' }, 400],
      [{ login: 'a'.repeat(20_000), password: 'x' }, 401],
      [{ login: 'nobody', password: 'x'.repeat(20_000) }, 401],
      [{ login: 'nobody', password: '\u0000' }, 401],
      [{ login: '\ud800', password: '\ud800' }, 401],
    ] as const) {
      assertPage(await person.submit(page, '/sign-in', fields), status);
    }
    assertPage(await person.visit(at(`/interaction/${uid}/sign-in`), form({ csrf: csrfOf(page) })), 400);
    assertPage(
      await person.visit(
        at(`/interaction/${uid}/sign-in`),
        form({ csrf: csrfOf(page), 'login[]': 'ada', 'password[a]': 'x' }),
      ),
      400,
    );
    assertPage(
      await person.visit(
        at(`/interaction/${uid}/sign-in`),
        form({ ...ada, csrf: csrfOf(page), more: 'x'.repeat(60_000) }),
      ),
      413,
    );
  });

  test('the session changes its identifier at sign-in, so that none can be planted beforehand', async () => {
    const { person, page } = await arrive();
    const planted = sessionOf(page.response);
    const end = await signInAndWatch(person, page);
    assert.ok(end.sessions.length > 0);
    const values = new Set(
      [planted, ...end.sessions]
        .filter((cookie) => cookie !== undefined)
        .map((cookie) => cookie.split(';')[0]),
    );
    assert.ok(values.size >= 1);
    if (planted !== undefined)
      assert.ok(!end.sessions.some((cookie) => cookie.split(';')[0] === planted.split(';')[0]));
    const again = await web.request({ prompt: 'login' });
    const second = await signInAndWatch(person, await person.visit(again.url));
    assert.notEqual(
      second.sessions.at(-1)?.split(';')[0],
      end.sessions.at(-1)?.split(';')[0],
      'and at the next sign-in again',
    );
  });

  /** Signs in by hand, one request at a time, and keeps the session cookies that are set on the way. */
  async function signInAndWatch(person: Person, page: Visit) {
    const sessions: string[] = [];
    const original = globalThis.fetch;
    globalThis.fetch = async (...args) => {
      const response = await original(...args);
      const cookie = sessionOf(response);
      if (cookie !== undefined) sessions.push(cookie);
      return response;
    };
    try {
      let end = await person.submit(page, '/sign-in', ada);
      if (end.leftTo === null) end = await person.submit(end, '/consent');
      assert.ok(end.leftTo?.searchParams.has('code'), end.html);
    } finally {
      globalThis.fetch = original;
    }
    return { sessions };
  }

  test('a cookie that was made up, or signed for another name, is no session', async () => {
    const { url } = await web.request({ prompt: 'none' });
    for (const cookie of [
      'keyturn-session=x',
      'keyturn-session=x; keyturn-session.sig=y',
      'keyturn-session=__proto__; keyturn-session.sig=',
      'keyturn-session="\\',
      '=;=;',
      'keyturn-session=%00%ff',
      `keyturn-session=${'x'.repeat(20_000)}`,
    ]) {
      const response = await fetch(url, { headers: { cookie }, redirect: 'manual' });
      assert.equal(response.status, 303, cookie);
      assert.match(response.headers.get('location') ?? '', /error=login_required/);
    }
  });

  test('two tabs that sign in at once both get to their client', async () => {
    const person = new Person();
    const [one, two] = await Promise.all([web.request(), other.request()]);
    const [first, second] = [await person.visit(one.url), await person.visit(two.url)];
    const finish = async (page: Visit) => {
      const next = await person.submit(page, '/sign-in', ada);
      return next.leftTo ?? (await person.submit(next, '/consent')).leftTo;
    };
    const [forWeb, forOther] = await Promise.all([finish(first), finish(second)]);
    assert.ok(forWeb && forOther);
    assert.ok((await web.redeem(forWeb, one.checks)).access_token);
    assert.ok((await other.redeem(forOther, two.checks)).access_token);
  });

  test('a locked account with a living session is asked to sign in anew, and an unlocked one goes on', async () => {
    const { account, password } = await keyturn.addAccount('grace');
    const person = new Person();
    await web.signIn(person, { login: 'grace', password });
    await keyturn.services.accounts.lock(account.subject);
    assert.match((await person.visit((await web.request()).url)).html, /\/sign-in"/);
    const silent = await person.visit((await web.request({ prompt: 'none' })).url);
    assert.equal(silent.leftTo?.searchParams.get('error'), 'login_required');
    const refused = await person.submit(await person.visit((await web.request()).url), '/sign-in', {
      login: 'grace',
      password,
    });
    assert.equal(refused.response.status, 401);
    await keyturn.services.accounts.unlock(account.subject);
    assert.ok(
      (await person.visit((await web.request({ prompt: 'none' })).url)).leftTo?.searchParams.has('code'),
    );
  });

  test('an account that is locked between sign-in and consent gets no further', async () => {
    const { account, password } = await keyturn.addAccount('joan');
    const { person, page } = await arrive();
    const consent = await person.submit(page, '/sign-in', { login: 'joan', password });
    assert.match(consent.html, /\/consent"/);
    await keyturn.services.accounts.lock(account.subject);
    const next = await person.submit(consent, '/consent');
    assert.ok(next.leftTo === null || next.leftTo.searchParams.has('error'), String(next.leftTo));
    assert.ok(next.response.status < 500, next.html);
  });

  test('a client that is removed while someone signs in ends the sign-in, without a fault', async () => {
    const added = await keyturn.addClient({ name: 'Gone', scope: 'openid' });
    const { person, page, uid } = await arrive({}, await RelyingParty.discover(keyturn, added));
    await keyturn.services.clients.remove(added.client.clientId);
    assertPage(await person.visit(at(`/interaction/${uid}`)), 400);
    assertPage(await person.submit(page, '/sign-in', ada), 400);
    assertPage(await person.visit(at(`/authorize/${uid}`)), 400);
  });

  test('who guesses too often is told when to come back, and not even the right password is looked at (NIST SP 800-63B section 3.2.2)', async () => {
    await keyturn.addAccount('alan');
    const person = new Person();
    const { url } = await web.request();
    const page = await person.visit(url);
    for (let guess = 0; guess < 10; guess += 1) {
      assert.equal(
        (await person.submit(page, '/sign-in', { login: 'alan', password: `guess ${guess}` })).response
          .status,
        401,
      );
    }
    const throttled = await person.submit(page, '/sign-in', {
      login: ' ALAN',
      password: 'the quick brown fox of tests',
    });
    assertPage(throttled, 429);
    const retryAfter = Number(throttled.response.headers.get('retry-after'));
    assert.ok(retryAfter > 0 && retryAfter <= 900, String(retryAfter));
    assert.equal(
      (await person.submit(page, '/sign-in', { login: 'nobody at all', password: 'x' })).response.status,
      401,
      'others may go on',
    );
  });
});
