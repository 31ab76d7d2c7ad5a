import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { days, minutes } from '#src/units.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import { ageSession, storedSessions, writeSession } from '#test/support/sessions.ts';

const API = 'https://api.example.com';
const SCOPE = 'openid profile read write offline_access';

/** A parameter that the endpoint does not know. It means nothing (RFC 6749 section 3.1), and the library answers it. */
const MEANINGLESS = { meaningless: 'x' };

type Parameters = Readonly<Record<string, string>>;

describe('somebody who is signed in and has agreed is sent back as by the library (RFC 6749 section 4.1.2)', () => {
  let keyturn: Keyturn;
  let ada: { login: string; password: string };
  const person = new Person();
  const parties: Record<string, RelyingParty> = {};

  before(async () => {
    keyturn = await startKeyturnHere();
    ada = { login: 'ada', password: (await keyturn.addAccount('ada')).password };
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({ identifier: 'https://other.example.com', scope: ['other'] });
    for (const [name, registration] of [
      ['web', {}],
      ['public', { authenticationMethod: 'none' }],
      ['pairwise', { metadata: { subject_type: 'pairwise' } }],
      [
        'told of sign-outs',
        {
          metadata: {
            backchannel_logout_uri: 'https://client.example.com/logout',
            backchannel_logout_session_required: true,
          },
        },
      ],
      ['native', { applicationType: 'native' }],
      ['pushing', { metadata: { require_pushed_authorization_requests: true } }],
      ['asking for the time', { metadata: { default_max_age: 600 } }],
    ] satisfies [string, Partial<ClientRegistration>][]) {
      const added = await keyturn.addClient({ scope: SCOPE, ...registration } as Partial<ClientRegistration>);
      const party = await RelyingParty.discover(keyturn, added);
      parties[name] = party;
      const asked = { scope: 'openid profile read', resource: API };
      // Whoever has to push its requests is agreed to without one.
      if (name === 'pushing') await agree(added.client.clientId);
      else await party.signIn(person, ada, asked);
    }
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function pushed(who: string, parameters: Parameters = {}) {
    const { url, checks } = await party(who).request(parameters);
    const fields = Object.fromEntries(url.searchParams);
    return { url: await oauth.buildAuthorizationUrlWithPAR(party(who).configuration, fields), checks };
  }

  const party = (name: string) => parties[name] ?? assert.fail(name);

  /** What comes of a request; of what is never the same, that it is there. */
  async function ask(url: URL, headers: Record<string, string> = {}, method = 'GET') {
    const cookie = person.cookieHeader(url);
    const response = await fetch(url, { method, redirect: 'manual', headers: { cookie, ...headers } });
    const location = response.headers.get('location');
    const to = location === null ? null : new URL(location, url);
    const { pathname = '', searchParams = new URLSearchParams() } = to ?? {};
    return {
      to,
      /** The library sends the cookie of the session with every answer. */
      isDirect: response.status === 303 && response.headers.getSetCookie().length === 0,
      answer: {
        status: response.status,
        where: to && to.origin + pathname.replace(/^\/interaction\/.*/, '/interaction'),
        parameters: [...searchParams.keys()],
        error: searchParams.get('error'),
        iss: searchParams.get('iss'),
        caching: response.headers.get('cache-control'),
        policy: response.headers.get('referrer-policy'),
      },
    };
  }

  async function assertSame(url: URL, headers?: Record<string, string>, method?: string) {
    const asked = await ask(url, headers, method);
    const plain = new URL(url);
    for (const [name, value] of Object.entries(MEANINGLESS)) plain.searchParams.append(name, value);
    const byLibrary = await ask(plain, headers, method);
    assert.equal(byLibrary.isDirect, false);
    assert.deepEqual(asked.answer, byLibrary.answer);
    return { ...asked, byLibrary: byLibrary.to };
  }

  function described({ access_token, id_token, refresh_token, ...rest }: Tokens) {
    const claimsOf = (token: string | undefined) => {
      const { iat = 0, exp = 0, ...claims } = token === undefined ? {} : decodeJwt(token);
      for (const name of ['jti', 'grant_id', 'nonce', 'at_hash']) if (name in claims) claims[name] = 'there';
      return { claims, lifetime: exp - iat };
    };
    const tokens = { access: claimsOf(access_token), id: claimsOf(id_token), refresh: typeof refresh_token };
    return { ...tokens, scope: rest.scope, type: rest.token_type };
  }

  for (const [name, who, parameters] of [
    ['with OpenID Connect', 'web', {}],
    ['with claims', 'web', { scope: 'openid profile' }],
    ['for a resource server', 'web', { scope: 'openid profile read', resource: API }],
    ['without OpenID Connect', 'web', { scope: 'read', resource: API }],
    ['with scopes twice', 'web', { scope: 'read openid read', resource: API }],
    ['to a public client', 'public', { scope: 'openid read', resource: API }],
    ['to a client that knows people by other names', 'pairwise', { scope: 'openid profile' }],
    ['to a client that is told of the session', 'told of sign-outs', {}],
  ] as const satisfies [string, string, Parameters][]) {
    test(name, async () => {
      const { url, checks } = await party(who).request(parameters);
      const { isDirect, to, byLibrary } = await assertSame(url);
      assert.equal(isDirect, true);
      assert.ok(to?.href.startsWith(CALLBACK) === true && byLibrary !== null);
      const [tokens, expected] = [
        await party(who).redeem(to, checks),
        await party(who).redeem(byLibrary, checks),
      ];
      assert.deepEqual(described(tokens), described(expected));
    });
  }

  test('without a state, if there was none', async () => {
    const { url } = await party('web').request();
    url.searchParams.delete('state');
    const { isDirect, answer } = await assertSame(url);
    assert.deepEqual([isDirect, answer.parameters], [true, ['code', 'iss']]);
  });

  for (const [who, parameters] of [
    ['web', {}],
    ['web', { scope: 'openid read', resource: API }],
    ['pushing', {}],
  ] as const satisfies [string, Parameters][]) {
    test(`with a request that ${who} has pushed (RFC 9126), once: ${JSON.stringify(parameters)}`, async () => {
      const [one, other] = [await pushed(who, parameters), await pushed(who, parameters)];
      const direct = await ask(one.url);
      other.url.searchParams.set('meaningless', 'x');
      const byLibrary = await ask(other.url);
      assert.deepEqual([direct.isDirect, byLibrary.isDirect], [true, false]);
      assert.deepEqual(direct.answer, byLibrary.answer);
      assert.ok(direct.to !== null && byLibrary.to !== null);
      const again = await ask(one.url);
      assert.deepEqual([again.isDirect, again.answer.status, again.to], [false, 400, null]);
      const tokens = await party(who).redeem(direct.to, one.checks);
      assert.deepEqual(described(tokens), described(await party(who).redeem(byLibrary.to, other.checks)));
    });
  }

  test('but not with a request that another client has pushed (RFC 9126 section 4)', async () => {
    const { url } = await pushed('web');
    const { url: own } = await party('public').request();
    url.searchParams.set('client_id', own.searchParams.get('client_id') ?? '');
    const { isDirect, to, answer } = await ask(url);
    assert.deepEqual([isDirect, to, answer.status], [false, null, 400]);
  });

  for (const [name, who, parameters, error] of [
    ['a page is not to be shown', 'web', { prompt: 'none' }, null],
    ['a sign-in is asked for', 'web', { prompt: 'login' }, null],
    ['a recent sign-in is asked for', 'web', { max_age: '0' }, null],
    ['an authentication context is asked for', 'web', { acr_values: 'urn:other' }, null],
    ['single claims are asked for', 'web', { claims: '{"userinfo":{"email":null}}' }, null],
    ['offline access is asked for', 'web', { scope: 'openid offline_access' }, null],
    ['the person has not agreed to a scope', 'web', { scope: 'openid write', resource: API }, null],
    [
      'the person has not agreed to a resource server',
      'web',
      { resource: 'https://other.example.com' },
      null,
    ],
    ['the resource server was agreed to by another name', 'web', { resource: `${API}/` }, null],
    ['the resource server is left to the scope', 'web', { scope: 'openid read' }, null],
    ['the resource is userinfo', 'web', { resource: 'ISSUER' }, null],
    ['another response mode is asked for', 'web', { response_mode: 'fragment' }, null],
    ['no scope is named', 'web', { scope: '' }, null],
    ['a scope is not the client’s', 'web', { scope: 'openid email' }, 'invalid_scope'],
    ['a scope is nobody’s', 'web', { scope: 'openid nothing', resource: API }, 'invalid_scope'],
    [
      'a scope is of another resource server',
      'web',
      { scope: 'openid other', resource: API },
      'invalid_scope',
    ],
    ['the scope is malformed', 'web', { scope: 'openid  profile' }, 'invalid_scope'],
    ['the resource is unknown', 'web', { resource: 'https://none.example.com' }, 'invalid_target'],
    ['the resource is none', 'web', { resource: 'api' }, 'invalid_target'],
    ['there is no challenge', 'web', { code_challenge: '' }, 'invalid_request'],
    ['the challenge is short', 'web', { code_challenge: 'short' }, 'invalid_request'],
    ['the challenge is plain', 'web', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['the challenge has no method', 'web', { code_challenge_method: '' }, 'invalid_request'],
    ['the answer is to be a token', 'web', { response_type: 'token' }, null],
    [
      'a nonce comes without OpenID Connect',
      'web',
      { scope: 'read', nonce: 'n', resource: API },
      'invalid_request',
    ],
    ['the client is a program on the device', 'native', {}, null],
    ['the client pushes its requests', 'pushing', {}, 'invalid_request'],
    ['the client wants recent sign-ins', 'asking for the time', {}, null],
  ] as const satisfies [string, string, Parameters, string | null][]) {
    test(`but not where ${name}: that is the library's`, async () => {
      const { resource, ...rest }: Parameters = parameters;
      const { url } = await party(who).request(rest);
      if (resource !== undefined)
        url.searchParams.set('resource', resource === 'ISSUER' ? keyturn.issuer : resource);
      const { isDirect, answer } = await assertSame(url);
      assert.equal(isDirect, false);
      assert.equal(answer.error, error);
    });
  }

  test('nor where the redirect URI is not registered (RFC 9700 section 2.1)', async () => {
    const { url } = await party('web').request({ redirect_uri: `${CALLBACK}/elsewhere` });
    const { answer } = await assertSame(url);
    assert.deepEqual([answer.status, answer.where], [400, null]);
  });

  test('nor where a parameter comes twice (RFC 6749 section 3.1)', async () => {
    for (const name of ['state', 'scope', 'redirect_uri', 'client_id', 'code_challenge']) {
      const { url } = await party('web').request();
      url.searchParams.append(name, url.searchParams.get(name) ?? '');
      const { answer } = await assertSame(url);
      assert.ok(answer.status === 400 || answer.error === 'invalid_request', name);
    }
  });

  test('nor by another method', async () => {
    const { url } = await party('web').request();
    assert.equal((await assertSame(url, {}, 'HEAD')).isDirect, false);
  });

  test('nor in a browser whose cookie is missing, altered, unsigned, or there twice', async () => {
    const { url } = await party('web').request();
    const cookie = person.cookieHeader(url);
    const [pair = ''] = cookie.split('; ').filter((each) => /^keyturn-session=/.test(each));
    const [signature = ''] = cookie.split('; ').filter((each) => /^keyturn-session\.sig=/.test(each));
    assert.ok(pair !== '' && signature !== '');
    for (const forged of [
      '',
      pair,
      signature,
      `${pair}x; ${signature}`,
      `${pair}; ${signature}x`,
      `${pair}; keyturn-session.sig=`,
    ]) {
      const { answer } = await assertSame(url, { cookie: forged });
      assert.equal(answer.where, `${keyturn.issuer}/interaction`, forged);
    }
    const twice = await assertSame(url, { cookie: `${pair}; ${signature}; keyturn-session=other` });
    assert.equal(twice.isDirect, false);
  });

  test('nor once the consent is withdrawn', async () => {
    const other = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    await other.signIn(person, ada);
    const { url } = await other.request();
    assert.equal((await assertSame(url)).isDirect, true);
    const { clientId, subject } = await whose(url);
    await keyturn.services.consents.forget(subject, clientId);
    assert.equal((await assertSame(url)).answer.where, `${keyturn.issuer}/interaction`);
  });

  test('and the session is known to a client that it was not known to, and was used again', async () => {
    const other = await keyturn.addClient({ scope: 'openid' });
    const { clientId } = other.client;
    const { url } = await (await RelyingParty.discover(keyturn, other)).request();
    await agree(clientId);
    const { id, value, expiresAt } = await ownSession();
    const at = (value.seen?.at ?? 0) - minutes(10);
    assert.ok(value.seen);
    await writeSession(keyturn, {
      id,
      expiresAt,
      value: { ...value, seen: { ...value.seen, at: at as never } },
    });
    assert.equal((await ask(url)).isDirect, true);
    const after = (await ownSession()).value;
    assert.equal(after.authorizations?.[clientId]?.persistsLogout, true);
    assert.equal(typeof after.authorizations?.[clientId]?.sid, 'string');
    assert.ok((after.seen?.at ?? 0) > at + minutes(9));
  });

  test('nor once the session is over, or its account is locked', async () => {
    const { url } = await party('web').request();
    const { subject } = await whose(url);
    await keyturn.services.accounts.lock(subject);
    assert.equal((await assertSame(url)).answer.where, `${keyturn.issuer}/interaction`);
    await keyturn.services.accounts.unlock(subject);
    await ageSession(keyturn, await ownSession(), days(13));
    // It lasts shorter than its cookie now, which the library tells the browser.
    assert.equal((await assertSame(url)).isDirect, false);
    await ageSession(keyturn, await ownSession(), days(400));
    assert.equal((await assertSame(url)).answer.where, `${keyturn.issuer}/interaction`);
  });

  async function ownSession() {
    const [session, ...more] = (await storedSessions(keyturn)).filter(({ value }) => value.accountId);
    assert.ok(session !== undefined && more.length === 0);
    return session;
  }

  async function agree(clientId: string) {
    const subject = (await ownSession()).value.accountId ?? assert.fail('nobody is signed in');
    const agreed = { scope: ['openid'], resources: {}, claims: [] };
    await keyturn.services.consents.remember(subject, clientId, agreed);
  }

  async function whose(url: URL) {
    const { accountId } = (await ownSession()).value;
    return { clientId: url.searchParams.get('client_id') ?? '', subject: accountId as never };
  }
});
