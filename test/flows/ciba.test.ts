import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import { type Seconds, seconds } from '#src/units.ts';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { ageSession, storedSessions } from '#test/support/sessions.ts';

const API = 'https://api.example.com';

describe('client-initiated backchannel authentication (OpenID Connect CIBA Core)', () => {
  let keyturn: Keyturn;
  let bank: BackchannelClient;
  const ada = { login: 'ada', password: '' };
  let subject: string;

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_BACKCHANNEL_ENABLED: 'true',
      KEYTURN_THROTTLE_BACKCHANNEL_WAITING: '100',
      KEYTURN_THROTTLE_BACKCHANNEL_ASKED: '1000',
    });
    const added = await keyturn.addAccount('ada');
    ada.password = added.password;
    subject = added.account.subject;
    await keyturn.addResourceServer({ name: 'Payments', scopeMeanings: { read: 'See your balance' } });
    bank = await BackchannelClient.register(keyturn);
  });
  after(() => stopFaultless(keyturn));

  const requestsPage = () => `${keyturn.issuer}/account/requests`;

  /** Opens the page of requests, signing in if that is asked for. */
  async function open(person: Person, credentials = ada): Promise<Visit> {
    const page = await person.visit(requestsPage());
    return page.html.includes('/sign-in"') ? person.submit(page, '/sign-in', credentials) : page;
  }

  /** The forms of the page answer the oldest request unless another is named. */
  async function answer(person: Person, how: 'approve' | 'deny', credentials = ada): Promise<Visit> {
    return person.submit(await open(person, credentials), `/account/requests/${how}`);
  }

  async function tokensOf(authReqId: string, fields: Record<string, string> = {}) {
    const response = await bank.poll(authReqId, fields);
    const tokens = (await response.json()) as Record<string, string>;
    assert.equal(response.status, 200, JSON.stringify(tokens));
    return tokens;
  }

  const userinfo = async (token: string | undefined) =>
    (await fetch(`${keyturn.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })).status;
  const refresh = async (token: string | undefined) =>
    (
      await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: bank.authentication,
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token ?? '' }),
      })
    ).status;

  test('a client asks, the person approves on the page of their account, and the client gets its tokens (sections 7 to 10)', async () => {
    const party = await RelyingParty.discover(keyturn, {
      client: { clientId: bank.clientId, authenticationMethod: 'client_secret_basic' },
      secret: bank.secret,
    });
    const asked = await oauth.initiateBackchannelAuthentication(party.configuration, {
      scope: 'openid profile offline_access read',
      login_hint: 'ada',
      binding_message: 'W4SCT',
    });
    assert.deepEqual([asked.expires_in, asked.interval], [300, 5]);
    const person = new Person();
    const page = await open(person);
    for (const said of ['Bank', 'W4SCT', '127.0.0.1', 'Payments', 'See your balance', 'See your profile'])
      assert.ok(page.html.includes(said), said);
    const done = await person.submit(page, '/account/requests/approve');
    assert.match(done.html, /The application goes on/);
    assert.match(done.html, /Nobody is asking/);
    const tokens = await oauth.pollBackchannelAuthenticationGrant(party.configuration, {
      ...asked,
      interval: 0,
    });
    const claims = decodeJwt(tokens.access_token);
    assert.deepEqual(claims.aud, [API, keyturn.issuer]);
    assert.equal(claims.sub, subject);
    assert.deepEqual([claims.amr, typeof claims.auth_time], [['pwd'], 'number']);
    assert.equal(tokens.claims()?.preferred_username, 'ada');
    assert.equal(await userinfo(tokens.access_token), 200);
    assert.equal(await refresh(tokens.refresh_token), 200);
  });

  test('the answer may not be cached, and has the interval (section 7.3)', async () => {
    const response = await bank.ask({ scope: 'openid', login_hint: 'nobody' });
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const { auth_req_id, ...rest } = (await response.json()) as { auth_req_id: string };
    assert.deepEqual(rest, { expires_in: 300, interval: 5 });
    assert.ok(auth_req_id.length >= 43, 'nobody can guess it');
  });

  test('a person is known by username, by e-mail address, and by an ID token of theirs', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ADA@example.com' });
    await answer(new Person(), 'approve');
    const { id_token = '' } = await tokensOf(auth_req_id);
    const again = await bank.begin({ id_token_hint: id_token });
    await answer(new Person(), 'approve');
    assert.equal(decodeJwt((await tokensOf(again.auth_req_id)).id_token ?? '').sub, subject);
  });

  test('a person sees what is asked of them, and of nobody else', async () => {
    const { password } = await keyturn.addAccount('grace');
    const grace = { login: 'grace', password };
    const { auth_req_id } = await bank.begin({ login_hint: 'ada', binding_message: 'for ada alone' });
    const [ada1, stranger] = [new Person(), new Person()];
    const page = await open(ada1);
    const id = /name="request" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    assert.ok(!page.html.includes(auth_req_id), 'nor can what they see be redeemed');
    await bank.begin({ login_hint: 'grace' });
    const theirs = await open(stranger, grace);
    assert.ok(!theirs.html.includes('for ada alone'));
    for (const how of ['approve', 'deny']) {
      const done = await stranger.submit(theirs, `/account/requests/${how}`, { request: id });
      assert.match(done.html, /has expired, or was answered already/);
    }
    assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
    await ada1.submit(page, '/account/requests/deny');
  });

  test('a person who says no: access_denied, once (section 11)', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
    const done = await answer(new Person(), 'deny');
    assert.match(done.html, /was told no/);
    assert.equal(await bank.pollError(auth_req_id), 'access_denied');
    assert.equal(await bank.pollError(auth_req_id), 'invalid_grant');
  });

  test('an auth_req_id redeemed fifty times at once yields one token response', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
    await answer(new Person(), 'approve');
    const request = rawRequest(
      'POST /token',
      {
        Authorization: bank.authentication.authorization ?? '',
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      new URLSearchParams({ grant_type: CIBA_GRANT, auth_req_id }).toString(),
    );
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    const refused = answers.filter(({ status }) => status !== 200);
    assert.deepEqual([answers.length, refused.length], [50, 49]);
    for (const each of refused) assert.equal(JSON.parse(each.body).error, 'invalid_grant');
  });

  test('of answers that come at once, each another, one counts', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
    const people = [new Person(), new Person()];
    const pages = await Promise.all(people.map((person) => open(person)));
    const answers = Array.from({ length: 10 }, (_, place) => {
      const person = people[place % 2] as Person;
      const how = place % 4 < 2 ? 'approve' : 'deny';
      return person.submit(pages[place % 2] as Visit, `/account/requests/${how}`);
    });
    const done = await Promise.all(answers);
    const counted = done.filter(({ url }) => url.search !== '?gone');
    assert.equal(counted.length, 1);
    const approved = counted[0]?.url.search === '?approved';
    assert.equal(await bank.pollError(auth_req_id), approved ? null : 'access_denied');
  });

  test('a form that was not made for this browser answers nothing', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
    const person = new Person();
    const page = await open(person);
    for (const how of ['approve', 'deny']) {
      const forged = await person.submit(page, `/account/requests/${how}`, { csrf: 'x' });
      assert.equal(forged.response.status, 403);
    }
    assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
    await person.submit(page, '/account/requests/deny');
  });

  test('tokens end when the person signs out where they approved, except those for offline access', async () => {
    const person = new Person();
    const [bound, offline] = [
      await bank.begin({ login_hint: 'ada' }),
      await bank.begin({ login_hint: 'ada', scope: 'openid offline_access' }),
    ];
    await answer(person, 'approve');
    await answer(person, 'approve');
    const [boundTokens, offlineTokens] = [
      await tokensOf(bound.auth_req_id),
      await tokensOf(offline.auth_req_id),
    ];
    await person.submit(await person.visit(`${keyturn.issuer}/logout`), '/logout/confirm');
    assert.deepEqual(
      [await userinfo(boundTokens.access_token), await refresh(boundTokens.refresh_token)],
      [401, 400],
    );
    assert.deepEqual(
      [await userinfo(offlineTokens.access_token), await refresh(offlineTokens.refresh_token)],
      [200, 200],
    );
  });

  test('an account that is locked between approval and poll gets nothing', async () => {
    const { account, password } = await keyturn.addAccount('eve');
    const { auth_req_id } = await bank.begin({ login_hint: 'eve' });
    await answer(new Person(), 'approve', { login: 'eve', password });
    await keyturn.services.accounts.lock(account.subject);
    assert.equal(await bank.pollError(auth_req_id), 'invalid_grant');
  });

  test('resource narrows the token to one API (RFC 8707 section 2.2), and a wrong one costs nothing', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada', scope: 'openid read' });
    await answer(new Person(), 'approve');
    const wrong = await bank.poll(auth_req_id, { resource: 'https://other.example.com' });
    assert.equal(((await wrong.json()) as { error: string }).error, 'invalid_target');
    const { access_token = '' } = await tokensOf(auth_req_id, { resource: API });
    assert.deepEqual([decodeJwt(access_token).aud, decodeJwt(access_token).scope], [API, 'read']);
  });

  test('a sign-in that is older than the settings allow, or than the client asks for, must be renewed first', async () => {
    const person = new Person();
    const asked = await bank.begin({ login_hint: 'ada', max_age: '120' });
    const page = await open(person);
    const age = async (by: Seconds) => {
      for (const session of await storedSessions(keyturn)) {
        if (session.value.accountId !== undefined) await ageSession(keyturn, session, by);
      }
    };
    await age(seconds(180));
    const renewing = await person.submit(page, '/account/requests/approve');
    assert.match(renewing.html, /\/sign-in"/, 'the client wants one of the last two minutes');
    assert.equal(await bank.pollError(asked.auth_req_id), 'authorization_pending');
    const back = await person.submit(renewing, '/sign-in', ada);
    assert.match((await person.submit(back, '/account/requests/approve')).html, /The application goes on/);
    assert.equal(await bank.pollError(asked.auth_req_id), null);
    await age(seconds(1000));
    assert.match((await person.visit(requestsPage())).html, /\/sign-in"/);
  });

  test('what was begun before the server was restarted goes on after it', async () => {
    const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
    await keyturn.restart();
    await answer(new Person(), 'approve');
    await keyturn.restart();
    assert.equal(await bank.pollError(auth_req_id), null);
  });

  test('the metadata says what there is (section 4)', async () => {
    const metadata = (await (
      await fetch(`${keyturn.issuer}/.well-known/openid-configuration`)
    ).json()) as Record<string, unknown>;
    assert.equal(metadata.backchannel_authentication_endpoint, `${keyturn.issuer}/backchannel`);
    assert.deepEqual(metadata.backchannel_token_delivery_modes_supported, ['poll', 'ping']);
    assert.equal(metadata.backchannel_user_code_parameter_supported, undefined);
    assert.ok((metadata.grant_types_supported as string[]).includes(CIBA_GRANT));
  });
});
