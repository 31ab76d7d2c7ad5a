import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import * as oauth from 'openid-client';
import { ask, assertToldClient } from '#test/support/asking.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { assertRefused, refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;

describe('pushed authorization requests (RFC 9126)', () => {
  let keyturn: Keyturn;
  let added: Added;
  let stranger: Added;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    added = await keyturn.addClient({ scope: 'openid' });
    stranger = await keyturn.addClient({ name: 'Stranger', scope: 'openid' });
    web = await RelyingParty.discover(keyturn, added);
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  async function pushed() {
    const { url, checks } = await web.request();
    const parameters = Object.fromEntries(url.searchParams);
    const sent = await oauth.buildAuthorizationUrlWithPAR(web.configuration, parameters);
    return { url: sent, checks, parameters };
  }

  const push = (fields: Record<string, string>, by: Added | null = added) =>
    fetch(`${keyturn.issuer}/par`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      ...(by && {
        headers: {
          authorization: `Basic ${Buffer.from(`${by.client.clientId}:${by.secret}`).toString('base64')}`,
        },
      }),
    });

  test('a client pushes its request, and the person follows a short address', async () => {
    const { url, checks } = await pushed();
    assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
    const tokens = await web.redeem(await new Person().authorize(url, ada), checks);
    assert.ok(tokens.access_token);
  });

  test('two interactions that it began yield one code, however late the second ends (RFC 9126 section 4)', async () => {
    const { url, checks } = await pushed();
    const [early, late] = [new Person(), new Person()];
    const [first, second] = [await early.visit(url), await late.visit(url)];
    const finish = async (person: Person, page: typeof first) => {
      const consent = await person.submit(page, '/sign-in', ada);
      return consent.leftTo ?? (await person.submit(consent, '/consent')).leftTo;
    };
    await web.redeem((await finish(early, first)) as URL, checks);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
    const callback = await finish(late, second).catch(() => null);
    assert.equal(callback?.searchParams.has('code') ?? false, false);
  });

  test('the address is good for one sign-in (RFC 9126 section 4)', async () => {
    const { url } = await pushed();
    await new Person().authorize(url, ada);
    const again = await new Person().visit(url);
    assert.ok(!again.leftTo?.searchParams.has('code'));
    if (again.leftTo === null) assertRefused(again.response.status, again.html);
    else assert.equal(again.leftTo.searchParams.get('error'), 'invalid_request_uri');
  });

  test('of two browsers that follow it at once, one gets a code', async () => {
    const { url } = await pushed();
    const people = [new Person(), new Person()];
    const pages = await Promise.all(people.map((person) => person.visit(url)));
    const ends = await Promise.all(
      people.map(async (person, index) => {
        const page = pages[index];
        if (page === undefined || page.leftTo !== null) return page;
        const next = await person.submit(page, '/sign-in', ada);
        return next.html.includes('/consent"') ? person.submit(next, '/consent') : next;
      }),
    );
    assert.equal(ends.filter((end) => end?.leftTo?.searchParams.has('code')).length, 1);
  });

  test('it expires, and belongs to the client that pushed it (RFC 9126 section 4)', async () => {
    const { url } = await pushed();
    const stolen = new URL(url);
    stolen.searchParams.set('client_id', stranger.client.clientId);
    const asStranger = await new Person().visit(stolen);
    assert.ok(!asStranger.leftTo?.searchParams.has('code') && !asStranger.html.includes('/sign-in"'));
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 });
    const late = await new Person().visit(url);
    assert.ok(!late.html.includes('/sign-in"'));
  });

  test('what would be refused at the authorization endpoint is refused at once (RFC 9126 section 2.3)', async () => {
    const { parameters } = await pushed();
    for (const [error, change] of [
      ['invalid_request', { redirect_uri: 'https://evil.example/' }],
      ['invalid_request', { redirect_uri: `${CALLBACK}/` }],
      ['unsupported_response_type', { response_type: 'token' }],
      ['invalid_request', { code_challenge_method: 'plain' }],
      ['invalid_request', { code_challenge: '' }],
      ['invalid_scope', { scope: 'openid admin' }],
      ['invalid_target', { resource: 'https://nobody.example' }],
      ['invalid_request_object', { request: 'e30.e30.' }],
      ['request_uri_not_supported', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }],
      ['invalid_request', { prompt: 'none login' }],
      ['invalid_request', { max_age: '-1' }],
      ['invalid_request', { id_token_hint: 'a.b.c' }],
      ['invalid_request', { client_id: stranger.client.clientId }],
    ] as const) {
      const answer = await push({ ...parameters, ...change });
      const text = await answer.clone().text();
      assert.deepEqual(await refusalOf(answer), { status: 400, error }, `${JSON.stringify(change)} ${text}`);
    }
  });

  test('whoever pushes authenticates as at the token endpoint (RFC 9126 section 2)', async () => {
    const { parameters } = await pushed();
    assert.equal(
      (await refusalOf(await push(parameters, { ...added, secret: 'guessed' }))).error,
      'invalid_client',
    );
    assert.equal((await refusalOf(await push(parameters, null))).error, 'invalid_client');
    const spa = await keyturn.addClient({ name: 'SPA', authenticationMethod: 'none', scope: 'openid' });
    const own = await push({ ...parameters, client_id: spa.client.clientId }, null);
    assert.equal(own.status, 201);
    assert.equal(own.headers.get('cache-control'), 'no-store');
  });

  test('the answer is 201, with a reference of 256 random bits, how long it lasts, and kept by nobody (RFC 9126 section 2.2)', async () => {
    const { parameters } = await pushed();
    const references = new Set<string>();
    for (let time = 0; time < 10; time += 1) {
      const answer = await push(parameters);
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/);
      const { request_uri, expires_in } = (await answer.json()) as Record<string, unknown>;
      assert.match(String(request_uri), /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/);
      // The second may turn between the making and the answer.
      assert.ok([59, 60].includes(Number(expires_in)), String(expires_in));
      references.add(String(request_uri));
    }
    assert.equal(references.size, 10);
  });

  test('what stands beside the reference counts for nothing (RFC 9126 section 4)', async () => {
    const { url, checks } = await pushed();
    for (const [name, value] of Object.entries({
      redirect_uri: 'https://evil.example/',
      state: 'evil',
      scope: 'openid profile',
      prompt: 'none',
      code_challenge: 'x'.repeat(43),
      response_mode: 'fragment',
    }))
      url.searchParams.set(name, value);
    const callback = await new Person().authorize(url, ada);
    assert.equal(`${callback.origin}${callback.pathname}`, CALLBACK);
    assert.equal((await web.redeem(callback, checks)).scope, 'openid');
  });

  test('a client that has to push is heard in no other way, and so is every client if the server says so (RFC 9126 sections 5 and 6)', async () => {
    const strict = await keyturn.addClient({
      name: 'Strict',
      scope: 'openid',
      metadata: { require_pushed_authorization_requests: true },
    });
    const party = await RelyingParty.discover(keyturn, strict);
    await assertToldClient(party, {}, 'invalid_request');
    const { url } = await party.request();
    const answer = await push(Object.fromEntries(url.searchParams), strict);
    const { request_uri } = (await answer.json()) as { request_uri: string };
    assert.match((await ask(party, { request_uri })).html, /\/sign-in"/);
    await using all = await startKeyturnHere({ KEYTURN_REQUESTS_PUSHED_REQUIRED: 'true' });
    await assertToldClient(await RelyingParty.discover(all, await all.addClient()), {}, 'invalid_request');
  });

  test('a request is held to the registration once more when it is used (RFC 9126 section 7.4)', async () => {
    const leaving = await keyturn.addClient({
      name: 'Leaving',
      scope: 'openid profile',
      redirectUris: [CALLBACK, 'https://app.example.com/cb'],
    });
    const { clientId } = leaving.client;
    const party = await RelyingParty.discover(keyturn, leaving);
    const follow = async (change: () => Promise<unknown>, parameters: Record<string, string>) => {
      const { url } = await party.request(parameters);
      const answer = await push(Object.fromEntries(url.searchParams), leaving);
      const { request_uri } = (await answer.json()) as { request_uri: string };
      await change();
      const query = new URLSearchParams({ client_id: clientId, request_uri });
      return new Person().visit(`${keyturn.issuer}/authorize?${query}`);
    };
    const { clients } = keyturn.services;
    const withoutScope = await follow(() => clients.update(clientId, { scope: 'openid' }), {
      scope: 'openid profile',
    });
    assert.equal(withoutScope.leftTo?.searchParams.get('error'), 'invalid_scope');
    const withoutPlace = await follow(() => clients.update(clientId, { redirectUris: [CALLBACK] }), {
      redirect_uri: 'https://app.example.com/cb',
    });
    assert.equal(withoutPlace.leftTo, null);
    assertRefused(withoutPlace.response.status, withoutPlace.html);
    const removed = await follow(() => clients.remove(clientId), {});
    assert.equal(removed.leftTo, null);
    assertRefused(removed.response.status, removed.html);
  });

  test('of fifty visits at once, by a person who need not be asked, one gets a code (RFC 9126 section 4)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const { url } = await pushed();
    const request = rawRequest(`GET ${url.pathname}${url.search}`, {
      Host: url.host,
      Cookie: person.cookieHeader(url),
    });
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    assert.equal(answers.length, 50);
    const codes = answers.filter(({ headers }) => /[?&]code=/.test(headers.get('location') ?? ''));
    assert.equal(codes.length, 1);
    for (const { status } of answers) assert.ok(status < 500, String(status));
  });

  test('it lives as long as the settings say, and the client is told (RFC 9126 section 2.2)', async () => {
    await using slow = await startKeyturnHere({ KEYTURN_REQUESTS_PUSHED_LIFETIME: '5m' });
    const credentials = { login: 'ada', password: (await slow.addAccount('ada')).password };
    const client = await slow.addClient({ scope: 'openid' });
    const party = await RelyingParty.discover(slow, client);
    const { url, checks } = await party.request();
    const answer = await fetch(`${slow.issuer}/par`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${client.client.clientId}:${client.secret}`).toString('base64')}`,
      },
      body: url.searchParams,
    });
    const { request_uri, expires_in } = (await answer.json()) as { request_uri: string; expires_in: number };
    assert.ok([299, 300].includes(expires_in), String(expires_in));
    const sent = new URL(`${slow.issuer}/authorize`);
    sent.search = new URLSearchParams({ client_id: client.client.clientId, request_uri }).toString();
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 240_000 });
    const callback = await new Person().authorize(sent, credentials);
    assert.ok((await party.redeem(callback, checks)).access_token);
    mock.timers.setTime(Date.now() + 61_000);
    const late = await new Person().visit(sent);
    assert.ok(!late.html.includes('/sign-in"'));
  });

  test('one that is too large is refused unread (RFC 9126 section 2.3)', async () => {
    const { parameters } = await pushed();
    const large = await push({ ...parameters, state: 'x'.repeat(33 * 1024) });
    assert.deepEqual(await refusalOf(large), { status: 413, error: 'invalid_request' });
    const longest = await push({ ...parameters, state: 'x'.repeat(24 * 1024) });
    assert.equal(longest.status, 201, 'longer than any query may be');
  });

  test('only a POST with a form pushes (RFC 9126 section 2.1)', async () => {
    const { parameters } = await pushed();
    assert.equal((await fetch(`${keyturn.issuer}/par?${new URLSearchParams(parameters)}`)).status, 405);
    const json = await fetch(`${keyturn.issuer}/par`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(parameters),
    });
    assert.ok(json.status >= 400 && json.status < 500);
  });
});
