import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const CONNECTED = /Your device is connected/;

describe('device authorization grant (RFC 8628)', () => {
  let keyturn: Keyturn;
  let television: Device;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    television = await Device.register(keyturn);
  });
  after(() => stopFaultless(keyturn));

  async function tokensFor(
    person: Person,
    scope: string,
    fields: Record<string, string> = {},
  ): Promise<Record<string, string>> {
    const { device_code, user_code } = await television.begin({ scope });
    assert.match((await television.approve(person, user_code, ada)).html, CONNECTED);
    const response = await television.poll(device_code, fields);
    const tokens = (await response.json()) as Record<string, string>;
    assert.equal(response.status, 200, JSON.stringify(tokens));
    return tokens;
  }

  const refresh = (token: string | undefined, fields: Record<string, string> = {}) =>
    fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: token ?? '',
        client_id: television.clientId,
        ...fields,
      }),
    });
  const userinfo = (token: string | undefined) =>
    fetch(`${keyturn.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });

  async function signOut(person: Person): Promise<void> {
    await person.submit(await person.visit(`${keyturn.issuer}/logout`), '/logout/confirm');
  }

  test('a person confirms the device, signs in, consents, and the device gets its tokens (sections 3.1 to 3.5)', async () => {
    const party = await RelyingParty.discover(keyturn, {
      client: { clientId: television.clientId, authenticationMethod: 'none' },
      secret: '',
    });
    const scope = 'openid profile offline_access read';
    const answer = await oauth.initiateDeviceAuthorization(party.configuration, { scope });
    assert.match((await television.approve(new Person(), answer.user_code, ada)).html, CONNECTED);
    const tokens = await oauth.pollDeviceAuthorizationGrant(party.configuration, { ...answer, interval: 0 });
    const claims = decodeJwt(tokens.access_token);
    assert.deepEqual(claims.aud, [API, keyturn.issuer]);
    assert.equal(claims.scope, 'openid profile offline_access read');
    assert.equal(tokens.claims()?.sub, claims.sub);
    assert.equal(tokens.claims()?.preferred_username, 'ada');
    assert.deepEqual([claims.amr, typeof claims.auth_time], [['pwd'], 'number']);
    assert.equal((await userinfo(tokens.access_token)).status, 200);
    const renewed = await oauth.refreshTokenGrant(party.configuration, tokens.refresh_token ?? '');
    assert.equal(decodeJwt(renewed.access_token).auth_time, claims.auth_time);
  });

  test('the answer has what a device needs and may not be cached (section 3.2)', async () => {
    const response = await television.ask();
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const answer = (await response.json()) as Record<string, string>;
    const { device_code, user_code, ...rest } = answer;
    assert.match(user_code ?? '', /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.ok((device_code ?? '').length >= 43, 'nobody needs to type it (section 5.2)');
    assert.deepEqual(rest, {
      verification_uri: `${keyturn.issuer}/device`,
      verification_uri_complete: `${keyturn.issuer}/device?user_code=${user_code}`,
      expires_in: 600,
      interval: 5,
    });
  });

  test('a user code may be typed in small letters and without its dash (section 6.1)', async () => {
    const { user_code } = await television.begin();
    for (const typed of [user_code.toLowerCase(), user_code.replace('-', ''), ` ${user_code} `]) {
      const page = await television.enter(new Person(), typed);
      assert.equal(page.response.status, 200);
      assert.ok(page.html.includes(user_code), 'it is shown as the device shows it');
    }
  });

  test('a code that comes with the address is shown, and still has to be confirmed (section 3.3.1)', async () => {
    const { device_code, user_code, verification_uri_complete } = await television.begin();
    const person = new Person();
    const page = await person.submit(await person.visit(verification_uri_complete), '/device');
    assert.ok(page.html.includes(user_code));
    assert.match(page.html, /in front of you/);
    assert.equal(await television.pollError(device_code), 'authorization_pending');
    const done = await television.consent(person, await person.submit(page, '/device'), ada);
    assert.match(done.html, CONNECTED);
    assert.equal(await television.pollError(device_code), null);
  });

  test('the page says who asked, from where and by which program, and warns (section 5.4)', async () => {
    const { user_code } = await television.begin(undefined, { 'user-agent': 'tv-player/3.1 (Linux)' });
    const { html } = await television.enter(new Person(), user_code);
    for (const said of [
      'Television',
      '127.0.0.1',
      'tv-player/3.1',
      'Continue only if you began this yourself',
    ])
      assert.ok(html.includes(said), said);
  });

  test('a person is asked for consent each time, whatever they agreed to before (section 5.4)', async () => {
    const person = new Person();
    await tokensFor(person, 'openid profile');
    const { device_code, user_code } = await television.begin();
    const page = await television.confirm(person, user_code);
    assert.match(page.html, /\/consent"/);
    assert.equal(await television.pollError(device_code), 'authorization_pending');
  });

  test('a device code redeemed fifty times at once yields one token response', async () => {
    const { device_code, user_code } = await television.begin();
    await television.approve(new Person(), user_code, ada);
    const body = new URLSearchParams(television.tokenRequest(device_code)).toString();
    const request = rawRequest('POST /token', { 'Content-Type': 'application/x-www-form-urlencoded' }, body);
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    const refused = answers.filter(({ status }) => status !== 200);
    assert.deepEqual([answers.length, refused.length], [50, 49]);
    for (const answer of refused) assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
  });

  test('a device code that comes back after its redemption is refused, and the tokens end', async () => {
    const { device_code, user_code } = await television.begin();
    await television.approve(new Person(), user_code, ada);
    const tokens = (await (await television.poll(device_code)).json()) as Record<string, string>;
    assert.equal((await userinfo(tokens.access_token)).status, 200);
    assert.equal(await television.pollError(device_code), 'invalid_grant');
    assert.equal((await userinfo(tokens.access_token)).status, 401);
    assert.equal((await refresh(tokens.refresh_token)).status, 400);
  });

  test('a device that polls while the person approves gets either the word to wait or the tokens, once', async () => {
    const { device_code, user_code } = await television.begin();
    const person = new Person();
    const page = await television.confirm(person, user_code);
    const polls = Array.from({ length: 20 }, () => television.pollError(device_code));
    await television.consent(person, page, ada);
    const said = await Promise.all([...polls, television.pollError(device_code)]);
    const waiting = said.filter((error) => error === 'authorization_pending' || error === 'slow_down');
    assert.equal(said.at(-1), null);
    assert.equal(waiting.length, 20);
  });

  test('two browsers enter the same code, and one of them may go on', async () => {
    const { device_code, user_code } = await television.begin();
    const people = Array.from({ length: 10 }, () => new Person());
    const confirming = await Promise.all(people.map((person) => television.enter(person, user_code)));
    const pages = await Promise.all(
      people.map((person, index) => person.submit(confirming[index] as never, '/device')),
    );
    const went = pages.filter(({ html }) => html.includes('/sign-in"'));
    assert.equal(went.length, 1);
    for (const page of pages) {
      if (page === went[0]) continue;
      assert.equal(page.response.status, 400);
      assert.match(page.html, /used already/);
    }
    const [winner] = went;
    assert.ok(winner);
    const person = people[pages.indexOf(winner)] as Person;
    assert.match((await television.consent(person, winner, ada)).html, CONNECTED);
    assert.equal(await television.pollError(device_code), null);
  });

  test('one answer that is sent twice at once opens one authorization', async () => {
    const { device_code, user_code } = await television.begin();
    const person = new Person();
    let page = await television.confirm(person, user_code);
    page = await person.submit(page, '/sign-in', ada);
    await Promise.all(Array.from({ length: 5 }, () => person.submit(page, '/consent')));
    assert.equal(await television.pollError(device_code), null);
  });

  test('tokens end when the person signs out, except those for offline access', async () => {
    const person = new Person();
    const bound = await tokensFor(person, 'openid profile');
    const offline = await tokensFor(person, 'openid profile offline_access');
    await signOut(person);
    assert.equal((await userinfo(bound.access_token)).status, 401);
    assert.equal((await refresh(bound.refresh_token)).status, 400);
    assert.equal((await userinfo(offline.access_token)).status, 200);
    assert.equal((await refresh(offline.refresh_token)).status, 200);
  });

  test('signing out between approval and poll leaves nothing to redeem', async () => {
    const person = new Person();
    const { device_code, user_code } = await television.begin();
    await television.approve(person, user_code, ada);
    await signOut(person);
    assert.equal(await television.pollError(device_code), 'invalid_grant');
  });

  test('an account that is locked between approval and poll gets nothing', async () => {
    const { account, password } = await keyturn.addAccount('grace');
    const { device_code, user_code } = await television.begin();
    await television.approve(new Person(), user_code, { login: 'grace', password });
    await keyturn.services.accounts.lock(account.subject);
    assert.equal(await television.pollError(device_code), 'invalid_grant');
  });

  test('resource narrows the token to one API (RFC 8707 section 2.2), and a wrong one costs nothing', async () => {
    const { device_code, user_code } = await television.begin({ scope: 'openid read' });
    await television.approve(new Person(), user_code, ada);
    const wrong = await television.poll(device_code, { resource: 'https://other.example.com' });
    assert.equal(((await wrong.json()) as { error: string }).error, 'invalid_target');
    const tokens = (await (await television.poll(device_code, { resource: API })).json()) as {
      access_token: string;
    };
    const { aud, scope } = decodeJwt(tokens.access_token);
    assert.deepEqual([aud, scope], [API, 'read']);
  });

  test('a device that proves its key gets tokens that are bound to it (RFC 9449 section 5)', async () => {
    const party = await RelyingParty.discover(keyturn, {
      client: { clientId: television.clientId, authenticationMethod: 'none' },
      secret: '',
    });
    const DPoP = oauth.getDPoPHandle(party.configuration, await oauth.randomDPoPKeyPair('ES256'));
    const answer = await oauth.initiateDeviceAuthorization(party.configuration, { scope: 'openid' });
    await television.approve(new Person(), answer.user_code, ada);
    const tokens = await oauth.pollDeviceAuthorizationGrant(
      party.configuration,
      { ...answer, interval: 0 },
      undefined,
      { DPoP },
    );
    assert.equal(tokens.token_type, 'dpop');
    assert.equal(typeof (decodeJwt(tokens.access_token).cnf as { jkt: string }).jkt, 'string');
    assert.equal((await refresh(tokens.refresh_token)).status, 400, 'a refresh needs the key as well');
  });

  test('a confidential client authenticates at both endpoints (section 3.1)', async () => {
    const added = await keyturn.addClient({
      redirectUris: [],
      grantTypes: [DEVICE_CODE_GRANT],
      scope: 'openid',
    });
    const party = await RelyingParty.discover(keyturn, added);
    const answer = await oauth.initiateDeviceAuthorization(party.configuration, { scope: 'openid' });
    await television.approve(new Person(), answer.user_code, ada);
    const tokens = await oauth.pollDeviceAuthorizationGrant(party.configuration, { ...answer, interval: 0 });
    assert.equal(tokens.refresh_token, undefined, 'it is not registered for refreshing');
    assert.ok(tokens.claims()?.sub);
  });

  test('a request that names no scope asks for the default scope of the client (RFC 6749 section 3.3)', async () => {
    const tokens = await (async () => {
      const device = await Device.register(keyturn, { scope: 'openid read', defaultScope: 'read' });
      const { device_code, user_code } = await device.begin({});
      await device.approve(new Person(), user_code, ada);
      return (await (await device.poll(device_code)).json()) as { access_token: string; id_token?: string };
    })();
    assert.equal(decodeJwt(tokens.access_token).scope, 'read');
    assert.equal(tokens.id_token, undefined);
  });

  test('what was begun before the server was restarted goes on after it', async () => {
    const { device_code, user_code } = await television.begin();
    await keyturn.restart();
    await television.approve(new Person(), user_code, ada);
    await keyturn.restart();
    assert.equal(await television.pollError(device_code), null);
  });

  test('the log of it all holds neither code', async () => {
    const { device_code, user_code, verification_uri_complete } = await television.begin();
    const person = new Person();
    await person.submit(await person.visit(verification_uri_complete), '/device');
    await television.approve(person, user_code, ada);
    assert.equal(await television.pollError(device_code), null);
    const log = keyturn.logged.join('');
    assert.ok(log.includes('/device_authorization'));
    for (const code of [device_code, user_code, user_code.replace('-', '')]) assert.ok(!log.includes(code));
  });

  test('the metadata has the endpoint and the grant (section 4)', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const metadata = (await (await fetch(`${keyturn.issuer}/.well-known/${name}`)).json()) as Record<
        string,
        unknown
      >;
      assert.equal(metadata.device_authorization_endpoint, `${keyturn.issuer}/device_authorization`);
      assert.ok((metadata.grant_types_supported as string[]).includes(DEVICE_CODE_GRANT));
    }
  });
});

test('a server that does not speak it has neither endpoint, page nor grant, and its clients do the rest', async () => {
  await using keyturn = await startKeyturnHere({ KEYTURN_DEVICE_AUTHORIZATION_ENABLED: 'false' });
  const { password } = await keyturn.addAccount('ada');
  const added = await keyturn.addClient({ grantTypes: ['authorization_code', DEVICE_CODE_GRANT] });
  const metadata = (await (
    await fetch(`${keyturn.issuer}/.well-known/openid-configuration`)
  ).json()) as Record<string, unknown>;
  assert.equal(metadata.device_authorization_endpoint, undefined);
  assert.ok(!(metadata.grant_types_supported as string[]).includes(DEVICE_CODE_GRANT));
  const post = (path: string, fields: Record<string, string>) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { authorization: `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}` },
    });
  assert.equal((await post('/device_authorization', { scope: 'openid' })).status, 404);
  assert.equal((await fetch(`${keyturn.issuer}/device`)).status, 404);
  const polled = await post('/token', { grant_type: DEVICE_CODE_GRANT, device_code: 'x' });
  assert.equal(((await polled.json()) as { error: string }).error, 'unsupported_grant_type');
  const party = await RelyingParty.discover(keyturn, added);
  assert.ok((await party.signIn(new Person(), { login: 'ada', password })).access_token);
});
